// Command fft generates the passes of internal/fft. What they compute is said
// there, at the functions of the same names in pass_generic.go.
package main

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/asm/gen/simd"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gen writes functions for one instruction set and element type.
type gen struct {
	*simd.Asm
	held map[float64]simd.Vec // constants in registers, in this function
}

func main() {
	simd.Main(func(a *simd.Asm) {
		g := &gen{Asm: a}
		for _, radix := range []int{2, 3, 4, 5, 8} {
			g.down(radix)
			g.up(radix)
		}
		g.load("loadCyclic", false)
		g.load("loadNegacyclic", true)
		g.store()
		for _, m := range []mid{
			{name: "midForward", forward: true},
			{name: "midInverse", inverse: true},
			{name: "midConvolve", forward: true, inverse: true, product: plain},
			{name: "midCorrelate", forward: true, inverse: true, product: conjugate},
			{name: "midBackward", forward: true, inverse: true, product: conjugate, accumulate: true},
			{name: "midProduct", inverse: true, product: plain, fromU: true},
		} {
			g.mid(m)
		}
		g.pointwise()
		g.prefetch()
	})
}

// function starts a function without constants in registers.
func (g *gen) function(name, signature string) {
	g.Func(name, signature, "is kernels."+name+".")
	g.held = map[float64]simd.Vec{}
}

// point is a vector of complex numbers, real and imaginary parts apart.
type point struct{ re, im simd.Vec }

func (g *gen) add(x, y point) point { return point{g.Add(x.re, y.re), g.Add(x.im, y.im)} }
func (g *gen) sub(x, y point) point { return point{g.Sub(x.re, y.re), g.Sub(x.im, y.im)} }

// addI returns x + iy, subI x - iy.
func (g *gen) addI(x, y point) point { return point{g.Sub(x.re, y.im), g.Add(x.im, y.re)} }
func (g *gen) subI(x, y point) point { return point{g.Add(x.re, y.im), g.Sub(x.im, y.re)} }

// factor is a vector of complex numbers to multiply with, in registers or in
// memory.
type factor struct{ re, im Op }

// times returns x w, or x conj(w).
func (g *gen) times(x point, w factor, conj bool) point {
	if g.NEON { // which subtracts a product, and not from one
		r := point{g.Mul(x.re, w.re), g.Mul(x.im, w.re)}
		first, second := g.SubMul, g.AddMul
		if conj {
			first, second = second, first
		}
		first(r.re, x.im, w.im)
		second(r.im, x.re, w.im)
		return r
	}
	first, second := "VFMSUB231", "VFMADD231"
	if conj {
		first, second = second, first
	}
	r := point{g.Mul(x.im, w.im), g.Mul(x.re, w.im)}
	g.Op(first, w.re, x.re, r.re)
	g.Op(second, w.re, x.im, r.im)
	return r
}

// constant returns an operand with v in every lane: AVX-512 has the registers to
// hold it.
func (g *gen) constant(v float64) Op {
	if g.Bits == 512 {
		return g.held[v]
	}
	return g.Const(v).Mem
}

// hold makes constants that the loops use.
func (g *gen) hold(vs ...float64) {
	if g.Bits < 512 {
		return
	}
	for _, v := range vs {
		g.held[v] = g.Broadcast(g.Const(v))
	}
}

// scaled returns x + c y, and leaves x alone.
func (g *gen) scaled(x point, c float64, y point) point {
	r := point{g.Copy(x.re), g.Copy(x.im)}
	g.Op("VFMADD231", g.constant(c), y.re, r.re)
	g.Op("VFMADD231", g.constant(c), y.im, r.im)
	return r
}

const (
	sin3  = 0.86602540378443864676372317075293618 // sin(2 pi/3)
	cos51 = 0.30901699437494742410229341718281906 // cos(2 pi/5)
	cos52 = -0.80901699437494742410229341718281906
	sin51 = 0.95105651629515357211643933337938214
	sin52 = 0.58778525229247312916870595463907277
	half  = math.Sqrt2 / 2 // cos(pi/4)
)

// constants holds what dft needs.
func (g *gen) constants(radix int) {
	switch radix {
	case 3:
		g.hold(-0.5, sin3)
	case 5:
		g.hold(cos51, cos52, sin51, sin52, -sin51)
	case 8:
		g.hold(half)
	}
}

