package hippornn_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/hippornn"
)

// problem is a recurrence with its operands in float64, by name.
type problem struct {
	cfg  hippornn.Config
	size sizes
	in   []testutil.Input
}

// sizes are those of the arguments of an op.
type sizes struct{ B, I, H, M, N, L int }

// form says which of the optional operands a problem has.
type form struct {
	order                      hippornn.Order
	constant                   bool // a constant measure, not LegS
	bias, um, hh, gated, start bool
	dt                         bool
	lengths                    []int
}

func (f form) String() string {
	return fmt.Sprintf("%s, constant %t, bias %t, um %t, hh %t, gate %t, start %t, dt %t, lengths %v", f.order, f.constant, f.bias, f.um, f.hh, f.gated, f.start, f.dt, f.lengths)
}

// newProblem draws operands.
func newProblem(rng *rand.Rand, f form, s sizes) *problem {
	p := &problem{cfg: hippornn.Config{Order: f.order, N: s.N}, size: s}
	if f.constant {
		p.cfg.A, p.cfg.B = constant(s.N)
	}
	add := func(has bool, in testutil.Input) {
		if has {
			p.in = append(p.in, in)
		}
	}
	scaled := func(name string, rows, cols int) testutil.Input {
		bound := 1 / math.Sqrt(float64(cols))
		return testutil.Uniform(rng, name, -bound, bound, rows, cols)
	}
	cols, from := s.I+s.M*s.N, s.I+s.H
	if f.order == hippornn.Paper {
		cols, from = cols+s.H, s.H
	}
	gateCols := cols
	if f.hh {
		gateCols += s.H
	}
	add(true, testutil.Normal(rng, "x", s.B, s.I, s.L))
	add(f.start, testutil.Normal(rng, "start.H", s.B, s.H))
	add(f.start, testutil.Normal(rng, "start.M", s.B, s.M, s.N))
	position := testutil.Uniform(rng, "start.Position", 1, 9, s.B)
	position.F[0] = 0
	position.Fixed = true
	add(f.start && !f.constant, position)
	dt := testutil.Uniform(rng, "dt", 0.1, 3, s.B, s.L)
	dt.Fixed = true
	add(f.dt, dt)
	add(true, scaled("Write", s.M, from))
	add(f.bias, testutil.Normal(rng, "WriteBias", s.M))
	add(f.um, scaled("WriteMemory", s.M, s.N))
	add(true, scaled("Hidden", s.H, cols))
	add(f.bias, testutil.Normal(rng, "HiddenBias", s.H))
	add(f.hh, scaled("HiddenHidden", s.H, s.H))
	add(f.gated, scaled("Gate", s.H, gateCols))
	add(f.gated && f.bias, testutil.Normal(rng, "GateBias", s.H))
	if f.lengths != nil {
		p.in = append(p.in, testutil.Ints("lengths", f.lengths, s.B))
	}
	return p
}

// constant is LMU with a step of 0.1 by the bilinear rule.
func constant(n int) (a, b []float64) {
	m, v := mat.NewDense(n, n, nil), mat.NewVecDense(n, nil)
	for i := range n {
		sign := math.Pow(-1, float64(i))
		v.SetVec(i, float64(2*i+1)*sign)
		for k := range n {
			s := -1.0
			if i >= k {
				s = math.Pow(-1, float64(i-k+1))
			}
			m.Set(i, k, float64(2*i+1)*s)
		}
	}
	ab, bb := bilinear(m, v, 0.1)
	return ab.RawMatrix().Data, bb.RawVector().Data
}

// bilinear is ((I - dt/2 A)^-1 (I + dt/2 A), (I - dt/2 A)^-1 dt B).
func bilinear(a *mat.Dense, b *mat.VecDense, dt float64) (*mat.Dense, *mat.VecDense) {
	n, _ := a.Dims()
	left, right := mat.NewDense(n, n, nil), mat.NewDense(n, n, nil)
	left.Scale(-dt/2, a)
	right.Scale(dt/2, a)
	for i := range n {
		left.Set(i, i, left.At(i, i)+1)
		right.Set(i, i, right.At(i, i)+1)
	}
	var ab mat.Dense
	var bb, scaled mat.VecDense
	scaled.ScaleVec(dt, b)
	if err := ab.Solve(left, right); err != nil {
		panic(err)
	}
	if err := bb.SolveVec(left, &scaled); err != nil {
		panic(err)
	}
	return &ab, &bb
}

