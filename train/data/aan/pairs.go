package aan

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// Classes is the number of classes.
const Classes = 2

// ClassNames are the classes, by label.
var ClassNames = [Classes]string{"unrelated", "related"}

// Limits on what is read.
const (
	maxPairs = 1 << 22 // of a split
	maxTotal = 8 << 30 // bytes of documents, each once and as it is cut
)

// documents are texts, each once.
type documents struct {
	texts *text.Texts
	seen  map[[sha256.Size]byte]int32 // of their contents
}

func newDocuments() *documents {
	return &documents{texts: &text.Texts{}, seen: map[[sha256.Size]byte]int32{}}
}

// add returns the number of a document, which is new or was added before.
func (d *documents) add(b []byte) (int32, error) {
	sum := sha256.Sum256(b)
	if i, ok := d.seen[sum]; ok {
		return i, nil
	}
	if d.texts.Len() == math.MaxInt32 || len(b) > maxTotal-d.texts.Size() {
		return 0, fmt.Errorf("want at most %d bytes of documents, got more", maxTotal)
	}
	i := int32(d.texts.Len())
	d.texts.Add(b)
	d.seen[sum] = i
	return i, nil
}

// split is a list of pairs of documents.
type split struct {
	first, second []int32
	labels        []uint8
	names         *text.Texts // where each is from, below the path of the data set
}

// len returns the number of pairs.
func (s *split) len() int { return len(s.labels) }

// add appends a pair.
func (s *split) add(first, second int32, label uint8, name string) {
	s.first, s.second = append(s.first, first), append(s.second, second)
	s.labels = append(s.labels, label)
	s.names.Add([]byte(name))
}

// table is a split as it is read, with documents of its own.
type table struct {
	cut  cut
	docs *documents
	split
}

func newTable(c cut) *table {
	return &table{cut: c, docs: newDocuments(), split: split{names: &text.Texts{}}}
}

// pair appends a pair of documents.
func (t *table) pair(first, second []byte, label uint8, name string) error {
	if t.len() == maxPairs {
		return fmt.Errorf("want at most %d pairs, got more", maxPairs)
	}
	a, err := t.docs.add(t.cut.of(first))
	if err != nil {
		return err
	}
	b, err := t.docs.add(t.cut.of(second))
	if err != nil {
		return err
	}
	t.add(a, b, label, name)
	return nil
}

// pairs are the splits, in the order of data.SplitNames, and their documents.
type pairs struct {
	docs   *text.Texts
	splits [3]split
}

// merge returns the splits that were read, with documents that are there once.
func merge(tables [3]*table) (*pairs, error) {
	docs := newDocuments()
	p := &pairs{}
	for i, t := range tables {
		number := make([]int32, t.docs.texts.Len())
		for j := range number {
			var err error
			if number[j], err = docs.add(t.docs.texts.At(j)); err != nil {
				return nil, err
			}
		}
		for j := range t.len() {
			t.first[j], t.second[j] = number[t.first[j]], number[t.second[j]]
		}
		p.splits[i] = t.split
		t.docs = nil
	}
	p.docs = docs.texts
	return p, nil
}

// tensors returns the pairs as a file of the cache has them.
func (p *pairs) tensors() []data.Tensor {
	ts := p.docs.Tensors("documents")
	for i, s := range p.splits {
		name := data.SplitNames[i]
		ts = slices.Concat(ts, s.names.Tensors(name+".names"), []data.Tensor{
			{Name: name + ".first", Shape: []int{s.len()}, Data: s.first},
			{Name: name + ".second", Shape: []int{s.len()}, Data: s.second},
			{Name: name + ".labels", Shape: []int{s.len()}, Data: s.labels},
		})
	}
	return ts
}

// restore returns the pairs that tensors were made of.
func restore(ts []data.Tensor) (*pairs, error) {
	p := &pairs{}
	var err error
	if p.docs, err = text.Restore(ts, "documents"); err != nil {
		return nil, err
	}
	for i := range p.splits {
		if err := p.splits[i].restore(ts, data.SplitNames[i], p.docs.Len()); err != nil {
			return nil, fmt.Errorf("%s: %w", data.SplitNames[i], err)
		}
	}
	return p, nil
}

// restore fills a split with the tensors that were made of it.
func (s *split) restore(ts []data.Tensor, name string, docs int) (err error) {
	if s.names, err = text.Restore(ts, name+".names"); err != nil {
		return err
	}
	if s.first, err = data.Elements[int32](ts, name+".first"); err != nil {
		return err
	}
	if s.second, err = data.Elements[int32](ts, name+".second"); err != nil {
		return err
	}
	if s.labels, err = data.Elements[uint8](ts, name+".labels"); err != nil {
		return err
	}
	n := s.len()
	if n == 0 || len(s.first) != n || len(s.second) != n || s.names.Len() != n {
		return fmt.Errorf("want as many documents and names as labels, at least one, got %d, %d, %d and %d", len(s.first), len(s.second), s.names.Len(), n)
	}
	for i := range n {
		a, b := s.first[i], s.second[i]
		if min(a, b) < 0 || int(max(a, b)) >= docs || s.labels[i] >= Classes {
			return fmt.Errorf("pair %d: want documents below %d and a label below %d, got %d, %d and %d", i, docs, Classes, a, b, s.labels[i])
		}
	}
	return nil
}
