package markov

import (
	"fmt"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/internal/splitmix"
	"github.com/gorgonia-s4/s4/task"
)

// Dataset is sequences of a process for a language model, each of which is drawn when it
// is read: task.X is tokens 1..L, task.Target tokens 2..L+1.
type Dataset struct {
	p         *Process
	length, n int
	seed      uint64
}

// maxLength and maxExamples are far above what is useful.
const (
	maxLength   = 1 << 20
	maxExamples = 1 << 30
)

// Dataset returns n sequences of length steps: those of other seeds are others.
func (p *Process) Dataset(length, n int, seed uint64) (*Dataset, error) {
	switch {
	case length < 1 || length > maxLength:
		return nil, fmt.Errorf("markov: Dataset: want a length of 1 to %d, got %d", maxLength, length)
	case n < 1 || n > maxExamples:
		return nil, fmt.Errorf("markov: Dataset: want 1 to %d sequences, got %d", maxExamples, n)
	}
	return &Dataset{p, length, n, splitmix.Mix(seed + splitmix.Golden)}, nil
}

// Fields declares the tokens, and those to be told.
func (d *Dataset) Fields() []task.Field {
	return []task.Field{task.Tokens(task.X, 0), task.Labels(task.Target)}
}

// Len returns the number of sequences.
func (d *Dataset) Len() int { return d.n }

// Length returns the number of steps of each sequence.
func (d *Dataset) Length(int) int { return d.length }

// Example draws sequence i, 0 <= i < Len. It never fails.
func (d *Dataset) Example(i int, row *task.Row) error {
	tokens := d.Tokens(i)
	row.Ints(task.X, tokens[:d.length]...)
	row.Ints(task.Target, tokens[1:]...)
	return nil
}

// Tokens draws the L+1 tokens of sequence i, 0 <= i < Len.
func (d *Dataset) Tokens(i int) []int {
	r := rand.New(rand.NewPCG(d.seed, splitmix.Mix(uint64(i))))
	tokens := make([]int, d.length+1)
	state := draw(r, len(d.p.start), func(j int) float64 { return d.p.start[j] })
	for l := range tokens {
		n := d.p.states
		next := draw(r, len(d.p.t)*n, func(j int) float64 { return d.p.t[j/n][state][j%n] })
		tokens[l], state = next/n, next%n
	}
	return tokens
}

// draw draws one of n with the given probabilities.
func draw(r *rand.Rand, n int, probability func(j int) float64) int {
	u, last := r.Float64(), 0
	for j := range n {
		q := probability(j)
		if q == 0 {
			continue
		}
		if last = j; u < q {
			break
		}
		u -= q
	}
	return last
}

// Fresh is a Dataset that has other sequences in each pass over it.
type Fresh struct{ *Dataset }

var _ task.Epochs = Fresh{}

// Epoch implements task.Epochs.
func (f Fresh) Epoch(n int) task.Dataset {
	d := *f.Dataset
	d.seed = splitmix.Mix(d.seed + uint64(n+1)*splitmix.Golden)
	return &d
}