// dft returns the transform of the points of x: outputs s = 0 ... radix-1 of
// sum over k of x[k] exp(-+2 pi i k s/radix).
func (g *gen) dft(x []point, inverse bool) []point {
	y := map[int]func([]point) []point{2: g.dft2, 3: g.dft3, 4: g.dft4, 5: g.dft5, 8: g.dft8}[len(x)](x)
	if inverse {
		for s := 1; s < len(y)-s; s++ {
			y[s], y[len(y)-s] = y[len(y)-s], y[s]
		}
	}
	return y
}

func (g *gen) dft2(x []point) []point { return []point{g.add(x[0], x[1]), g.sub(x[0], x[1])} }

func (g *gen) dft4(x []point) []point {
	a, b := g.add(x[0], x[2]), g.sub(x[0], x[2])
	c, d := g.add(x[1], x[3]), g.sub(x[1], x[3])
	return []point{g.add(a, c), g.subI(b, d), g.sub(a, c), g.addI(b, d)}
}

func (g *gen) dft3(x []point) []point {
	a, d := g.add(x[1], x[2]), g.sub(x[1], x[2])
	b := g.scaled(x[0], -0.5, a)
	y0 := g.add(x[0], a)
	y1 := point{g.Copy(b.re), g.Copy(b.im)}
	for _, m := range []struct {
		name string
		x, y simd.Vec
	}{{"VFMADD231", d.im, y1.re}, {"VFNMADD231", d.re, y1.im}, {"VFNMADD231", d.im, b.re}, {"VFMADD231", d.re, b.im}} {
		g.Op(m.name, g.constant(sin3), m.x, m.y)
	}
	return []point{y0, y1, b}
}

func (g *gen) dft5(x []point) []point {
	a, d := g.add(x[1], x[4]), g.sub(x[1], x[4])
	b, e := g.add(x[2], x[3]), g.sub(x[2], x[3])
	combine := func(ca, cb, sd, se float64) (minus, plus point) {
		f := g.scaled(g.scaled(x[0], ca, a), cb, b)
		s := point{g.Mul(d.re, g.constant(sd)), g.Mul(d.im, g.constant(sd))}
		g.Op("VFMADD231", g.constant(se), e.re, s.re)
		g.Op("VFMADD231", g.constant(se), e.im, s.im)
		return g.subI(f, s), g.addI(f, s)
	}
	y1, y4 := combine(cos51, cos52, sin51, sin52)
	y2, y3 := combine(cos52, cos51, sin52, -sin51)
	return []point{g.add(g.add(x[0], a), b), y1, y2, y3, y4}
}

func (g *gen) dft8(x []point) []point {
	var even, odd [4]point
	for k := range even {
		even[k], odd[k] = g.add(x[k], x[k+4]), g.sub(x[k], x[k+4])
	}
	// times exp(-pi i/4), -i and exp(-3 pi i/4)
	h := g.constant(half)
	p := point{g.Add(odd[1].re, odd[1].im), g.Sub(odd[1].im, odd[1].re)}
	odd[1] = point{g.Mul(p.re, h), g.Mul(p.im, h)}
	odd[2] = point{odd[2].im, odd[2].re} // the second negated
	q := point{g.Sub(odd[3].im, odd[3].re), g.Add(odd[3].re, odd[3].im)}
	odd[3] = point{g.Mul(q.re, h), g.Mul(q.im, h)} // the second negated
	o := g.dft4Negated(odd)
	e := g.dft4(even[:])
	return []point{e[0], o[0], e[1], o[1], e[2], o[2], e[3], o[3]}
}

// dft4Negated is dft4 of points of which the last two have their imaginary
// parts negated.
func (g *gen) dft4Negated(x [4]point) []point {
	a := point{g.Add(x[0].re, x[2].re), g.Sub(x[0].im, x[2].im)}
	b := point{g.Sub(x[0].re, x[2].re), g.Add(x[0].im, x[2].im)}
	c := point{g.Add(x[1].re, x[3].re), g.Sub(x[1].im, x[3].im)}
	d := point{g.Sub(x[1].re, x[3].re), g.Add(x[1].im, x[3].im)}
	return []point{g.add(a, c), g.subI(b, d), g.sub(a, c), g.addI(b, d)}
}

