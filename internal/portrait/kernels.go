package portrait

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

// Convolution is a layer that has kernels.
type Convolution interface {
	layers.Mixer
	layers.Kernels
}

// Kernel is one kernel of a feature of a layer. Those of a bidirectional layer
// that read the future are not told apart: their lag is how far ahead they look.
type Kernel struct {
	Feature int
	K       []float64 // by lag, in steps
	Reach   int       // effective length
}

// Kernels returns all kernels of a layer on graph g for sequences of a length, as
// far as they reach, that of the smallest effective length first. A kernel that is
// not finite is an error.
func Kernels(g *G.ExprGraph, l Convolution, length int) ([]Kernel, error) {
	n, err := l.Kernel(min(length, lagsOf(l)))
	if err != nil {
		return nil, err
	}
	var v G.Value
	G.Read(n, &v)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return nil, fmt.Errorf("%s: kernels: %w", l.Name(), err)
	}
	values, err := floats(v)
	if err != nil {
		return nil, fmt.Errorf("%s: kernels: %w", l.Name(), err)
	}
	shape := n.Shape() // (CH, H, L), where L may be that of the layer
	var ks []Kernel
	for i := range shape[0] * shape[1] {
		k := values[i*shape[2]:][:min(length, shape[2])]
		if bad := slices.IndexFunc(k, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }); bad >= 0 {
			return nil, fmt.Errorf("%s: the kernel of feature %d is %g at lag %d", l.Name(), i%shape[1], k[bad], bad)
		}
		ks = append(ks, Kernel{Feature: i % shape[1], K: k, Reach: EffectiveLength(k)})
	}
	slices.SortStableFunc(ks, func(a, b Kernel) int { return cmp.Compare(a.Reach, b.Reach) })
	return ks, nil
}

// lagsOf returns how many lags the kernels of a layer have at most: beyond them
// they are 0.
func lagsOf(l layers.Layer) int {
	n := 0
	switch l := l.(type) {
	case *layers.DSS:
		n = l.Config().LMax
	case *layers.LongConv:
		n = l.Config().LMax
	}
	if n == 0 {
		return math.MaxInt
	}
	return n
}

// floats returns the values of a tensor as float64.
func floats(v G.Value) ([]float64, error) {
	d, ok := v.(*tensor.Dense)
	if !ok {
		return nil, fmt.Errorf("want a tensor, got %T", v)
	}
	switch data := d.Data().(type) {
	case []float64:
		return data, nil
	case []float32:
		f := make([]float64, len(data))
		for i, x := range data {
			f[i] = float64(x)
		}
		return f, nil
	}
	return nil, fmt.Errorf("want floats, got %v", d.Dtype())
}

// reachEnergy is the part of the energy of a kernel that lies within its
// effective length.
const reachEnergy = 0.99

// EffectiveLength returns the smallest number of steps, counted from the present
// one, that hold 99 % of the energy of a kernel; 0 if it has none.
func EffectiveLength(k []float64) int {
	var total, sum float64
	for _, v := range k {
		total += v * v
	}
	if total == 0 {
		return 0
	}
	for l, v := range k {
		if sum += v * v; sum >= reachEnergy*total {
			return l + 1
		}
	}
	return len(k)
}

// Normalised returns a kernel divided by its largest magnitude, in at most n
// columns: each shows the element of the largest magnitude of the steps it
// stands for, so that oscillations keep their envelope.
func Normalised(k []float64, n int) []float64 {
	per := PerColumn(len(k), n)
	row := make([]float64, (len(k)+per-1)/per)
	peak := 0.0
	for l, v := range k {
		if c := &row[l/per]; math.Abs(v) > math.Abs(*c) {
			*c = v
		}
		peak = max(peak, math.Abs(v))
	}
	for i := range row {
		if peak > 0 {
			row[i] /= peak
		}
	}
	return row
}

// PerColumn returns how many of l steps each of at most n columns stands for.
func PerColumn(l, n int) int { return (l + n - 1) / n }
