package imdb

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// Classes is the number of classes.
const Classes = 2

// ClassNames are the classes, by label.
var ClassNames = [Classes]string{"negative", "positive"}

// reviews are all reviews of the data set, in the order in which they were read.
type reviews struct {
	texts  *text.Texts
	names  *text.Texts // where each is from, below the path of the data set
	labels []uint8
	parts  []uint8 // of the published splits, train or test

	scratch []byte // of the file that is read
}

// The published splits.
const (
	train = iota
	test
)

// partNames are the names of the published splits, as all formats have them.
var partNames = [2]string{"train", "test"}

func newReviews() *reviews { return &reviews{texts: &text.Texts{}, names: &text.Texts{}} }

// len returns the number of reviews.
func (r *reviews) len() int { return len(r.labels) }

// part returns the reviews of a published split, by label and name, as loaders of the
// published folders list them.
func (r *reviews) part(part uint8) []int {
	var index []int
	for i, p := range r.parts {
		if p == part {
			index = append(index, i)
		}
	}
	slices.SortFunc(index, func(i, j int) int {
		return cmp.Or(cmp.Compare(r.labels[i], r.labels[j]), slices.Compare(r.names.At(i), r.names.At(j)))
	})
	return index
}

// check reports a split without reviews of a class.
func (r *reviews) check() error {
	var count [len(partNames)][Classes]int
	for i, l := range r.labels {
		count[r.parts[i]][l]++
	}
	for p, counts := range count {
		for c, n := range counts {
			if n == 0 {
				return fmt.Errorf("%s: want %s reviews, got none", partNames[p], ClassNames[c])
			}
		}
	}
	return nil
}

// tensors returns the reviews as a file of the cache has them.
func (r *reviews) tensors() []data.Tensor {
	return slices.Concat(r.texts.Tensors("texts"), r.names.Tensors("names"), []data.Tensor{
		{Name: "labels", Shape: []int{len(r.labels)}, Data: r.labels},
		{Name: "parts", Shape: []int{len(r.parts)}, Data: r.parts},
	})
}

// restore returns the reviews that tensors were made of.
func restore(ts []data.Tensor) (*reviews, error) {
	r := &reviews{}
	var err error
	if r.texts, err = text.Restore(ts, "texts"); err != nil {
		return nil, err
	}
	if r.names, err = text.Restore(ts, "names"); err != nil {
		return nil, err
	}
	if r.labels, err = data.Elements[uint8](ts, "labels"); err != nil {
		return nil, err
	}
	if r.parts, err = data.Elements[uint8](ts, "parts"); err != nil {
		return nil, err
	}
	if n := r.len(); r.texts.Len() != n || r.names.Len() != n || len(r.parts) != n {
		return nil, fmt.Errorf("want %d texts, names and parts, as there are labels, got %d, %d and %d", n, r.texts.Len(), r.names.Len(), len(r.parts))
	}
	for i, l := range r.labels {
		if l >= Classes || int(r.parts[i]) >= len(partNames) {
			return nil, fmt.Errorf("review %d: want a label < %d and a part < %d, got %d and %d", i, Classes, len(partNames), l, r.parts[i])
		}
	}
	return r, r.check()
}
