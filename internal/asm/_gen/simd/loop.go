package simd

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Span is where a body of Elementwise finds its elements: one vector of each
// slice, or what is left of it.
type Span struct {
	a      *Asm
	index  reg.GPVirtual // bytes into the slices
	disp   int
	opmask reg.OpmaskVirtual // AVX-512: lanes that exist
	mask   Vec               // AVX2: the same
	masked bool
	single bool // NEON: only the first lane exists
}

// Load returns the vector of the slice at base; lanes that do not exist are 0.
func (s Span) Load(base reg.GPVirtual) Vec {
	v := s.a.New()
	switch {
	case s.single:
		s.a.Scalar("VMOV", s.at(base), v)
	case !s.masked:
		s.a.Move(s.at(base), v)
	case s.a.Bits == 512:
		s.a.Call("VMOVUP"+s.a.letter()+"_Z", s.at(base), s.opmask, v)
	default:
		s.a.Op("VMASKMOV", s.at(base), s.mask, v)
	}
	return v
}

// Store sets the vector of the slice at base.
func (s Span) Store(v Vec, base reg.GPVirtual) {
	switch {
	case s.single:
		s.a.Scalar("VMOV", v, s.at(base))
	case !s.masked:
		s.a.Move(v, s.at(base))
	case s.a.Bits == 512:
		s.a.Op("VMOVU", v, s.opmask, s.at(base))
	default:
		s.a.Op("VMASKMOV", v, s.mask, s.at(base))
	}
}

func (s Span) at(base reg.GPVirtual) operand.Mem {
	return operand.Mem{Base: base, Index: s.index, Scale: 1, Disp: s.disp}
}

// Elementwise runs body over n elements, a vector at a time, unroll vectors in
// an iteration of the loop. The last vector may have fewer elements; for NEON,
// which has no masks, they come one by one. n is overwritten.
func (a *Asm) Elementwise(n reg.GPVirtual, unroll int, body func(i int, s Span)) {
	index := a.GP64()
	a.XORQ(index, index)
	steps := []int{unroll, 1}
	if unroll == 1 {
		steps = steps[:1]
	}
	for _, step := range steps {
		loop, done := a.NewLabel("loop"), a.NewLabel("done")
		a.SUBQ(operand.U32(step*a.Lanes()), n)
		a.JL(operand.LabelRef(done))
		a.Label(loop)
		for i := range step {
			body(i, Span{a: a, index: index, disp: i * a.Bytes()})
		}
		a.ADDQ(operand.U32(step*a.Bytes()), index)
		a.SUBQ(operand.U32(step*a.Lanes()), n)
		a.JGE(operand.LabelRef(loop))
		a.Label(done)
		a.ADDQ(operand.U32(step*a.Lanes()), n)
	}
	if a.NEON {
		a.Loop(n, func() {
			body(0, Span{a: a, index: index, single: true})
			a.ADDQ(operand.U32(a.Elem), index)
		})
		return
	}
	end := a.NewLabel("end")
	a.JZ(operand.LabelRef(end))
	s := Span{a: a, index: index, masked: true}
	if a.Bits == 512 {
		s.opmask = a.opmask(n)
	} else {
		s.mask = a.laneMask(n)
	}
	body(0, s)
	a.Label(end)
}

// opmask returns the mask of the first n lanes, n less than their number.
func (a *Asm) opmask(n reg.GPVirtual) reg.OpmaskVirtual {
	bits, k := a.GP64(), a.K()
	a.MOVQ(operand.U32(1), bits)
	a.MOVQ(n, reg.RCX)
	a.SHLQ(reg.CL, bits)
	a.DECQ(bits)
	a.KMOVW(bits.As32(), k)
	return k
}

// laneMask returns a vector with all bits set in the first n lanes, n less than
// their number.
func (a *Asm) laneMask(n reg.GPVirtual) Vec {
	base, lane, v := a.GP64(), a.GP64(), a.New()
	a.LEAQ(a.maskTable(), base)
	a.MOVQ(operand.U32(32/a.Elem), lane)
	a.SUBQ(n, lane)
	a.VMOVUPS(operand.Mem{Base: base, Index: lane, Scale: uint8(a.Elem)}, v)
	return v
}

// maskTable returns 32 bytes of all bits followed by 32 of none.
func (a *Asm) maskTable() operand.Mem {
	const name = "lanes_then_none"
	if m, ok := a.consts[name]; ok {
		return m
	}
	m := a.StaticGlobal(name)
	a.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range 8 {
		v := ^uint64(0)
		if i >= 4 {
			v = 0
		}
		a.AddDatum(8*i, operand.U64(v))
	}
	a.consts[name] = m
	return m
}
