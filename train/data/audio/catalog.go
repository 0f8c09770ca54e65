package audio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/train/data"
)

// Files of the Speech Commands beside the words.
const (
	valList         = "validation_list.txt"
	testList        = "testing_list.txt"
	backgroundNoise = "_background_noise_"
)

// longestName is the most bytes of a line of a list.
const longestName = 4096

// digitName is the name of a file of the Spoken Digits: digit, speaker, number.
var digitName = regexp.MustCompile(`^([0-9])_([^_]+)_([0-9]{1,6})\.wav$`)

// commandSpeaker is the name of a file of the Speech Commands: speaker, number.
var commandSpeaker = regexp.MustCompile(`^([0-9a-z]+)_nohash_[0-9]+\.wav$`)

// The parts of a split, in the order of data.Splits.
const (
	inTrain = iota
	inVal
	inTest
)

// catalog is the recordings that there are of the classes, in the order of their
// names, and what their names tell.
type catalog struct {
	layout  Layout
	classes []string
	names   []string // below the folder or in the archive
	labels  []int32
	lists   [][]string // of Speech Commands: lines of the validation and of the test list
	listed  []uint8    // the part that the lists have each recording in

	sizes map[string]int64 // of the files in bytes, while they are read
}

// bytes returns how many bytes the samples of a file have, if they have 16 bits and
// are cut to a length.
func (c *catalog) bytes(name string, length int) int64 {
	n := max(0, min(c.sizes[name], maxBytes)-headerSize)
	if length > 0 {
		n = min(n, 2*int64(length))
	}
	return n
}

