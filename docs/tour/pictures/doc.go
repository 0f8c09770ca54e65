// Package pictures draws the pictures of the tour. They lie beside this code;
//
//	go test ./docs/tour/pictures -regen
//
// draws them anew, and without -regen the test compares them.
package pictures

import "github.com/gorgonia-s4/s4/internal/figure"

// Drawn are the pictures, by their files. Each has one column: a telephone shows it
// as wide as a page does.
var Drawn = map[string]func() ([]figure.Panel, error){
	"memory.png":         memory,
	"views.png":          views,
	"discretisation.png": discretisation,
	"naive.png":          naive,
	"lowrank.png":        lowRank,
	"diagonal.png":       diagonal,
	"timescale.png":      timescale,
	"learning.png":       learning,
	"convolution.png":    convolution,
	"block.png":          block,
	"pixels.png":         pixels,
	"sound.png":          sound,
	"text.png":           text,
	"attention.png":      attention,
	"selection.png":      selection,
	"limits.png":         limits,
}

// Save draws a picture of Drawn and writes it to a file.
func Save(name, path string) error {
	panels, err := Drawn[name]()
	if err != nil {
		return err
	}
	var rows [][]figure.Panel
	for _, p := range panels {
		rows = append(rows, []figure.Panel{p})
	}
	return figure.Save(path, rows...)
}

// whole returns 0..n-1.
func whole(n int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = float64(i)
	}
	return xs
}

// positions returns n numbers from lo to hi, evenly spaced.
func positions(lo, hi float64, n int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = lo + (hi-lo)*float64(i)/float64(n-1)
	}
	return xs
}