// sets is where the columns of one block are: radix sets, q bytes apart, in each
// of two planes.
type sets struct {
	re, im     reg.GPVirtual // column at hand
	q1, q3, q5 reg.GPVirtual // q times 1, 3, 5
	q7         reg.GPVirtual
}

func (g *gen) newSets(re, im, q reg.GPVirtual, radix int) sets {
	s := sets{re: re, im: im, q1: q}
	if radix > 3 {
		s.q3 = g.GP64()
		g.LEAQ(Mem{Base: q, Index: q, Scale: 2}, s.q3)
	}
	if radix > 5 {
		s.q5, s.q7 = g.GP64(), g.GP64()
		g.LEAQ(Mem{Base: q, Index: q, Scale: 4}, s.q5)
		g.LEAQ(Mem{Base: s.q3, Index: q, Scale: 4}, s.q7)
	}
	return s
}

// at returns the place of set k of the plane at base.
func (s sets) at(base reg.GPVirtual, k int) Mem {
	m := Mem{Base: base}
	switch k {
	case 0:
	case 1, 2, 4:
		m.Index, m.Scale = s.q1, uint8(k)
	case 3, 6:
		m.Index, m.Scale = s.q3, uint8(k/3)
	case 5:
		m.Index, m.Scale = s.q5, 1
	case 7:
		m.Index, m.Scale = s.q7, 1
	default:
		panic("no such set")
	}
	return m
}

func (g *gen) loadPoint(re, im Mem) point { return point{g.Copy(re), g.Copy(im)} }

func (g *gen) storePoint(x point, re, im Mem) {
	g.Move(x.re, re)
	g.Move(x.im, im)
}

func (g *gen) loadSet(s sets, k int) point     { return g.loadPoint(s.at(s.re, k), s.at(s.im, k)) }
func (g *gen) storeSet(x point, s sets, k int) { g.storePoint(x, s.at(s.re, k), s.at(s.im, k)) }

// twiddle returns factor i of the group at tw. Where registers are plenty it is
// loaded into them.
func (g *gen) twiddle(tw reg.GPVirtual, i int, inRegister bool) factor {
	re, im := Mem{Base: tw, Disp: 2 * i * g.Bytes()}, Mem{Base: tw, Disp: (2*i + 1) * g.Bytes()}
	if inRegister {
		return factor{g.Copy(re), g.Copy(im)}
	}
	return factor{re, im}
}

// level writes the loops of one level: body for every group of columns of every
// block.
func (g *gen) level(name string, radix int, body func(s sets, tw reg.GPVirtual)) {
	g.function(fmt.Sprintf("%s%d", name, radix), "func(re, im, tw *T, q, blocks int)")
	re, im, tw0 := g.IntParam("re"), g.IntParam("im"), g.IntParam("tw")
	q, blocks := g.IntParam("q"), g.IntParam("blocks")
	g.ScaleByElem(q)
	s := g.newSets(re, im, q, radix)
	g.constants(radix)
	g.Loop(blocks, func() {
		tw, end := g.GP64(), g.GP64()
		g.MOVQ(tw0, tw)
		g.LEAQ(Mem{Base: re, Index: q, Scale: 1}, end)
		column := g.NewLabel("column")
		g.Label(column)
		body(s, tw)
		g.ADDQ(U32(g.Bytes()), re)
		g.ADDQ(U32(g.Bytes()), im)
		g.ADDQ(U32(2*(radix-1)*g.Bytes()), tw)
		g.CMPQ(re, end)
		g.JNE(LabelRef(column))
		last := s.at(re, radix-1)
		g.LEAQ(last, re)
		last.Base = im
		g.LEAQ(last, im)
	})
	g.End()
}

// roomy reports whether a level has registers to spare for its twiddles.
func (g *gen) roomy(radix int) bool { return g.Bits == 512 || radix <= 4 }

func (g *gen) down(radix int) {
	if radix == 8 && !g.Roomy() {
		return
	}
	g.level("down", radix, func(s sets, tw reg.GPVirtual) {
		x := make([]point, radix)
		for k := range x {
			x[k] = g.loadSet(s, k)
		}
		y := g.dft(x, false)
		g.storeSet(y[0], s, 0)
		for k := 1; k < radix; k++ {
			g.storeSet(g.times(y[k], g.twiddle(tw, k-1, g.roomy(radix)), false), s, k)
		}
	})
}

