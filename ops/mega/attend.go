package mega

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// queriesAtOnce is the number of queries whose scores are held.
const queriesAtOnce = 64

// attend is the core of Attend. A chunk of a row is a unit of work.
type attend[T num.Float] struct {
	dims
	most    int // chunks of a row
	ws      graphop.Common[[]space[T]]
	bias    graphop.Scratch[T]       // (units, 2C-1): gradients of the bias, C the steps of a chunk
	affine  graphop.Scratch[float64] // (units, 4, Z): of Gamma and Beta
	longest int                      // C
}

// space is the scratch memory of a worker.
type space[T num.Float] struct {
	gemm   gemm.Workspace[T]
	z, k   []T // (Z, keys)
	q      []T // (Z, queries)
	v      []T // (V, keys), of a chunk that goes on
	a, da  []T // (queries at once, keys)
	dq, dk []T
	dv     []T
	tmp    []T // (keys)
}

func newAttend[T num.Float](d dims) *attend[T] {
	c := &attend[T]{dims: d, ws: graphop.PerWorker[space[T]]()}
	chunk := d.chunk(d.l)
	c.most, c.longest = (d.l+chunk-1)/chunk, min(d.l, chunk)
	if d.state {
		c.most, c.longest = (d.l+2*(chunk-1))/chunk, chunk
	}
	c.most = max(1, c.most)
	return c
}

// Rooms implements graphop.Roomy.
func (c *attend[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.ws, &c.bias, &c.affine} }

// unit is a chunk of a row: n queries from step lo of the sequence on, and m keys, of
// which the first past are in the state.
type unit[T num.Float] struct {
	*attend[T]
	s           *space[T]
	in          []graphop.Arg[T]
	i, b        int
	lo, n       int
	past, m     int
	v           []T // the values, (V, m), rows spaced by ldv
	ldv         int
	scale       T // of queries
	gamma, beta [2][]T
}

// each runs f for all chunks with steps that count.
func (c *attend[T]) each(in []graphop.Arg[T], f func(u *unit[T])) {
	spaces := *c.ws.Get()
	var lengths []int
	if c.lengths >= 0 {
		lengths = in[c.lengths].I
	}
	chunk := c.chunk(c.l)
	par.For(c.b*c.most, func(worker, i int) {
		u := unit[T]{attend: c, s: &spaces[worker], in: in, i: i, b: i / c.most, scale: 1}
		first, end := 0, graphop.Length(lengths, u.b, c.l) // of the first step in its chunk
		if c.state {
			first = int(in[7].F[u.b])
		}
		number := i % c.most
		u.lo = max(0, number*chunk-first)
		u.n = min((number+1)*chunk-first, end) - u.lo
		if u.n <= 0 {
			return
		}
		if number == 0 {
			u.past = first
		}
		u.m = u.past + u.n
		if c.Function != Laplace {
			u.scale = T(1 / math.Sqrt(float64(c.z)))
		}
		for k := range 2 {
			u.gamma[k], u.beta[k] = in[2].F[k*c.z:][:c.z], in[3].F[k*c.z:][:c.z]
		}
		u.read()
		f(&u)
	})
}

// read fills the scratch memory with queries, keys and values.
func (u *unit[T]) read() {
	s := u.s
	s.z, s.k, s.q = num.Grow(s.z, u.attend.z*u.m), num.Grow(s.k, u.attend.z*u.m), num.Grow(s.q, u.attend.z*u.n)
	w := min(queriesAtOnce, u.n)
	s.a, s.da, s.tmp = num.Grow(s.a, w*u.m), num.Grow(s.da, w*u.m), num.Grow(s.tmp, u.m)
	u.gather(s.z, 0, 5, u.attend.z)
	for f := range u.attend.z {
		z := s.z[f*u.m:][:u.m]
		vec.Affine(s.q[f*u.n:][:u.n], z[u.past:], 0, u.scale*u.gamma[0][f], u.scale*u.beta[0][f])
		vec.Affine(s.k[f*u.m:][:u.m], z, 0, u.gamma[1][f], u.beta[1][f])
	}
	if u.past == 0 {
		u.v, u.ldv = u.in[1].F[u.b*u.attend.v*u.l+u.lo:], u.l
		return
	}
	s.v = num.Grow(s.v, u.attend.v*u.m)
	u.gather(s.v, 1, 6, u.attend.v)
	u.v, u.ldv = s.v, u.m
}

