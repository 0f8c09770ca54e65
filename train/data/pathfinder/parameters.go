package pathfinder

import (
	"fmt"
	"slices"
)

// Difficulty is the number of paddles of the two target snakes.
type Difficulty string

// The published difficulties.
const (
	Easy         Difficulty = "easy"         // 6 paddles, curv_baseline
	Intermediate Difficulty = "intermediate" // 9 paddles, curv_contour_length_9
	Hard         Difficulty = "hard"         // 14 paddles, curv_contour_length_14, that of the papers
)

// Difficulties are all of them, and Resolutions the sides of the published pictures
// in pixels.
var (
	Difficulties = []Difficulty{Easy, Intermediate, Hard}
	Resolutions  = []int{32, 64, 128, 256}
)

// contour returns the number of paddles of a target snake, and the name of the
// published folder.
func (d Difficulty) contour() (paddles int, folder string) {
	switch d {
	case Easy:
		return 6, "curv_baseline"
	case Intermediate:
		return 9, "curv_contour_length_9"
	default:
		return 14, "curv_contour_length_14"
	}
}

// parameters are those of the generator, lengths in pixels.
type parameters struct {
	side         int     // of a picture
	margins      []int   // free space around a paddle; one is drawn for each picture
	padding      int     // free space at the border
	length       int     // of a paddle
	thickness    float64 // of a paddle
	radius       float64 // of a marker
	continuity   float64 // no snake turns by more than 90 degrees over this from one paddle to the next
	paddles      int     // of a target snake
	distractor   int     // paddles of a distractor
	distractors  int     // number of these snakes
	seedDistance int     // between the first ends of the targets
	contrast     float64 // brightness of a paddle, that of a marker being 1
}

// published returns the parameters of the published data sets.
func published(side int, d Difficulty) parameters {
	var p parameters
	var around int // paddles of all distractors together
	switch side {
	case 32:
		p = parameters{margins: []int{1}, padding: 1, length: 2, thickness: 0.5, radius: 1.5, continuity: 1, seedDistance: 7, contrast: 2 * 0.75}
		around = 20
	case 64:
		p = parameters{margins: []int{1}, padding: 1, length: 5, thickness: 1, radius: 2.5, continuity: 1.8, seedDistance: 12, contrast: 0.8}
		around = 22
	case 128:
		p = parameters{margins: []int{2, 3}, padding: 1, length: 5, thickness: 1.5, radius: 3, continuity: 1.8, seedDistance: 20, contrast: 0.9}
		around = 35
	default:
		p = parameters{margins: []int{3}, padding: 22, length: 5, thickness: 2, radius: 5, continuity: 1.8, seedDistance: 27, contrast: 1}
		around = 30
	}
	p.side = side
	p.paddles, _ = d.contour()
	p.distractor = p.paddles / 3
	p.distractors = around / p.distractor
	return p
}

// checkKind reports a resolution or a difficulty that there is not.
func checkKind(side int, d Difficulty) error {
	if !slices.Contains(Resolutions, side) {
		return fmt.Errorf("pathfinder: Config.Resolution: want one of %v, got %d", Resolutions, side)
	}
	if !slices.Contains(Difficulties, d) {
		return fmt.Errorf("pathfinder: Config.Difficulty: want one of %q, got %q", Difficulties, d)
	}
	return nil
}