func (g *gen) up(radix int) {
	if radix == 8 && !g.Roomy() {
		return
	}
	g.level("up", radix, func(s sets, tw reg.GPVirtual) {
		x := make([]point, radix)
		for k := 1; k < radix; k++ {
			x[k] = g.times(g.loadSet(s, k), g.twiddle(tw, k-1, g.roomy(radix)), true)
		}
		x[0] = g.loadSet(s, 0)
		for k, y := range g.dft(x, true) {
			g.storeSet(y, s, k)
		}
	})
}

// turned returns the sets of a negacyclic block times exp(-pi i k/4), the last
// two with their imaginary parts negated.
func (g *gen) turned(x [4]point) [4]point {
	h := g.constant(half)
	p := point{g.Add(x[1].re, x[1].im), g.Sub(x[1].im, x[1].re)}
	q := point{g.Sub(x[3].im, x[3].re), g.Add(x[3].re, x[3].im)}
	return [4]point{
		x[0],
		{g.Mul(p.re, h), g.Mul(p.im, h)},
		{x[2].im, x[2].re},
		{g.Mul(q.re, h), g.Mul(q.im, h)},
	}
}

// rows is where the four sets of a pair of rows are. The last set may be
// elsewhere.
type rows struct {
	sets
	lastA, lastB reg.GPVirtual
}

func (r rows) at(k int) (a, b Mem) {
	if k == 3 {
		return Mem{Base: r.lastA}, Mem{Base: r.lastB}
	}
	return r.sets.at(r.re, k), r.sets.at(r.im, k)
}

// columns runs body for every group of columns of q bytes, and moves the
// pointers on. The first of them counts.
func (g *gen) columns(q reg.GPVirtual, pointers []reg.GPVirtual, body func()) {
	end, column := g.GP64(), g.NewLabel("column")
	g.LEAQ(Mem{Base: pointers[0], Index: q, Scale: 1}, end)
	g.Label(column)
	body()
	for _, p := range pointers {
		g.ADDQ(U32(g.Bytes()), p)
	}
	g.CMPQ(pointers[0], end)
	g.JNE(LabelRef(column))
}

// load writes the first level, rows to planes.
func (g *gen) load(name string, negacyclic bool) {
	g.function(name, "func(re, im, a, b, lastA, lastB, tw *T, q int)")
	re, im, a, b := g.IntParam("re"), g.IntParam("im"), g.IntParam("a"), g.IntParam("b")
	lastA, lastB, tw, q := g.IntParam("lastA"), g.IntParam("lastB"), g.IntParam("tw"), g.IntParam("q")
	g.ScaleByElem(q)
	z := g.newSets(re, im, q, 4)
	from := rows{z, lastA, lastB}
	from.re, from.im = a, b
	if negacyclic {
		g.hold(half)
	}
	g.columns(q, []reg.GPVirtual{re, im, a, b, lastA, lastB}, func() {
		var x [4]point
		for k := range x {
			x[k] = g.loadPoint(from.at(k))
		}
		if negacyclic {
			for k, y := range g.dft4Negated(g.turned(x)) {
				g.storeSet(g.times(y, g.twiddle(tw, k, g.roomy(4)), false), z, k)
			}
			g.ADDQ(U32(8*g.Bytes()), tw)
			return
		}
		y := g.dft4(x[:])
		g.storeSet(y[0], z, 0)
		for k := 1; k < 4; k++ {
			g.storeSet(g.times(y[k], g.twiddle(tw, k-1, g.roomy(4)), false), z, k)
		}
		g.ADDQ(U32(6*g.Bytes()), tw)
	})
	g.End()
}

