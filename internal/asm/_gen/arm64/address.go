package arm64

import (
	"fmt"
	"math/bits"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// address is a sum that has been computed: of a base, and of an index times a scale
// or of a displacement.
type address struct {
	base, index reg.ID
	scale       uint8
	disp        int
}

// place returns a memory operand of size bytes as the assembler writes it, with the
// register {1}, and that register; nil for a parameter or a result.
func (l *lowering) place(m operand.Mem, size int) (text string, base reg.Register) {
	switch {
	case m.Symbol.Static:
		off, ok := l.constants.offset[m.Symbol.Name]
		if !ok || m.Index != nil {
			fail("want a constant, got %s", m.Asm())
		}
		return fmt.Sprintf("%d(R{1})", off+m.Disp), l.tableBase()
	case m.Symbol.Name != "":
		return m.Asm(), nil
	}
	base = l.base(m)
	if !fits(m.Disp, size) {
		base = l.sum(address{base: base.ID(), disp: m.Disp}, base, nil)
		m.Disp = 0
	}
	if m.Disp == 0 {
		return "(R{1})", base
	}
	return fmt.Sprintf("%d(R{1})", m.Disp), base
}

// base returns a register with the address of m but for its displacement.
func (l *lowering) base(m operand.Mem) reg.Register {
	base := register(m.Base)
	if m.Index == nil {
		return base
	}
	return l.sum(address{base: base.ID(), index: m.Index.ID(), scale: m.Scale}, base, register(m.Index))
}

// sum returns a register with an address, which may be one that has it already.
func (l *lowering) sum(a address, base, index reg.Register) reg.Register {
	if r := l.addresses[a]; r != nil {
		return r
	}
	r := reg.Register(l.regs.GP64())
	l.add(r, base, index, a.scale, a.disp)
	l.addresses[a] = r
	return r
}

// add sets dst to base + scale index + disp. index may be nil.
func (l *lowering) add(dst, base, index reg.Register, scale uint8, disp int) {
	if index != nil {
		l.def(fmt.Sprintf("ADD R{2}%s, R{1}, R{0}", shift(scale)), dst, base, index)
		base = dst
	}
	if disp != 0 {
		l.def(fmt.Sprintf("ADD $%d, R{1}, R{0}", disp), dst, base)
	} else if index == nil {
		l.def(moveInt, dst, base)
	}
}

// shift returns how the assembler writes a multiplication by a scale.
func shift(scale uint8) string {
	if scale == 1 {
		return ""
	}
	return fmt.Sprintf("<<%d", bits.TrailingZeros8(scale))
}

// forget removes the sums that a new value of r makes wrong.
func (l *lowering) forget(r reg.Register) {
	for a, v := range l.addresses {
		if a.base == r.ID() || a.index == r.ID() || v.ID() == r.ID() {
			delete(l.addresses, a)
		}
	}
}

// fits reports whether loads and stores of size bytes take a displacement.
func fits(disp, size int) bool {
	return -256 <= disp && disp < 256 || 0 <= disp && disp%size == 0 && disp/size < 4096
}
