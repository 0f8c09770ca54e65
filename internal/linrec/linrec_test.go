package linrec_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/linrec"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// tol bounds the float64 error against the recurrence, step by step.
const tol = 1e-12

// plain is a bank whose parameters are A - I (H, N, N) and b (H, N) themselves.
type plain[T num.Float] struct {
	e, b, ge, gb  []T
	bind, convert error // what the methods return
}

func (p *plain[T]) Bind(in []graphop.Arg[T], grad [][]T) (int, error) {
	p.e, p.b, p.ge, p.gb = in[0].F, in[1].F, nil, nil
	if grad != nil {
		p.ge, p.gb = grad[0], grad[1]
	}
	return 2, p.bind
}

func (p *plain[T]) Discretize(_, h int, e, plus, b []float64) error {
	for i := range e {
		e[i] = float64(p.e[h*len(e)+i])
	}
	copy(plus, e)
	for i := range b {
		if plus != nil {
			plus[i*len(b)+i] += 2
		}
	}
	for i := range b {
		b[i] = float64(p.b[h*len(b)+i])
	}
	return p.convert
}

func (p *plain[T]) Carry(_, h int, ge, gb []float64) {
	for i, g := range ge {
		p.ge[h*len(ge)+i] = T(g)
	}
	for i, g := range gb {
		p.gb[h*len(gb)+i] = T(g)
	}
}

func (p *plain[T]) Store() {}

// model is random inputs of both ops.
type model struct {
	size            linrec.Size
	e, b, c, x0, u  testutil.Input
	untuned         []float64 // C where c is C~
	outputs, finals []float64 // by the recurrence; finalsOf0 from the state 0
	finalsOf0       []float64
}

func newModel(s linrec.Size) *model {
	rng := rand.New(rand.NewPCG(uint64(s.L), uint64(s.N)))
	m := &model{
		size: s,
		e:    testutil.Normal(rng, "e", s.H, s.N, s.N),
		b:    testutil.Normal(rng, "b", s.H, s.N),
		c:    testutil.Normal(rng, "c", s.CH, s.H, s.N),
		x0:   testutil.Normal(rng, "x0", s.B, s.H, s.N),
		u:    testutil.Normal(rng, "u", s.B, s.H, s.L),
	}
	decay := min(0.5, 2/float64(s.L)) // leaves something of x0
	for i := range m.e.F {
		m.e.F[i] *= decay / 2 / math.Sqrt(float64(s.N))
		if i/s.N%s.N == i%s.N {
			m.e.F[i] -= decay
		}
	}
	m.untuned = slices.Clone(m.c.F)
	if s.Tuned > 0 {
		m.tilt()
	}
	m.outputs = m.run(make([]float64, len(m.u.F)), m.x0.F, nil)
	m.finals, m.finalsOf0 = make([]float64, len(m.x0.F)), make([]float64, len(m.x0.F))
	m.run(m.u.F, m.x0.F, m.finals)
	m.run(m.u.F, make([]float64, len(m.x0.F)), m.finalsOf0)
	return m
}

// real returns row i of states or, with dual, of C in real form.
func (m *model) real(v []float64, i int, dual bool) []float64 {
	n := m.size.N
	row := slices.Clone(v[i*n:][:n])
	if !m.size.Complex {
		return row
	}
	for k := range n / 2 {
		row[k], row[n/2+k] = v[i*n+2*k], v[i*n+2*k+1]
		if dual {
			row[k], row[n/2+k] = 2*row[k], -2*row[n/2+k]
		}
	}
	return row
}

// stored is the inverse of real for states.
func (m *model) stored(row []float64) []float64 {
	if !m.size.Complex {
		return row
	}
	n, v := m.size.N, make([]float64, m.size.N)
	for k := range n / 2 {
		v[2*k], v[2*k+1] = row[k], row[n/2+k]
	}
	return v
}

// step returns A x of feature h.
func (m *model) step(h int, x []float64) []float64 {
	n, y := m.size.N, slices.Clone(x)
	for i := range y {
		for k, v := range x {
			y[i] += m.e.F[(h*n+i)*n+k] * v
		}
	}
	return y
}

// tilt replaces C by C~ = C - C A^Tuned, a product of columns of the identity.
func (m *model) tilt() {
	s := &m.size
	for row := range s.CH * s.H {
		c, tilted := m.real(m.c.F, row, true), make([]float64, s.N)
		for k := range s.N {
			x := make([]float64, s.N)
			x[k] = 1
			for range s.Tuned {
				x = m.step(row%s.H, x)
			}
			tilted[k] = c[k]
			for i, v := range c {
				tilted[k] -= v * x[i]
			}
			if s.Complex { // undo the dual
				if tilted[k] /= 2; k >= s.N/2 {
					tilted[k] = -tilted[k]
				}
			}
		}
		copy(m.c.F[row*s.N:], m.stored(tilted))
	}
}