// store writes the last level of the negacyclic half, which adds to the cyclic
// half c.
func (g *gen) store() {
	g.function("store", "func(a, b, lastA, lastB, cre, cim, re, im, tw *T, q int)")
	a, b, lastA, lastB := g.IntParam("a"), g.IntParam("b"), g.IntParam("lastA"), g.IntParam("lastB")
	cre, cim, re, im := g.IntParam("cre"), g.IntParam("cim"), g.IntParam("re"), g.IntParam("im")
	tw, q := g.IntParam("tw"), g.IntParam("q")
	g.ScaleByElem(q)
	z := g.newSets(re, im, q, 4)
	c, to := z, rows{z, lastA, lastB}
	c.re, c.im = cre, cim
	to.re, to.im = a, b
	g.hold(half)
	g.columns(q, []reg.GPVirtual{re, im, cre, cim, a, b, lastA, lastB}, func() {
		var x [4]point
		for k := range x {
			x[k] = g.times(g.loadSet(z, k), g.twiddle(tw, k, g.roomy(4)), true)
		}
		y := g.dft([]point{x[0], x[1], x[2], x[3]}, true)
		h := g.constant(half)
		for k, v := range y {
			// times exp(pi i k/4)
			s := point{g.Copy(c.at(c.re, k)), g.Copy(c.at(c.im, k))}
			switch k {
			case 0:
				s = g.add(s, v)
			case 1:
				g.Op("VFMADD231", h, g.Sub(v.re, v.im), s.re)
				g.Op("VFMADD231", h, g.Add(v.re, v.im), s.im)
			case 2:
				s = g.addI(s, v)
			case 3:
				g.Op("VFNMADD231", h, g.Add(v.re, v.im), s.re)
				g.Op("VFMADD231", h, g.Sub(v.re, v.im), s.im)
			}
			toA, toB := to.at(k)
			g.storePoint(s, toA, toB)
		}
		g.ADDQ(U32(8*g.Bytes()), tw)
	})
	g.End()
}

// product says what a middle pass multiplies with.
type product int

const (
	none product = iota
	plain
	conjugate
)

// mid is a middle pass.
type mid struct {
	name             string
	forward, inverse bool    // the transforms in it
	product          product // with k or conj(k)
	accumulate       bool    // acc += conj(u) times the spectrum
	fromU            bool    // the spectrum is u
}

// mid writes a middle pass: blocks of four vectors, all of whose levels are done
// in registers.
func (g *gen) mid(m mid) {
	signature := "func(re, im, tw *T"
	names := []string{"re", "im"}
	if m.product != none {
		names = append(names, "kre", "kim")
		signature += ", kre, kim"
	}
	if m.accumulate || m.fromU {
		names = append(names, "ure", "uim")
		signature += ", ure, uim"
	}
	if m.accumulate {
		names = append(names, "are", "aim")
		signature += ", are, aim"
	}
	if len(names) > 2 {
		signature += " *T"
	}
	g.function(m.name, signature+", blocks int)")
	p := map[string]reg.GPVirtual{}
	for _, name := range names {
		p[name] = g.IntParam(name)
	}
	tw, blocks := g.IntParam("tw"), g.IntParam("blocks")
	t := g.midTwiddles(tw)
	at := func(name string, k int) Mem { return Mem{Base: p[name], Disp: k * g.Bytes()} }
	planes := func(letter string, k int) (re, im Mem) { return at(letter+"re", k), at(letter+"im", k) }
	together := g.together()
	if together == 2 {
		g.SHRQ(Imm(1), blocks)
	}
	g.Loop(blocks, func() {
		from := ""
		if m.fromU {
			from = "u"
		}
		x := make([]point, 4*together)
		for k := range x {
			x[k] = g.loadPoint(planes(from, k))
		}
		if m.forward {
			g.forward(x, t)
		}
		for k := range x {
			if m.accumulate {
				ure, uim := planes("u", k)
				are, aim := planes("a", k)
				u, acc := g.loadPoint(ure, uim), g.loadPoint(are, aim)
				g.AddMul(acc.re, u.re, x[k].re)
				g.AddMul(acc.im, u.re, x[k].im)
				g.AddMul(acc.re, u.im, x[k].im)
				g.SubMul(acc.im, u.im, x[k].re)
				g.storePoint(acc, are, aim)
			}
			if m.product != none {
				kre, kim := planes("k", k)
				x[k] = g.times(x[k], factor{g.Copy(kre), g.Copy(kim)}, m.product == conjugate)
			}
		}
		if m.inverse {
			g.inverse(x, t)
		}
		for k := range x {
			re, im := planes("", k)
			g.storePoint(x[k], re, im)
		}
		for _, name := range names {
			g.ADDQ(U32(len(x)*g.Bytes()), p[name])
		}
	})
	g.End()
}