// survey walks through a folder or an archive for the names of the recordings of
// the classes, without reading them.
func survey(ctx context.Context, root string, cfg Config) (*catalog, error) {
	c := &catalog{lists: make([][]string, 2), sizes: map[string]int64{}}
	err := data.Walk(ctx, root, data.Limits{File: maxBytes, Total: maxTotal}, func(m data.Member) error {
		switch i := slices.Index([]string{valList, testList}, path.Base(m.Name)); {
		case i >= 0:
			if c.lists[i] != nil {
				return errors.New("more than one list of this name")
			}
			list, err := readList(m)
			c.lists[i] = list
			return err
		case isRecording(m.Name):
			c.names, c.sizes[m.Name] = append(c.names, m.Name), m.Size
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(c.names) == 0 {
		return nil, fmt.Errorf("%s: want files *.wav, got none", root)
	}
	slices.Sort(c.names)
	if err := c.sort(cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", root, err)
	}
	return c, nil
}

// isRecording says whether a file is a recording by its name.
func isRecording(name string) bool {
	for _, element := range strings.Split(name, "/") {
		if element == backgroundNoise || element == "__MACOSX" || strings.HasPrefix(element, ".") {
			return false
		}
	}
	return strings.EqualFold(path.Ext(name), ".wav")
}

// readList reads a list of the Speech Commands: a name WORD/FILE.wav in each line.
func readList(m data.Member) ([]string, error) {
	list := []string{}
	_, err := data.Lines(m, longestName, func(_ int, text []byte) error {
		name := strings.TrimSpace(string(text))
		if word, file, ok := strings.Cut(name, "/"); !ok || word == "" || strings.Contains(file, "/") || !isRecording(name) {
			return fmt.Errorf("want WORD/FILE.wav, got %.80q", name)
		}
		list = append(list, name)
		return nil
	})
	return list, err
}

// sort finds the layout, the classes and the labels, and leaves out the recordings
// of other classes.
func (c *catalog) sort(cfg Config) error {
	c.layout = cmp.Or(cfg.Layout, c.guess())
	name, err := c.namer(cfg.Classes)
	if err != nil {
		return err
	}
	c.classes = slices.Clone(cfg.Classes)
	if c.classes == nil {
		for _, n := range c.names {
			c.classes = append(c.classes, name(n))
		}
		slices.Sort(c.classes)
		c.classes = slices.Compact(c.classes)
	}
	if n := len(c.classes); n < 2 || n > maxClasses {
		return fmt.Errorf("want recordings of 2 to %d classes, got %d: %.200q", maxClasses, n, c.classes)
	}
	label := make(map[string]int32)
	for i, class := range c.classes {
		label[class] = int32(i)
	}
	kept := c.names[:0]
	for _, n := range c.names {
		if l, ok := label[name(n)]; ok {
			kept = append(kept, n)
			c.labels = append(c.labels, l)
		}
	}
	c.names = kept
	if err := c.checkClasses(); err != nil {
		return err
	}
	return c.list()
}

// guess returns the layout that the files have.
func (c *catalog) guess() Layout {
	switch {
	case c.lists[0] != nil && c.lists[1] != nil:
		return SpeechCommands
	case !slices.ContainsFunc(c.names, func(n string) bool { return !digitName.MatchString(path.Base(n)) }):
		return SpokenDigits
	}
	return Folders
}

// namer returns what gives the class of a file by its name, "" for none.
func (c *catalog) namer(classes []string) (func(name string) string, error) {
	switch c.layout {
	case SpeechCommands:
		return func(name string) string { return path.Base(path.Dir(name)) }, nil
	case SpokenDigits:
		for _, n := range c.names {
			if !digitName.MatchString(path.Base(n)) {
				return nil, fmt.Errorf("%s: want a name DIGIT_SPEAKER_NUMBER.wav", n)
			}
		}
		return func(name string) string { return path.Base(name)[:1] }, nil
	}
	if classes != nil {
		return func(name string) string {
			for _, folder := range folders(name) {
				if slices.Contains(classes, folder) {
					return folder
				}
			}
			return ""
		}, nil
	}
	depth := c.common()
	for _, n := range c.names {
		if len(folders(n)) == depth {
			return nil, fmt.Errorf("%s: want it in the folder of a class, beside those of the others", n)
		}
	}
	return func(name string) string { return folders(name)[depth] }, nil
}

// folders returns the folders that a file is in, the outermost first.
func folders(name string) []string {
	elements := strings.Split(name, "/")
	return elements[:len(elements)-1]
}

// common returns how many folders all names begin with.
func (c *catalog) common() int {
	first := folders(c.names[0])
	n := len(first)
	for _, name := range c.names {
		of := folders(name)
		n = min(n, len(of))
		for i := range n {
			if of[i] != first[i] {
				n = i
				break
			}
		}
	}
	return n
}

// checkClasses reports a class without recordings.
func (c *catalog) checkClasses() error {
	counts := make([]int, len(c.classes))
	for _, l := range c.labels {
		counts[l]++
	}
	if i := slices.Index(counts, 0); i >= 0 {
		return fmt.Errorf("want recordings of the class %q, got none", c.classes[i])
	}
	return nil
}

// list finds the recordings in the lists of the Speech Commands.
func (c *catalog) list() error {
	c.listed = make([]uint8, len(c.names))
	if c.layout != SpeechCommands {
		return nil
	}
	at := make(map[string]int)
	for i, n := range c.names {
		at[commandName(n)] = i
	}
	for j, list := range c.lists {
		for _, name := range list {
			i, ok := at[name]
			switch {
			case !ok && slices.Contains(c.classes, path.Dir(name)):
				return fmt.Errorf("%s: want a file %s, got none", [...]string{valList, testList}[j], name)
			case !ok:
			case c.listed[i] == inVal && j == 1:
				return fmt.Errorf("%s: %s is in %s too", testList, name, valList)
			default:
				c.listed[i] = uint8(inVal + j)
			}
		}
	}
	return nil
}

// commandName returns a name as the lists have it: WORD/FILE.wav.
func commandName(name string) string { return path.Base(path.Dir(name)) + "/" + path.Base(name) }

// speaker returns whose the recording of a name is, "" if it does not tell.
func (c *catalog) speaker(name string) string {
	base := path.Base(name)
	if c.layout == SpokenDigits {
		return digitName.FindStringSubmatch(base)[2]
	}
	if m := commandSpeaker.FindStringSubmatch(base); m != nil {
		return m[1]
	}
	return ""
}

// split returns the recordings of each part, in an order that mixes classes: the
// first ones are a fair sample of all.
func (c *catalog) split(cfg Config, room data.Room) (parts [3][]int, err error) {
	of, err := c.parts(cfg)
	if err != nil {
		return parts, err
	}
	for i, part := range of {
		parts[part] = append(parts[part], i)
	}
	for i, p := range parts {
		if len(p) == 0 {
			return parts, fmt.Errorf("%s: want at least one recording, got none of %d", data.SplitNames[i], len(of))
		}
		c.shuffle(p)
		parts[i] = p[:room.Limited(len(p))]
	}
	return parts, nil
}

// parts returns the part of each recording.
func (c *catalog) parts(cfg Config) ([]uint8, error) {
	split := cfg.Split
	if split == "" {
		if split = Official; c.layout == Folders {
			split = Random
		}
	}
	of := make([]uint8, len(c.names))
	switch {
	case split == Random:
		c.draw(of, cfg.TestFraction, inTest, cfg.Seed)
		c.draw(of, cfg.ValFraction/(1-cfg.TestFraction), inVal, cfg.Seed)
		return of, nil
	case split == BySpeaker:
		if err := c.bySpeaker(of, cfg.Speaker); err != nil {
			return nil, err
		}
	case c.layout == SpeechCommands:
		if c.lists[0] == nil || c.lists[1] == nil {
			return nil, fmt.Errorf("want %s and %s for the split %q", valList, testList, Official)
		}
		copy(of, c.listed)
		return of, nil
	case c.layout == SpokenDigits:
		for i, n := range c.names {
			if number := digitName.FindStringSubmatch(path.Base(n))[3]; len(number) == 1 && number < "5" {
				of[i] = inTest
			}
		}
	default:
		return nil, fmt.Errorf("want the split %q or %q for folders, which have no published one, got %q", Random, BySpeaker, split)
	}
	c.draw(of, cfg.ValFraction, inVal, cfg.Seed)
	return of, nil
}

// bySpeaker puts the recordings of a speaker into the test set.
func (c *catalog) bySpeaker(of []uint8, speaker string) error {
	speakers := map[string]bool{}
	for i, n := range c.names {
		s := c.speaker(n)
		speakers[s] = true
		if s == speaker {
			of[i] = inTest
		}
	}
	if speakers[speaker] {
		return nil
	}
	delete(speakers, "")
	var names []string
	for s := range speakers {
		names = append(names, s)
	}
	slices.Sort(names)
	return fmt.Errorf("want one of the speakers %.400q, got %q", names, speaker)
}

// draw moves a share of each class's recordings in the training set, rounded, but at
// least one and not all, to a part.
func (c *catalog) draw(of []uint8, share float64, part uint8, seed uint64) {
	members := make([][]int, len(c.classes))
	for i, l := range c.labels {
		if of[i] == inTrain {
			members[l] = append(members[l], i)
		}
	}
	r := rand.New(rand.NewPCG(seed, uint64(part)))
	for _, m := range members {
		n := min(max(int(math.Round(share*float64(len(m)))), 1), max(len(m)-1, 0))
		for _, j := range r.Perm(len(m))[:n] {
			of[m[j]] = part
		}
	}
}

// shuffle orders recordings: one of each class in turn, and those of a class by a
// hash of their names.
func (c *catalog) shuffle(part []int) {
	hash := func(i int) uint64 {
		h := fnv.New64a()
		h.Write([]byte(path.Base(c.names[i])))
		return h.Sum64()
	}
	hashes := make(map[int]uint64, len(part))
	for _, i := range part {
		hashes[i] = hash(i)
	}
	slices.SortFunc(part, func(i, j int) int {
		return cmp.Or(cmp.Compare(c.labels[i], c.labels[j]), cmp.Compare(hashes[i], hashes[j]), cmp.Compare(i, j))
	})
	turn := make(map[int]int, len(part)) // of a recording among those of its class
	seen := make(map[int32]int)
	for _, i := range part {
		turn[i] = seen[c.labels[i]]
		seen[c.labels[i]]++
	}
	slices.SortFunc(part, func(i, j int) int {
		return cmp.Or(cmp.Compare(turn[i], turn[j]), cmp.Compare(c.labels[i], c.labels[j]))
	})
}