// run runs the recurrence step by step. It returns the outputs and writes the
// final states to final.
func (m *model) run(u, x0, final []float64) []float64 {
	s := &m.size
	y := make([]float64, s.B*s.CH*s.H*s.L)
	for row := range s.B * s.H {
		b, h := row/s.H, row%s.H
		x := m.real(x0, row, false)
		for l := range s.L {
			x = m.step(h, x)
			for i := range x {
				x[i] += m.b.F[h*s.N+i] * u[row*s.L+l]
			}
			for ch := range s.CH {
				for i, v := range m.real(m.untuned, ch*s.H+h, true) {
					y[((b*s.CH+ch)*s.H+h)*s.L+l] += v * x[i]
				}
			}
		}
		if final != nil {
			copy(final[row*s.N:], m.stored(x))
		}
	}
	return y
}

// outputOp and finalOp put the cores on a graph.
func outputOp(s linrec.Size) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return graphop.Apply(graphop.Spec{Name: "output", Out: tensor.Shape{s.B, s.CH * s.H, s.L}},
			func() graphop.Core[float32] { return linrec.NewOutput(&plain[float32]{}, s) },
			func() graphop.Core[float64] { return linrec.NewOutput(&plain[float64]{}, s) }, n...)
	}
}

func finalOp(s linrec.Size) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return graphop.Apply(graphop.Spec{Name: "final", Out: tensor.Shape{s.B, s.H, s.N}},
			func() graphop.Core[float32] { return linrec.NewFinal(&plain[float32]{}, s) },
			func() graphop.Core[float64] { return linrec.NewFinal(&plain[float64]{}, s) }, n...)
	}
}

// Values against the recurrence and gradients against finite differences, for
// one block and many, with and without a tail.
func TestRecurrence(t *testing.T) {
	for _, s := range []linrec.Size{
		{B: 1, CH: 1, H: 1, N: 1, L: 1},
		{B: 2, CH: 2, H: 3, N: 2, L: 2, Complex: true, Tuned: 1},
		{B: 3, CH: 1, H: 2, N: 5, L: 7},
		{B: 2, CH: 3, H: 2, N: 4, L: 16, Complex: true},
		{B: 1, CH: 1, H: 2, N: 3, L: 61},
		{B: 3, CH: 2, H: 1, N: 6, L: 45, Complex: true, Tuned: 53},
		{B: 2, CH: 2, H: 3, N: 3, L: 33, Tuned: 32},
		{B: 5, CH: 1, H: 1, N: 2, L: 71, Tuned: 9},
	} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			m := newModel(s)
			for _, c := range []struct {
				what  string
				build testutil.Build
				in    []testutil.Input
				want  []float64
			}{
				{"output", outputOp(s), []testutil.Input{m.e, m.b, m.c, m.x0}, m.outputs},
				{"final state", finalOp(s), []testutil.Input{m.e, m.b, m.u, m.x0}, m.finals},
				{"final state from zero", finalOp(s), []testutil.Input{m.e, m.b, m.u}, m.finalsOf0},
			} {
				got, err := testutil.Forward(tensor.Float64, c.build, c.in...)
				if err != nil {
					t.Fatal(err)
				}
				if e := testutil.RelErr(got, c.want); !(e <= tol) {
					t.Errorf("%s: relative error %.3g > %g", c.what, e, tol)
				}
				testutil.Check(t, c.build, c.in...)
			}
		})
	}
}

// What a slow mode loses in a step keeps its digits: of C~ = C (1 - a^n) with
// 1 - a = 1e-9, C follows but for rounding.
func TestSlowMode(t *testing.T) {
	s := linrec.Size{B: 1, CH: 1, H: 1, N: 1, L: 3, Tuned: 1000}
	const loss = 1e-9
	tilted := -math.Expm1(float64(s.Tuned) * math.Log1p(-loss))
	got, err := testutil.Forward(tensor.Float64, outputOp(s),
		testutil.Input{Name: "e", Shape: tensor.Shape{1, 1, 1}, F: []float64{-loss}},
		testutil.Input{Name: "b", Shape: tensor.Shape{1, 1}, F: []float64{1}},
		testutil.Input{Name: "c", Shape: tensor.Shape{1, 1, 1}, F: []float64{tilted}},
		testutil.Input{Name: "x0", Shape: tensor.Shape{1, 1, 1}, F: []float64{1}})
	if err != nil {
		t.Fatal(err)
	}
	for l, y := range got {
		if want := math.Pow(1-loss, float64(l+1)); !(math.Abs(y-want) <= tol) {
			t.Errorf("step %d: got %.15g, want %.15g", l, y, want)
		}
	}
	if got := linrec.Power([]float64{-loss}, nil, 1, s.Tuned)[0]; !(math.Abs(got+tilted) <= tol*tilted) {
		t.Errorf("Power: got %.15g, want %.15g", got, -tilted)
	}
}