// together returns the number of blocks a middle pass works on side by side. One
// alone is a long chain of dependent instructions; the number of blocks is
// always a multiple of 4.
func (g *gen) together() int {
	if g.Roomy() {
		return 2
	}
	return 1
}

// stage is a level of a middle pass: a rearrangement of four vectors, after
// which the sets of the level are whole vectors, radix-point transforms, and
// twiddles, if the level is not the last. The rearrangement is its own inverse.
type stage struct {
	radix     int
	rearrange func([4]simd.Vec) [4]simd.Vec
}

// stages returns the levels of a middle pass but the first, which is of radix 4
// on the vectors as they are in memory.
func (g *gen) stages() []stage {
	switch {
	case g.NEON && g.Elem == 4:
		return []stage{{4, g.transposeQuads}}
	case g.NEON:
		return []stage{{2, g.transposePairs}}
	case g.Bits == 512 && g.Elem == 4:
		return []stage{{4, g.transposeLanes}, {4, g.transposeQuads}}
	case g.Bits == 512:
		return []stage{{4, g.transposeLanes}, {2, g.transposePairs}}
	case g.Elem == 4:
		return []stage{{2, g.swapLanes}, {4, g.transposeQuads}}
	}
	return []stage{{4, func(v [4]simd.Vec) [4]simd.Vec { return g.swapLanesFar(g.transposePairs(v)) }}}
}

// midTwiddles returns the factors of all levels of a middle pass.
func (g *gen) midTwiddles(tw reg.GPVirtual) []factor {
	n := 3
	s := g.stages()
	for _, st := range s[:len(s)-1] {
		n += st.radix - 1
	}
	t := make([]factor, n)
	for i := range t {
		t[i] = g.twiddle(tw, i, false)
	}
	return t
}

// across does a level of radix 4 across the four vectors of every block or, of
// radix 2, across each pair of them.
func (g *gen) across(x []point, radix int, inverse bool) {
	for ; len(x) > 0; x = x[radix:] {
		copy(x, g.dft(x[:radix], inverse))
	}
}

// turn multiplies with the twiddles of a level.
func (g *gen) turn(x []point, radix int, t []factor, conj bool) {
	for s := 1; s < radix; s++ {
		w := factor{g.Copy(t[s-1].re), g.Copy(t[s-1].im)}
		for k := s; k < len(x); k += radix {
			x[k] = g.times(x[k], w, conj)
		}
	}
}

// rearrange applies f to the real and to the imaginary parts of every block.
func rearrange(f func([4]simd.Vec) [4]simd.Vec, x []point) {
	for ; len(x) > 0; x = x[4:] {
		re := f([4]simd.Vec{x[0].re, x[1].re, x[2].re, x[3].re})
		im := f([4]simd.Vec{x[0].im, x[1].im, x[2].im, x[3].im})
		for k := range re {
			x[k] = point{re[k], im[k]}
		}
	}
}

// forward finishes the forward transform of blocks of four vectors.
func (g *gen) forward(x []point, t []factor) {
	g.across(x, 4, false)
	g.turn(x, 4, t[:3], false)
	t = t[3:]
	for _, s := range g.stages() {
		rearrange(s.rearrange, x)
		g.across(x, s.radix, false)
		if len(t) > 0 {
			g.turn(x, s.radix, t[:s.radix-1], false)
			t = t[s.radix-1:]
		}
	}
}

// inverse begins the inverse transform of blocks of four vectors.
func (g *gen) inverse(x []point, t []factor) {
	s := g.stages()
	for i := len(s) - 1; i >= 0; i-- {
		if i < len(s)-1 {
			n := len(t) - s[i].radix + 1
			g.turn(x, s[i].radix, t[n:], true)
			t = t[:n]
		}
		g.across(x, s[i].radix, true)
		rearrange(s[i].rearrange, x)
	}
	g.turn(x, 4, t, true)
	g.across(x, 4, true)
}

// shuffle returns the result of an instruction of two vectors: elements of x,
// then of y, by the immediate.
func (g *gen) shuffle(name string, imm uint64, x, y simd.Vec) simd.Vec {
	d := g.New()
	g.Call(name, Imm(imm), y, x, d)
	return d
}

