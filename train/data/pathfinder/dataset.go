package pathfinder

import (
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// Data is a data set in its three splits.
type Data struct{ data.Splits[*Dataset] }

// Dataset is a list of pictures as sequences of pixels, row by row, with labels in
// [0, Classes). It is safe for concurrent use.
type Dataset struct {
	pictures *pictures
	index    []int // which of the pictures
	number   []int // of each of them in the whole data set
	origin   place
	cfg      Config
	scale    []float32 // feature of each value of a pixel
	scratch  sync.Pool // *scratch
}

var _ interface {
	task.Located
	task.Described
} = (*Dataset)(nil)

// scratch is memory for an example.
type scratch struct {
	pixels   []uint8
	features []float32
	tokens   []int
}

// split draws the pictures of each split of n >= 3. They ascend; each has at most
// limit, unless that is 0.
func (c Config) split(n int, room data.Room) [3][]int {
	order := rand.New(rand.NewPCG(c.Seed, 0)).Perm(n)
	val, test := min(share(n, c.ValFraction), n-2), share(n, c.TestFraction)
	test = min(test, n-1-val)
	parts := [3][]int{order[val+test:], order[:val], order[val : val+test]}
	for i := range parts {
		slices.Sort(parts[i])
		parts[i] = parts[i][:room.Limited(len(parts[i]))]
	}
	return parts
}

// present makes the splits of pictures whose numbers are all, in ascending order:
// of the numbers in parts. origin says where the data set is from.
func (c Config) present(p *pictures, all []int, parts [3][]int, origin place) *Data {
	var sets [3]*Dataset
	for i, part := range parts {
		d := &Dataset{pictures: p, number: part, origin: origin, cfg: c, scale: c.scale()}
		for _, n := range part {
			at := n
			if all != nil {
				at, _ = slices.BinarySearch(all, n)
			}
			d.index = append(d.index, at)
		}
		sets[i] = d
	}
	return &Data{data.Splits[*Dataset]{Train: sets[0], Val: sets[1], Test: sets[2]}}
}

// scale returns the features of all values of a pixel, nil for tokens.
func (c Config) scale() []float32 {
	if c.Encoding == Tokens {
		return nil
	}
	s := make([]float32, 256)
	for v := range s {
		s[v] = float32(v) / 255
		if c.Encoding == Centred {
			s[v] = (s[v] - 0.5) / 0.5
		}
	}
	return s
}

// Len returns the number of pictures.
func (d *Dataset) Len() int { return len(d.index) }

// Length returns the number of pixels of picture i.
func (d *Dataset) Length(int) int { return d.cfg.Length() }

// Fields declares the pixels of a picture, as features or as token ids, and its
// label.
func (d *Dataset) Fields() []task.Field {
	if d.scale == nil {
		return []task.Field{task.Tokens(task.X, 0), task.Label(task.Target)}
	}
	return []task.Field{task.Features(task.X, 1), task.Label(task.Target)}
}

// Example reads picture i, 0 <= i < Len, as features (Length, 1) or as token ids,
// with its label.
func (d *Dataset) Example(i int, row *task.Row) error {
	s, _ := d.scratch.Get().(*scratch)
	if s == nil {
		s = &scratch{pixels: make([]uint8, d.Length(i))}
	}
	defer d.scratch.Put(s)
	if err := unpack(s.pixels, d.pictures.at(d.index[i])); err != nil {
		return err
	}
	row.Ints(task.Target, d.Label(i))
	if d.scale == nil {
		s.tokens = s.tokens[:0]
		for _, v := range s.pixels {
			s.tokens = append(s.tokens, int(v))
		}
		row.Ints(task.X, s.tokens...)
		return nil
	}
	s.features = s.features[:0]
	for _, v := range s.pixels {
		s.features = append(s.features, d.scale[v])
	}
	row.Floats(task.X, s.features...)
	return nil
}

// Label returns the class of picture i, 0 <= i < Len.
func (d *Dataset) Label(i int) int { return int(d.pictures.labels[d.index[i]]) }

// Picture returns picture i, 0 <= i < Len.
func (d *Dataset) Picture(i int) *image.Gray {
	side := d.cfg.Resolution
	img := image.NewGray(image.Rect(0, 0, side, side))
	if err := unpack(img.Pix, d.pictures.at(d.index[i])); err != nil {
		panic(err) // all have been unpacked or packed here
	}
	return img
}

// Origin returns the file that picture i, 0 <= i < Len, is from, or which of the
// generated pictures it is.
func (d *Dataset) Origin(i int) string {
	if d.pictures.files == nil {
		return fmt.Sprintf("generated picture %d of seed %d", d.number[i], d.cfg.Seed)
	}
	return d.origin.of(d.pictures.files[d.index[i]])
}

// Describe returns what the data were chosen by.
func (d *Dataset) Describe() map[string]string {
	m := map[string]string{
		"resolution": strconv.Itoa(d.cfg.Resolution),
		"difficulty": string(d.cfg.Difficulty),
		"encoding":   string(d.cfg.Encoding),
	}
	if d.pictures.files == nil {
		m["pictures"] = strconv.Itoa(d.cfg.Pictures)
	} else {
		m["data"] = d.origin.path
	}
	return m
}

// ClassCounts returns how many pictures each class has.
func (d *Dataset) ClassCounts() [Classes]int {
	var counts [Classes]int
	for i := range d.index {
		counts[d.Label(i)]++
	}
	return counts
}
