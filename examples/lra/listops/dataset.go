package listops

import (
	"cmp"
	"fmt"

	"github.com/gorgonia-s4/s4/train"
)

// DefaultLMax is the length at which the S4 papers cut a sequence.
const DefaultLMax = 2048

// Encoding says how an expression becomes a sequence of token ids. The zero
// Encoding is that of the S4 papers.
type Encoding struct {
	// LMax is the largest length; longer sequences lose their end, but not
	// <eos>. 0 means DefaultLMax.
	LMax int `json:"l_max"`
	// OmitEOS leaves out the <eos> at the end of each sequence.
	OmitEOS bool `json:"omit_eos"`
}

// Validate reports a field that is out of range.
func (e Encoding) Validate() error {
	if e.LMax < 0 || e.LMax == 1 {
		return fmt.Errorf("listops: Encoding.LMax: want 0 for the default or >= 2, got %d", e.LMax)
	}
	return nil
}

// Dataset is a Split as token ids in [0, VocabSize) with labels in
// [0, Classes).
type Dataset struct {
	split   *Split
	symbols int // largest number of symbols of a sequence
	eos     int // number of <eos> at its end, 0 or 1
}

var _ train.Dataset = (*Dataset)(nil)

// Dataset returns the split encoded by e. The split is not copied.
func (s *Split) Dataset(e Encoding) (*Dataset, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	d := &Dataset{split: s, symbols: cmp.Or(e.LMax, DefaultLMax)}
	if !e.OmitEOS {
		d.eos = 1
		d.symbols--
	}
	return d, nil
}

// Len returns the number of examples.
func (d *Dataset) Len() int { return d.split.Len() }

// Length returns the number of tokens of example i, 0 <= i < Len.
func (d *Dataset) Length(i int) int { return min(d.split.Symbols(i), d.symbols) + d.eos }

// Example returns the tokens of example i, 0 <= i < Len, not padded, and its
// value as the label. It never fails.
func (d *Dataset) Example(i int) (train.Example, error) {
	tokens := make([]int, d.Length(i))
	n := len(tokens) - d.eos
	for j, tok := range d.split.at(i)[:n] {
		tokens[j] = int(tok)
	}
	if d.eos > 0 {
		tokens[n] = EOS
	}
	return train.Example{Tokens: tokens, Label: d.split.Target(i)}, nil
}

// Origin returns where example i, 0 <= i < Len, was read from.
func (d *Dataset) Origin(i int) string { return d.split.Origin(i) }