// gather sets dst (features, m) to the steps of the state, input old, and to those of
// the sequence, input new.
func (u *unit[T]) gather(dst []T, new, old, features int) {
	x := u.in[new].F[u.b*features*u.l+u.lo:]
	for f := range features {
		copy(dst[f*u.m+u.past:][:u.n], x[f*u.l:])
	}
	if u.past > 0 {
		slots := u.Slots()
		from := u.in[old].F[(u.b*slots+slots-u.past)*features:][:u.past*features]
		gemm.Transpose(dst, u.m, from, features, u.past, features)
	}
}

// eachBlock calls f for a few queries at a time: w from i0 on, which see the first m keys
// at most.
func (u *unit[T]) eachBlock(f func(i0, w, m int)) {
	for i0 := 0; i0 < u.n; i0 += queriesAtOnce {
		w := min(queriesAtOnce, u.n-i0)
		f(i0, w, u.sees(i0+w-1))
	}
}

// sees returns the number of keys that query i sees.
func (u *unit[T]) sees(i int) int {
	if u.Causal {
		return u.past + i + 1
	}
	return u.m
}

// biases returns those of the keys for query i, and where they are.
func (u *unit[T]) biases(i int) (at int, bias []T) {
	at = u.attend.m - 1 - u.past - i
	return at, u.in[4].F[at:]
}

// weights sets the rows of a to the weights of w queries from i0 on, of m keys.
func (u *unit[T]) weights(i0, w, m int) {
	s := u.s
	gemm.Gemm(&s.gemm, true, false, w, m, u.attend.z, s.q[i0:], u.n, s.k, u.m, s.a, u.m, false)
	for r := range w {
		row, seen := s.a[r*u.m:][:m], u.sees(i0+r)
		_, bias := u.biases(i0 + r)
		if u.Function == Laplace {
			vec.Scale(row[:seen], 1/T(seen), row[:seen])
		}
		vec.Add(row[:seen], row[:seen], bias[:seen])
		if u.Function == Laplace {
			laplace(row[:seen])
		} else {
			softmax(row[:seen])
		}
		clear(row[seen:])
	}
}

// softmax replaces scores by weights.
func softmax[T num.Float](p []T) {
	most := p[0]
	for _, v := range p[1:] {
		most = max(most, v)
	}
	vec.Affine(p, p, most, 1, 0)
	vec.Exp(p, p)
	vec.Scale(p, T(1/vec.Sum64(p)), p)
}

// laplace replaces scores by weights.
func laplace[T num.Float](p []T) {
	vec.Affine(p, p, laplaceMean, 1/(laplaceStd*math.Sqrt2), 0)
	vec.Erf(p, p)
	vec.Affine(p, p, -1, 0.5, 0)
}

