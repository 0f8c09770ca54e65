package mnist

import (
	"fmt"

	"github.com/gorgonia-s4/s4/train/data"
)

// images are labelled images in memory, one byte a pixel.
type images struct {
	pixels []uint8 // (n, Length)
	labels []uint8 // (n)
}

// len returns the number of images.
func (m *images) len() int { return len(m.labels) }

// at returns the pixels of image i.
func (m *images) at(i int) []uint8 { return m.pixels[i*Length : (i+1)*Length] }

// check reports what does not go together.
func (m *images) check(least int) error {
	if len(m.pixels) != Length*len(m.labels) {
		return fmt.Errorf("want as many labels as images, got %d and %d", len(m.labels), len(m.pixels)/Length)
	}
	if len(m.labels) < least {
		return fmt.Errorf("want at least %d images, got %d", least, len(m.labels))
	}
	return nil
}

// sets are the published training and test set.
type sets struct{ train, test *images }

func newSets() *sets { return &sets{&images{}, &images{}} }

// names of the sets in the cache.
var setNames = [2]string{"train", "test"}

func (s *sets) all() [2]*images { return [2]*images{s.train, s.test} }

// check reports a set that is not whole.
func (s *sets) check() error {
	for i, m := range s.all() {
		if err := m.check(2 - i); err != nil {
			return fmt.Errorf("%s: %w", setNames[i], err)
		}
	}
	return nil
}

// tensors returns the sets as a file of the cache has them.
func (s *sets) tensors() (ts []data.Tensor) {
	for i, m := range s.all() {
		ts = append(ts,
			data.Tensor{Name: setNames[i] + ".labels", Shape: []int{m.len()}, Data: m.labels},
			data.Tensor{Name: setNames[i] + ".pixels", Shape: []int{m.len(), Side, Side}, Data: m.pixels})
	}
	return ts
}

// restore returns the sets that tensors were made of.
func restore(ts []data.Tensor) (*sets, error) {
	s := newSets()
	for i, m := range s.all() {
		var err error
		if m.labels, err = data.Elements[uint8](ts, setNames[i]+".labels"); err != nil {
			return nil, err
		}
		if m.pixels, err = data.Elements[uint8](ts, setNames[i]+".pixels"); err != nil {
			return nil, err
		}
		for j, v := range m.labels {
			if v >= Classes {
				return nil, fmt.Errorf("%s: label %d: want 0 to %d, got %d", setNames[i], j, Classes-1, v)
			}
		}
	}
	return s, s.check()
}
