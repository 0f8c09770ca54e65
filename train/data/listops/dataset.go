package listops

import (
	"cmp"
	"fmt"

	"github.com/gorgonia-s4/s4/task"
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

var _ task.Located = (*Dataset)(nil)

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

// Fields declares the tokens of an expression, padded with Pad, and its value.
func (d *Dataset) Fields() []task.Field {
	return []task.Field{task.Tokens(task.X, Pad), task.Label(task.Target)}
}

// Example reads the tokens of example i, 0 <= i < Len, and its value as the
// label. It never fails.
func (d *Dataset) Example(i int, row *task.Row) error {
	tokens := make([]int, d.Length(i))
	n := len(tokens) - d.eos
	for j, tok := range d.split.at(i)[:n] {
		tokens[j] = int(tok)
	}
	if d.eos > 0 {
		tokens[n] = EOS
	}
	row.Ints(task.X, tokens...)
	row.Ints(task.Target, d.split.Target(i))
	return nil
}

// Origin returns where example i, 0 <= i < Len, was read from.
func (d *Dataset) Origin(i int) string { return d.split.Origin(i) }
