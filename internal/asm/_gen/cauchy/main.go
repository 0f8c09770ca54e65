// Command cauchy generates the passes of ops/cauchy, in float64.
package main

import (
	"github.com/gorgonia-s4/s4/internal/asm/gen/simd"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The layout of ops/cauchy.
const (
	elem         = 8 // bytes of a float64
	lanes        = 8
	rowBytes     = 128 * elem // of the real or the imaginary parts of a block
	group        = 4
	complexBytes = 2 * elem
)

func main() {
	simd.Main(func(a *simd.Asm) {
		if a.Elem == elem {
			g := generator{a}
			g.sums()
			g.resolve("resolve", nil)
			g.resolve("resolve12", []int{1, 2}) // rank 1, one channel
			g.resolve("resolve13", []int{1, 3}) // rank 1, two channels
		}
	})
}

type generator struct{ *simd.Asm }

// all returns an operand with the number at m in every lane.
func (g generator) all(m Mem) Op {
	if g.Bits == 512 {
		return simd.Const{Mem: m}
	}
	return g.Broadcast(m)
}

// moduli returns c decay, Im E+, Im E-, 1/|E+|^2 and 1/|E-|^2 for the nodes (y,
// c) and the pole whose decay and frequency are at pole.
func (g generator) moduli(y, c simd.Vec, pole reg.Register) (p, dp, dm, mp, mm simd.Vec) {
	p = g.Mul(c, g.all(Mem{Base: pole}))
	f := g.Mul(c, g.all(Mem{Base: pole, Disp: elem}))
	dp, dm = g.Sub(y, f), g.Add(y, f)
	mp = g.Mul(p, p)
	mm = g.Copy(mp)
	g.AddMul(mp, dp, dp)
	g.AddMul(mm, dm, dm)
	inv := g.Div(g.Broadcast(g.Const(1)), g.Mul(mp, mm))
	return p, dp, dm, g.Mul(mm, inv), g.Mul(mp, inv)
}

// sums writes the pass sums.
func (g generator) sums() {
	g.Func("sums", "func(dst, y, c *float64, nodes int, terms *float64, pairs int)", "is passes.sums.")
	dst, yp, cp := g.IntParam("dst"), g.IntParam("y"), g.IntParam("c")
	nodes, terms, pairs := g.IntParam("nodes"), g.IntParam("terms"), g.IntParam("pairs")
	g.SHRQ(Imm(map[int]uint64{2: 1, 4: 2, 8: 3}[g.Lanes()]), nodes)
	g.Loop(nodes, func() {
		var y, c simd.Vec
		if g.Roomy() {
			y, c = g.Copy(Mem{Base: yp}), g.Copy(Mem{Base: cp})
		}
		var re, im [group]simd.Vec
		for j := range group {
			re[j], im[j] = g.Zero(), g.Zero()
		}
		t, n := g.GP64(), g.GP64()
		g.MOVQ(terms, t)
		g.MOVQ(pairs, n)
		g.Loop(n, func() {
			if !g.Roomy() { // again: there is no register to keep them in
				y, c = g.Copy(Mem{Base: yp}), g.Copy(Mem{Base: cp})
			}
			p, dp, dm, mp, mm := g.moduli(y, c, t)
			// 1/E+ + 1/E- = sr - i si, 1/E+ - 1/E- = dr - i di
			sr, dr := g.Mul(p, g.Add(mp, mm)), g.Mul(p, g.Sub(mp, mm))
			si := g.Mul(dp, mp)
			di := g.Copy(si)
			g.AddMul(si, dm, mm)
			g.SubMul(di, dm, mm)
			for j := range group {
				v := g.all(Mem{Base: t, Disp: (2 + j) * elem})
				g.AddMul(re[j], sr, v)
				g.SubMul(im[j], si, v)
				v = g.all(Mem{Base: t, Disp: (2 + group + j) * elem})
				g.AddMul(re[j], di, v)
				g.AddMul(im[j], dr, v)
			}
			g.ADDQ(U32(2*elem+group*complexBytes), t)
		})
		for j := range group {
			g.Move(re[j], Mem{Base: dst, Disp: 2 * j * rowBytes})
			g.Move(im[j], Mem{Base: dst, Disp: (2*j + 1) * rowBytes})
		}
		for _, p := range []reg.GPVirtual{dst, yp, cp} {
			g.ADDQ(U32(g.Bytes()), p)
		}
	})
	g.End()
}

// resolver writes the pass resolve.
type resolver struct {
	generator
	counts      []int // rows of right and of left; nil: parameters
	coef, acc   reg.GPVirtual
	right, left reg.GPVirtual
	k           reg.GPVirtual // bytes into rows
}

// resolve writes the pass resolve for any number of rows, or for counts.
func (g generator) resolve(name string, counts []int) {
	signature := "func(acc, coef *float64, pairs int, y, c *float64, nodes int, right, left *float64, rights, lefts int)"
	g.Func(name, signature, "is passes.resolve.")
	r := resolver{generator: g, counts: counts}
	r.acc, r.coef = g.IntParam("acc"), g.IntParam("coef")
	pairs, y, c, nodes := g.IntParam("pairs"), g.IntParam("y"), g.IntParam("c"), g.IntParam("nodes")
	r.right, r.left = g.IntParam("right"), g.IntParam("left")
	r.k = g.GP64()
	g.SHLQ(Imm(3), nodes)
	g.Loop(pairs, func() {
		g.XORQ(r.k, r.k)
		loop := g.NewLabel("nodes")
		g.Label(loop)
		for part := 0; part < lanes*elem; part += g.Bytes() {
			r.nodes(y, c, part)
		}
		g.ADDQ(U32(lanes*elem), r.k)
		g.CMPQ(r.k, nodes)
		g.JL(LabelRef(loop))
		r.nextPair()
	})
	g.End()
}

// nextPair moves on to the next pair of poles.
func (r *resolver) nextPair() {
	if r.counts != nil {
		each := (2 + r.counts[0] + r.counts[1]) * complexBytes
		r.ADDQ(U32(each), r.coef)
		r.ADDQ(U32(each*lanes), r.acc)
		return
	}
	each := r.IntParam("rights")
	r.ADDQ(r.Load(r.Param("lefts"), r.GP64()), each)
	r.ADDQ(U32(2), each)
	r.SHLQ(Imm(4), each)
	r.ADDQ(each, r.coef)
	r.SHLQ(Imm(3), each)
	r.ADDQ(each, r.acc)
}

// value is a function of the nodes for both poles of a pair.
type value struct{ pr, pi, mr, mi simd.Vec }

// inverse has 1/E+ = ap - i bp and 1/E- = am - i bm.
type inverse struct{ ap, bp, am, bm simd.Vec }

// nodes writes what is done for one vector of nodes, part bytes after those at k.
func (r *resolver) nodes(yp, cp reg.GPVirtual, part int) {
	c := r.Copy(Mem{Base: cp, Index: r.k, Scale: 1, Disp: part})
	y := r.Copy(Mem{Base: yp, Index: r.k, Scale: 1, Disp: part})
	p, dp, dm, mp, mm := r.moduli(y, c, r.coef)
	e := inverse{r.Mul(p, mp), r.Mul(dp, mp), r.Mul(p, mm), r.Mul(dm, mm)}

	right, left := r.sides(part)
	numerator := r.start(true)
	right.each(r, func(f, v, _ Mem) { r.accumulate(numerator, f, v) })
	x := r.divide(numerator, e)
	numerator = r.start(false)
	left.each(r, func(f, v, _ Mem) { r.accumulate(numerator, f, v) })
	zeta := r.divide(numerator, e)

	acc := func(i int) Mem { return Mem{Base: r.acc, Disp: i*lanes*elem + part} }
	re, im := r.Mul(zeta.pr, x.pr), r.Mul(zeta.pr, x.pi)
	r.SubMul(re, zeta.pi, x.pi)
	r.AddMul(im, zeta.pi, x.pr)
	r.AddMul(re, zeta.mr, x.mr)
	r.SubMul(im, zeta.mr, x.mi)
	r.SubMul(re, zeta.mi, x.mi)
	r.SubMul(im, zeta.mi, x.mr)
	c = r.Copy(Mem{Base: cp, Index: r.k, Scale: 1, Disp: part}) // again: AVX2 has no register to keep it in
	r.MulThenAdd(re, c, acc(0))
	r.MulThenAdd(im, c, acc(1))
	r.Move(re, acc(0))
	r.Move(im, acc(1))

	zetas := r.split(zeta)
	r.Move(r.Add(zetas.sr, acc(2)), acc(2))
	r.Move(r.Add(zetas.di, acc(3)), acc(3))
	right.each(r, func(f, _, sum Mem) { r.project(zetas, f, sum) })
	xs := r.split(x)
	left.each(r, func(f, _, sum Mem) { r.project(xs, f, sum) })
}

// side is the rows of right or of left.
type side struct {
	rows   reg.GPVirtual
	part   int    // bytes from the nodes at k
	count  int    // if it is known
	param  string // else the parameter that has it
	before int    // factors of a pair before those of this side, if known
	first  bool   // whether this is right
	cursor reg.GPVirtual
}

// sides returns right and left. cursor, where counts are not known, is the place
// of the factor next in turn, in bytes into the coefficients of a pair: those of
// left follow those of right.
func (r *resolver) sides(part int) (right, left side) {
	if r.counts == nil {
		cursor := r.GP64()
		return side{rows: r.right, part: part, param: "rights", first: true, cursor: cursor},
			side{rows: r.left, part: part, param: "lefts", cursor: cursor}
	}
	return side{rows: r.right, part: part, count: r.counts[0], before: 2, first: true},
		side{rows: r.left, part: part, count: r.counts[1], before: 2 + r.counts[0]}
}

// each appends body for every row f with its coefficient and its sums.
func (s side) each(r *resolver, body func(f, coef, sum Mem)) {
	for i := range s.count {
		factor := (s.before + i) * complexBytes
		body(Mem{Base: s.rows, Index: r.k, Scale: 1, Disp: 2*i*rowBytes + s.part},
			Mem{Base: r.coef, Disp: factor}, Mem{Base: r.acc, Disp: factor*lanes + s.part})
	}
	if s.param == "" {
		return
	}
	if s.first {
		r.MOVQ(U32(2*complexBytes), s.cursor)
	}
	row, n := r.GP64(), r.IntParam(s.param)
	r.LEAQ(Mem{Base: s.rows, Index: r.k, Scale: 1, Disp: s.part}, row)
	r.Loop(n, func() {
		body(Mem{Base: row}, Mem{Base: r.coef, Index: s.cursor, Scale: 1},
			Mem{Base: r.acc, Index: s.cursor, Scale: lanes, Disp: s.part})
		r.ADDQ(U32(2*rowBytes), row)
		r.ADDQ(U32(complexBytes), s.cursor)
	})
}

// parts is the numerator b + sum v f of E+, and conj(b) + sum conj(v) f of E-.
// The real parts of b and v contribute the same to both, the imaginary ones the
// opposite: (ar + i ai) +- (-dr + i di).
type parts struct{ ar, ai, dr, di simd.Vec }

// start returns the numerator b, which follows lambda in the coefficients, or 0.
func (r *resolver) start(b bool) parts {
	n := parts{r.Zero(), r.Zero(), r.Zero(), r.Zero()}
	if b {
		n.ar, n.di = r.Broadcast(Mem{Base: r.coef, Disp: complexBytes}), r.Broadcast(Mem{Base: r.coef, Disp: complexBytes + elem})
	}
	return n
}

// accumulate adds v f.
func (r *resolver) accumulate(n parts, f, v Mem) {
	re, im := r.Broadcast(v), r.Broadcast(v.Offset(elem))
	r.AddMul(n.ar, re, f)
	r.AddMul(n.ai, re, f.Offset(rowBytes))
	r.AddMul(n.dr, im, f.Offset(rowBytes))
	r.AddMul(n.di, im, f)
}

// divide returns n/E.
func (r *resolver) divide(n parts, e inverse) value {
	pr, pi, mr, mi := r.Sub(n.ar, n.dr), r.Add(n.ai, n.di), r.Add(n.ar, n.dr), r.Sub(n.ai, n.di)
	quotient := func(re, im, a, b simd.Vec) (simd.Vec, simd.Vec) {
		qr, qi := r.Mul(re, a), r.Mul(im, a)
		r.AddMul(qr, im, b)
		r.SubMul(qi, re, b)
		return qr, qi
	}
	var x value
	x.pr, x.pi = quotient(pr, pi, e.ap, e.bp)
	x.mr, x.mi = quotient(mr, mi, e.am, e.bm)
	return x
}

// split is the sum s and the difference d of a function's values for the poles
// of a pair.
type split struct{ sr, si, dr, di simd.Vec }

func (r *resolver) split(x value) split {
	return split{r.Add(x.pr, x.mr), r.Add(x.pi, x.mi), r.Sub(x.pr, x.mr), r.Sub(x.pi, x.mi)}
}

// project adds f x+ + conj(f x-) to sum.
func (r *resolver) project(x split, f, sum Mem) {
	re, im := r.Copy(sum), r.Copy(sum.Offset(lanes*elem))
	fr, fi := r.Copy(f), r.Copy(f.Offset(rowBytes))
	r.AddMul(re, fr, x.sr)
	r.AddMul(im, fr, x.di)
	r.SubMul(re, fi, x.si)
	r.AddMul(im, fi, x.dr)
	r.Move(re, sum)
	r.Move(im, sum.Offset(lanes*elem))
}
