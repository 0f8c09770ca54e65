package attention

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// cores are one of every kind for a batch of 5 sequences.
func cores(l int) map[string]graphop.Core[float32] {
	d := func(c Config) dims { return dims{Config: c, b: 5, e: 12, hd: 12 / c.Heads, l: l} }
	o := operands{k: -1, v: -1, position: -1, lengths: -1}
	return map[string]graphop.Core[float32]{
		"softmax": newSoftmax[float32](d(Config{Heads: 3}), o),
		"window":  newSoftmax[float32](d(Config{Heads: 3, Causal: true, Window: 9}), o),
		"rotary":  newSoftmax[float32](d(Config{Heads: 3, Causal: true, Rotary: RotaryHalf}), o),
		"linear":  newLinear[float32](d(Config{Heads: 3, Form: Linear, Causal: true}), o),
	}
}

func TestDeterministic(t *testing.T) {
	const l = 230
	in := []graphop.Arg[float32]{{F: normal[float32](5 * 36 * l)}}
	g := normal[float32](5 * 12 * l)
	testutil.CheckDeterministic(t, func() any {
		all := map[string][][]float32{}
		for name, c := range cores(l) {
			y, dx := make([]float32, len(g)), make([]float32, len(in[0].F))
			if err := c.Forward(y, in); err != nil {
				t.Fatal(err)
			}
			if err := c.Backward([][]float32{dx}, in, y, g); err != nil {
				t.Fatal(err)
			}
			all[name] = [][]float32{y, dx}
		}
		return fmt.Sprint(all)
	})
}

// TestMemory bounds what a core keeps: a few times a row of the input for every
// worker, less than one matrix of L x L.
func TestMemory(t *testing.T) {
	const l = 2000
	in := []graphop.Arg[float32]{{F: normal[float32](5 * 36 * l)}}
	y, g := make([]float32, 5*12*l), normal[float32](5*12*l)
	grad := [][]float32{make([]float32, len(in[0].F))}
	for name, c := range cores(l) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := c.Forward(y, in); err != nil {
			t.Fatal(err)
		}
		if err := c.Backward(grad, in, y, g); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		row := uint64(4 * 36 * l)
		if got, most := after.TotalAlloc-before.TotalAlloc, 5*row+8*row*uint64(par.Workers()); got > most {
			t.Errorf("%s: want at most %d bytes, got %d", name, most, got)
		}
	}
}