// legS are the matrices of LegS.
func legS(n int) (*mat.Dense, *mat.VecDense) {
	a, b := mat.NewDense(n, n, nil), mat.NewVecDense(n, nil)
	for i := range n {
		b.SetVec(i, math.Sqrt(float64(2*i+1)))
		a.Set(i, i, -float64(i+1))
		for k := range i {
			a.Set(i, k, -math.Sqrt(float64(2*i+1)*float64(2*k+1)))
		}
	}
	return a, b
}

func (p *problem) get(name string) []float64 {
	for _, in := range p.in {
		if in.Name == name {
			return in.F
		}
	}
	return nil
}

func logistic(v float64) float64 { return (1 + math.Tanh(v/2)) / 2 }

// affine is row r of w v + bias.
func affine(w, bias, v []float64, r int) float64 {
	var sum float64
	if bias != nil {
		sum = bias[r]
	}
	for i, x := range v {
		sum += w[r*len(v)+i] * x
	}
	return sum
}

// oracle runs the recurrence row by row, with matrices as the formulas have them: y (B, H,
// L), and h, m and the position of each row.
func oracle(p *problem) (y, h, m, position []float64) {
	s := p.size
	y = make([]float64, s.B*s.H*s.L)
	for b := range s.B {
		hb, mb, at := make([]float64, s.H), make([]float64, s.M*s.N), 0.0
		if v := p.get("start.H"); v != nil {
			copy(hb, v[b*s.H:])
			copy(mb, p.get("start.M")[b*s.M*s.N:])
		}
		if v := p.get("start.Position"); v != nil {
			at = v[b]
		}
		n := s.L
		for _, in := range p.in {
			if in.Name == "lengths" {
				n = in.I[b]
			}
		}
		for t := range n {
			x := make([]float64, s.I)
			for i := range x {
				x[i] = p.get("x")[(b*s.I+i)*s.L+t]
			}
			dt := 1.0
			if v := p.get("dt"); v != nil {
				dt = v[b*s.L+t]
			}
			hb, mb = p.step(x, hb, mb, at, dt)
			if at == 0 {
				at = 1
			} else {
				at += dt
			}
			for i, v := range hb {
				y[(b*s.H+i)*s.L+t] = v
			}
		}
		h, m, position = append(h, hb...), append(m, mb...), append(position, at)
	}
	return y, h, m, position
}

// step is one step of a row.
func (p *problem) step(x, h, m []float64, at, dt float64) (h1, m1 []float64) {
	s := p.size
	cat := func(parts ...[]float64) (v []float64) {
		for _, x := range parts {
			v = append(v, x...)
		}
		return v
	}
	state := func(u, gate []float64) []float64 {
		h1 := make([]float64, s.H)
		for i := range h1 {
			c := affine(p.get("Hidden"), p.get("HiddenBias"), u, i)
			if w := p.get("HiddenHidden"); w != nil {
				c += affine(w, nil, h, i)
			}
			h1[i] = math.Tanh(c)
			if w := p.get("Gate"); w != nil {
				g := logistic(affine(w, p.get("GateBias"), gate, i))
				h1[i] = (1-g)*h[i] + g*h1[i]
			}
		}
		return h1
	}
	signals := func(u []float64) []float64 {
		f := make([]float64, s.M)
		for j := range f {
			f[j] = affine(p.get("Write"), p.get("WriteBias"), u, j)
			if w := p.get("WriteMemory"); w != nil {
				for n := range s.N {
					f[j] += w[j*s.N+n] * m[j*s.N+n]
				}
			}
		}
		return f
	}
	if p.cfg.Order == hippornn.Paper {
		u := cat(x, m, h)
		h1 = state(u, u)
		return h1, p.remember(m, signals(h1), at, dt)
	}
	m1 = p.remember(m, signals(cat(x, h)), at, dt)
	u := cat(x, m1)
	gate := u
	if p.get("HiddenHidden") != nil {
		gate = cat(u, h)
	}
	return state(u, gate), m1
}

// remember updates the memory.
func (p *problem) remember(m, f []float64, at, dt float64) []float64 {
	n := p.size.N
	next := make([]float64, len(m))
	if p.cfg.A == nil && at == 0 {
		for j, v := range f {
			next[j*n] = v
		}
		return next
	}
	var ab *mat.Dense
	var bb *mat.VecDense
	if p.cfg.A != nil {
		ab, bb = mat.NewDense(n, n, p.cfg.A), mat.NewVecDense(n, p.cfg.B)
	} else {
		a, b := legS(n)
		ab, bb = bilinear(a, b, dt/(at-1+dt))
	}
	for j, v := range f {
		to := mat.NewVecDense(n, next[j*n:][:n])
		to.MulVec(ab, mat.NewVecDense(n, m[j*n:][:n]))
		to.AddScaledVec(to, v, bb)
	}
	return next
}