// The cores give the same bits when they are used again, and do not allocate.
func TestCoresAreReused(t *testing.T) {
	s := linrec.Size{B: 2, CH: 2, H: 3, N: 4, L: 29, Complex: true, Tuned: 30}
	m := newModel(s)
	for name, c := range map[string]struct {
		core graphop.Core[float64]
		in   []testutil.Input
		out  int
	}{
		"output": {linrec.NewOutput(&plain[float64]{}, s), []testutil.Input{m.e, m.b, m.c, m.x0}, len(m.outputs)},
		"final":  {linrec.NewFinal(&plain[float64]{}, s), []testutil.Input{m.e, m.b, m.u, m.x0}, len(m.finals)},
	} {
		var in []graphop.Arg[float64]
		var grad, first [][]float64
		for _, i := range c.in {
			in = append(in, graphop.Arg[float64]{F: i.F})
			grad = append(grad, make([]float64, len(i.F)))
		}
		out, gout := make([]float64, c.out), testutil.Normal(rand.New(rand.NewPCG(1, 1)), "gout", c.out).F
		step := func() {
			if err := c.core.Forward(out, in); err != nil {
				t.Fatal(err)
			}
			if err := c.core.Backward(grad, in, nil, gout); err != nil {
				t.Fatal(err)
			}
		}
		step()
		for _, g := range append(grad, out) {
			first = append(first, slices.Clone(g))
		}
		if n := testing.AllocsPerRun(5, step); n != 0 {
			t.Errorf("%s: %g allocations a step, want none", name, n)
		}
		for i, g := range append(grad, out) {
			if !slices.Equal(g, first[i]) {
				t.Errorf("%s: array %d differs the second time", name, i)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	s := linrec.Size{B: 1, CH: 1, H: 1, N: 1, L: 4, Tuned: 4}
	core := func(p plain[float64]) error {
		in := []graphop.Arg[float64]{{F: []float64{math.NaN()}}, {F: []float64{0}}, {F: []float64{1}}, {F: []float64{1}}}
		return linrec.NewOutput(&p, s).Forward(make([]float64, 4), in)
	}
	for want, err := range map[string]error{
		"no such input":           core(plain[float64]{bind: errors.New("no such input")}),
		"feature 0: no such step": core(plain[float64]{convert: errors.New("no such step")}),
		"feature 0: inverse of A^4 - I: want a finite matrix to invert": core(plain[float64]{}),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestInverse(t *testing.T) {
	const n = 5
	rng := rand.New(rand.NewPCG(3, 4))
	m, x := testutil.Normal(rng, "m", n, n).F, testutil.Normal(rng, "x", 2, n).F
	// timesM returns the rows of x times m, or m^T.
	timesM := func(x []float64, trans bool) []float64 {
		y := make([]float64, len(x))
		for i := range y {
			for k := range n {
				if trans {
					y[i] += x[i/n*n+k] * m[i%n*n+k]
				} else {
					y[i] += x[i/n*n+k] * m[k*n+i%n]
				}
			}
		}
		return y
	}
	inv := linrec.NewInverse(n)
	check := func(what string) {
		t.Helper()
		if err := inv.Set(m); err != nil {
			t.Fatal(err)
		}
		for _, trans := range []bool{false, true} {
			want := timesM(x, !trans) // in the row space, where a pseudoinverse inverts
			got := timesM(want, trans)
			inv.Rows(got, trans)
			if e := testutil.RelErr(got, want); !(e <= tol) {
				t.Errorf("%s, transposed %t: relative error %.3g > %g", what, trans, e, tol)
			}
		}
	}
	check("regular")
	copy(m[n:2*n], m[:n])
	m[n] *= 1 + 1e-15
	check("singular but for rounding")
	copy(m[n:2*n], m[:n])
	check("singular")
	clear(m)
	check("zero")
	m[3] = math.Inf(1)
	if err := inv.Set(m); err == nil || !strings.Contains(err.Error(), "want a finite matrix") {
		t.Errorf("got error %v", err)
	}
}