// transposeLanes transposes the 4 x 4 matrix of 128-bit lanes of four vectors.
func (g *gen) transposeLanes(v [4]simd.Vec) [4]simd.Vec {
	const name = "VSHUFF64X2"
	a, b := g.shuffle(name, 0x44, v[0], v[1]), g.shuffle(name, 0x44, v[2], v[3])
	c, d := g.shuffle(name, 0xee, v[0], v[1]), g.shuffle(name, 0xee, v[2], v[3])
	return [4]simd.Vec{
		g.shuffle(name, 0x88, a, b), g.shuffle(name, 0xdd, a, b),
		g.shuffle(name, 0x88, c, d), g.shuffle(name, 0xdd, c, d),
	}
}

// swapLanes transposes the 2 x 2 matrices of 128-bit lanes of vectors 0 and 1,
// and of 2 and 3.
func (g *gen) swapLanes(v [4]simd.Vec) [4]simd.Vec { return g.lanePairs(v, 0, 1, 2, 3) }

// swapLanesFar is swapLanes of vectors 0 and 2, and of 1 and 3.
func (g *gen) swapLanesFar(v [4]simd.Vec) [4]simd.Vec { return g.lanePairs(v, 0, 2, 1, 3) }

func (g *gen) lanePairs(v [4]simd.Vec, order ...int) (w [4]simd.Vec) {
	for ; len(order) > 0; order = order[2:] {
		x, y := v[order[0]], v[order[1]]
		lo := g.New()
		g.VINSERTF128(Imm(1), y.AsX(), x, lo)
		w[order[0]], w[order[1]] = lo, g.shuffle("VPERM2F128", 0x31, x, y)
	}
	return w
}

// transposePairs transposes, in every lane, the 2 x 2 matrices of the float64
// of vectors 0 and 1, and of 2 and 3.
func (g *gen) transposePairs(v [4]simd.Vec) (w [4]simd.Vec) {
	for i := 0; i < 4; i += 2 {
		w[i], w[i+1] = g.unpack("VUNPCKLPD", v[i], v[i+1]), g.unpack("VUNPCKHPD", v[i], v[i+1])
	}
	return w
}

// transposeQuads transposes, in every lane, the 4 x 4 matrix of the float32 of
// four vectors.
func (g *gen) transposeQuads(v [4]simd.Vec) [4]simd.Vec {
	a, b := g.unpack("VUNPCKLPS", v[0], v[1]), g.unpack("VUNPCKLPS", v[2], v[3])
	c, d := g.unpack("VUNPCKHPS", v[0], v[1]), g.unpack("VUNPCKHPS", v[2], v[3])
	return [4]simd.Vec{
		g.unpack("VUNPCKLPD", a, b), g.unpack("VUNPCKHPD", a, b),
		g.unpack("VUNPCKLPD", c, d), g.unpack("VUNPCKHPD", c, d),
	}
}

func (g *gen) unpack(name string, x, y simd.Vec) simd.Vec {
	d := g.New()
	g.Call(name, y, x, d)
	return d
}

// pointwise writes the product of planes.
func (g *gen) pointwise() {
	g.function("mulAddConj", "func(dre, dim, xre, xim, yre, yim *T, n int)")
	dre, dim, xre, xim := g.IntParam("dre"), g.IntParam("dim"), g.IntParam("xre"), g.IntParam("xim")
	yre, yim, n := g.IntParam("yre"), g.IntParam("yim"), g.IntParam("n")
	g.Elementwise(n, 1, func(_ int, s simd.Span) {
		x, y := point{s.Load(xre), s.Load(xim)}, point{s.Load(yre), s.Load(yim)}
		d := g.add(point{s.Load(dre), s.Load(dim)}, g.times(y, factor{x.re, x.im}, true))
		s.Store(d.re, dre)
		s.Store(d.im, dim)
	})
	g.End()
}

// prefetch writes the loop that asks for the cache lines of a row.
func (g *gen) prefetch() {
	g.function("prefetch", "func(x *T, lines int)")
	x, lines := g.IntParam("x"), g.IntParam("lines")
	g.Loop(lines, func() {
		g.PREFETCHT0(Mem{Base: x})
		g.ADDQ(U32(cacheLine), x)
	})
	g.RET()
}

// cacheLine is the size of one in bytes.
const cacheLine = 64