func (c *attend[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.check(in); err != nil {
		return err
	}
	clear(out)
	c.each(in, func(u *unit[T]) {
		y := out[u.b*c.v*c.l+u.lo:]
		u.eachBlock(func(i0, w, m int) {
			u.weights(i0, w, m)
			gemm.Gemm(&u.s.gemm, false, true, c.v, w, m, u.v, u.ldv, u.s.a, u.m, y[i0:], c.l, false)
		})
	})
	return nil
}

// check checks what is known when the graph runs.
func (c *attend[T]) check(in []graphop.Arg[T]) error {
	if c.lengths >= 0 {
		if err := graphop.ValidLengths(in[c.lengths].I, c.l); err != nil {
			return err
		}
	}
	if !c.state {
		return nil
	}
	return validPositions(in[7].F, c.Chunk)
}

func (c *attend[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	lags := 2*c.longest - 1
	if err := size.First(size.Tensor("the gradients of the bias (B, chunks, 2C-1)", c.b, c.most, lags), size.Tensor("those of Gamma and Beta (B, chunks, 4, Z)", c.b, c.most, 4, c.z)); err != nil {
		return err
	}
	bias, affine := c.bias.Of(c.b*c.most*lags), c.affine.Of(c.b*c.most*4*c.z)
	clear(bias)
	clear(affine)
	clear(grad[0])
	clear(grad[1])
	for _, i := range []int{5, 6} {
		if c.state && grad[i] != nil {
			clear(grad[i])
		}
	}
	c.each(in, func(u *unit[T]) {
		u.backward(grad, gout[u.b*c.v*c.l+u.lo:], bias[u.i*lags:][:lags], affine[u.i*4*c.z:][:4*c.z])
	})
	for i := range c.z {
		for k, to := range [][]T{grad[2], grad[2][c.z:], grad[3], grad[3][c.z:]} {
			var sum float64
			for u := range c.b * c.most {
				sum += affine[(4*u+k)*c.z+i]
			}
			to[i] = T(sum)
		}
	}
	clear(grad[4])
	for i := range lags {
		var sum float64
		for u := range c.b * c.most {
			sum += float64(bias[u*lags+i])
		}
		grad[4][c.m-c.longest+i] = T(sum)
	}
	return nil
}

// backward writes the gradients of a chunk: gy is that of the output, and bias and affine
// those of the parameters, of this chunk alone.
func (u *unit[T]) backward(grad [][]T, gy, bias []T, affine []float64) {
	s, z, v := u.s, u.attend.z, u.attend.v
	s.dq, s.dk, s.dv = num.Grow(s.dq, z*u.n), num.Grow(s.dk, z*u.m), num.Grow(s.dv, v*u.m)
	clear(s.dk)
	clear(s.dv)
	u.eachBlock(func(i0, w, m int) {
		u.weights(i0, w, m)
		gemm.Gemm(&s.gemm, false, false, v, m, w, gy[i0:], u.l, s.a, u.m, s.dv, u.m, true)
		gemm.Gemm(&s.gemm, true, false, w, m, v, gy[i0:], u.l, u.v, u.ldv, s.da, u.m, false)
		for r := range w {
			u.gradScores(i0+r, s.a[r*u.m:][:m], s.da[r*u.m:][:m], bias)
		}
		gemm.Gemm(&s.gemm, false, true, z, w, m, s.k, u.m, s.da, u.m, s.dq[i0:], u.n, false)
		gemm.Gemm(&s.gemm, false, false, z, m, w, s.q[i0:], u.n, s.da, u.m, s.dk, u.m, true)
	})
	u.scatter(grad, 1, 6, v, s.dv)
	u.gradAffine(affine)
	u.scatter(grad, 0, 5, z, s.dk)
}

// gradScores replaces the gradients da of the weights a of query i by those of the
// products of queries and keys, and adds to those of the bias.
func (u *unit[T]) gradScores(i int, a, da, bias []T) {
	seen := u.sees(i)
	clear(da[seen:])
	a, da = a[:seen], da[:seen]
	if u.Function == Laplace {
		u.gradLaplace(i, da)
	} else {
		vec.Affine(da, da, T(dot(a, da)), 1, 0)
		vec.Mul(da, da, a)
	}
	at := u.longest - 1 - u.past - i
	vec.Add(bias[at:][:seen], bias[at:][:seen], da)
	if u.Function == Laplace {
		vec.Scale(da, 1/T(seen), da)
	}
}

// dot is the product of two rows, summed in float64.
func dot[T num.Float](a, b []T) float64 { return float64(vec.Dot(a, b)) }

// gradLaplace multiplies the gradients of the weights of query i by the density at its
// scores, which it computes again.
func (u *unit[T]) gradLaplace(i int, da []T) {
	s, seen := u.s, len(da)
	row := s.tmp[:seen]
	clear(row)
	for f := range u.attend.z {
		vec.Axpy(row, s.q[f*u.n+i], s.k[f*u.m:][:seen])
	}
	_, bias := u.biases(i)
	vec.Scale(row, 1/T(seen), row)
	vec.Add(row, row, bias[:seen])
	vec.Affine(row, row, laplaceMean, 1/(laplaceStd*math.Sqrt2), 0)
	vec.Mul(row, row, row)
	vec.Scale(row, -1, row)
	vec.Exp(row, row)
	vec.Scale(row, T(1/(laplaceStd*math.Sqrt(2*math.Pi))), row)
	vec.Mul(da, da, row)
}

// gradAffine writes the gradients of Gamma and Beta, (4, Z), and replaces dk by the
// gradient of z.
func (u *unit[T]) gradAffine(affine []float64) {
	s, z := u.s, u.attend.z
	for f := range z {
		row, dq, dk := s.z[f*u.m:][:u.m], s.dq[f*u.n:][:u.n], s.dk[f*u.m:][:u.m]
		scale := float64(u.scale)
		affine[f] = scale * dot(dq, row[u.past:])
		affine[z+f] = dot(dk, row)
		affine[2*z+f] = scale * vec.Sum64(dq)
		affine[3*z+f] = vec.Sum64(dk)
		vec.Scale(dk, u.gamma[1][f], dk)
		vec.Axpy(dk[u.past:], u.scale*u.gamma[0][f], dq)
	}
}

// scatter is gather back: it writes d (features, m) to the gradients of inputs.
func (u *unit[T]) scatter(grad [][]T, new, old, features int, d []T) {
	x := grad[new][u.b*features*u.l+u.lo:]
	for f := range features {
		copy(x[f*u.l:][:u.n], d[f*u.m+u.past:])
	}
	if u.past == 0 || grad[old] == nil {
		return
	}
	slots := u.Slots()
	gemm.Transpose(grad[old][(u.b*slots+slots-u.past)*features:], features, d, u.m, features, u.past)
}
