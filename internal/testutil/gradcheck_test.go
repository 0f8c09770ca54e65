package testutil

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
)

// recorder collects what a check reports.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestCheckAcceptsARightGradient(t *testing.T) {
	x := Uniform(rand.New(rand.NewPCG(1, 1)), "x", 0.5, 2, 3, 5)
	Check(t, func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return G.Tanh(in[0]) }, x)
}

// Gorgonia's InverseSqrt has a wrong gradient.
func TestCheckFindsAWrongGradient(t *testing.T) {
	x := Uniform(rand.New(rand.NewPCG(1, 1)), "x", 0.5, 2, 3, 5)
	r := &recorder{TB: t}
	Check(r, func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) { return G.InverseSqrt(in[0]) }, x)
	if !strings.Contains(strings.Join(r.errors, "\n"), "finite differences") {
		t.Errorf("want the gradient of x refused, got %q", r.errors)
	}
}

// The finite differences, four for each element, run one graph again and again.
func TestCheckBuildsFewGraphs(t *testing.T) {
	const elements = 24
	graphs := 0
	Check(t, func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		graphs++
		return G.Tanh(in[0])
	}, Uniform(rand.New(rand.NewPCG(1, 1)), "x", 0.5, 2, elements))
	if graphs >= elements {
		t.Errorf("want less than %d graphs, got %d", elements, graphs)
	}
}

func TestRelErr(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		got, want []float64
		err       float64
	}{
		{[]float64{3, 4}, []float64{3, 4}, 0},
		{[]float64{3, 5}, []float64{3, 4}, 0.2},
		{[]float64{3, 4}, []float64{0, 0}, 5},
		{[]float64{3}, []float64{3, 4}, math.Inf(1)},
		{[]float64{nan}, []float64{1}, math.Inf(1)},
		{[]float64{1}, []float64{nan}, math.Inf(1)},
		{[]float64{math.Inf(1)}, []float64{math.Inf(1)}, math.Inf(1)},
	} {
		if e := RelErr(c.got, c.want); e != c.err {
			t.Errorf("RelErr(%v, %v) = %g, want %g", c.got, c.want, e, c.err)
		}
	}
}
