package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/task"
)

// tones is a data set of pure tones in white noise: which of a few periods,
// close together, is there? The tone has amplitude 1 and starts at a random
// phase. Example i is a function of the seed, the split and i alone.
type tones struct {
	periods []float64 // of each class, in steps
	length  int       // steps (L)
	noise   float64   // standard deviation
	count   int
	seed    uint64
	split   uint64 // 0: training, 1: test
}

// Fields implements task.Dataset.
func (d tones) Fields() []task.Field {
	return []task.Field{task.Features(task.X, 1), task.Label(task.Target)}
}

// Len implements task.Dataset.
func (d tones) Len() int { return d.count }

// Length implements task.Dataset.
func (d tones) Length(int) int { return d.length }

// Example implements task.Dataset. The classes take turns.
func (d tones) Example(i int, row *task.Row) error {
	if i < 0 || i >= d.count {
		return fmt.Errorf("tones: want an example in [0, %d), got %d", d.count, i)
	}
	rng := rand.New(rand.NewPCG(d.seed, uint64(i)<<1|d.split))
	class := i % len(d.periods)
	omega, phase := 2*math.Pi/d.periods[class], 2*math.Pi*rng.Float64()
	x := make([]float32, d.length)
	for l := range x {
		x[l] = float32(math.Sin(omega*float64(l)+phase) + d.noise*rng.NormFloat64())
	}
	row.Floats(task.X, x...)
	row.Ints(task.Target, class)
	return nil
}
