package arm64

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// moveInt copies a register of integers.
const moveInt = "MOVD R{1}, R{0}"

func init() {
	rules["MOVQ"] = (*lowering).moveQ
	rules["MOVB"] = func(l *lowering, ops []operand.Op) {
		l.loadTo("MOVBU %s, R{0}", ops[0].(operand.Mem), 1, register(ops[1]))
	}
	rules["LEAQ"] = func(l *lowering, ops []operand.Op) {
		m := ops[0].(operand.Mem)
		var index reg.Register
		if m.Index != nil {
			index = register(m.Index)
		}
		l.add(register(ops[1]), register(m.Base), index, m.Scale, m.Disp)
	}
	for name, mnemonic := range map[string]string{"ADDQ": "ADDS", "SUBQ": "SUBS", "ANDQ": "ANDS"} {
		rules[name] = func(l *lowering, ops []operand.Op) { l.arithmetic(mnemonic, ops[0], register(ops[1]), true) }
	}
	rules["INCQ"] = func(l *lowering, ops []operand.Op) { l.arithmetic("ADDS", operand.U8(1), register(ops[0]), true) }
	rules["DECQ"] = func(l *lowering, ops []operand.Op) { l.arithmetic("SUBS", operand.U8(1), register(ops[0]), true) }
	rules["SHLQ"] = func(l *lowering, ops []operand.Op) { l.arithmetic("LSL", ops[0], register(ops[1]), false) }
	rules["SHRQ"] = func(l *lowering, ops []operand.Op) { l.arithmetic("LSR", ops[0], register(ops[1]), false) }
	rules["IMULQ"] = func(l *lowering, ops []operand.Op) { l.arithmetic("MUL", l.integer(ops[0]), register(ops[1]), false) }
	rules["IMUL3Q"] = func(l *lowering, ops []operand.Op) {
		l.def("MUL R{2}, R{1}, R{0}", register(ops[2]), register(ops[1]), l.integer(ops[0]))
		l.flags = false
	}
	rules["XORQ"] = func(l *lowering, ops []operand.Op) {
		if register(ops[0]).ID() != register(ops[1]).ID() {
			fail("XORQ: want one register twice")
		}
		l.def("MOVD $0, R{0}", register(ops[1]))
		l.flags = false
	}
	rules["CMPQ"] = func(l *lowering, ops []operand.Op) { l.compare(register(ops[0]), ops[1]) }
	for _, name := range []string{"TESTQ", "TESTB"} {
		rules[name] = func(l *lowering, ops []operand.Op) {
			if register(ops[0]).ID() != register(ops[1]).ID() {
				fail("%s: want one register twice", name)
			}
			l.compare(register(ops[0]), operand.U8(0))
		}
	}
	rules["JMP"] = func(l *lowering, ops []operand.Op) { l.branch("JMP", ops[0], false) }
	for condition, code := range conditions {
		rules["J"+condition] = func(l *lowering, ops []operand.Op) {
			l.checkFlags()
			l.branch("B"+code, ops[0], true)
		}
		rules["CMOVQ"+condition] = func(l *lowering, ops []operand.Op) {
			l.checkFlags()
			dst := register(ops[1])
			l.update("CSEL "+code+", R{1}, R{0}, R{0}", dst, l.integer(ops[0]))
		}
	}
	rules["RET"] = func(l *lowering, ops []operand.Op) {
		i := instruction("RET", nil, nil, nil)
		i.IsTerminal = true
		l.nodes = append(l.nodes, i)
	}
	rules["VZEROUPPER"] = func(l *lowering, ops []operand.Op) {} // there is nothing above 128 bits
	for i, level := range []string{"PLDL1KEEP", "PLDL2KEEP"} {
		rules[fmt.Sprintf("PREFETCHT%d", i)] = func(l *lowering, ops []operand.Op) {
			at, base := l.place(ops[0].(operand.Mem), 8)
			l.use(fmt.Sprintf("PRFM %s, %s", renumbered(at, 0), level), base)
		}
	}
}

// conditions are the names of what amd64 and arm64 alike conclude from the flags of
// a sum, a difference or a comparison of signed numbers.
var conditions = map[string]string{
	"Z": "EQ", "EQ": "EQ", "NZ": "NE", "NE": "NE",
	"L": "LT", "LT": "LT", "GE": "GE", "G": "GT", "GT": "GT", "LE": "LE",
}

// checkFlags fails where the flags are not those of the instruction before, on amd64.
func (l *lowering) checkFlags() {
	if !l.flags {
		fail("want a sum, a difference or a comparison before what depends on its flags")
	}
}

func (l *lowering) moveQ(ops []operand.Op) {
	if m, ok := ops[1].(operand.Mem); ok {
		l.storeTo("MOVD R{0}, %s", register(ops[0]), m, 8)
		return
	}
	dst := register(ops[1])
	if v, ok := immediate(ops[0]); ok {
		l.def(fmt.Sprintf("MOVD $%d, R{0}", v), dst)
		return
	}
	if m, ok := ops[0].(operand.Mem); ok {
		l.loadTo("MOVD %s, R{0}", m, 8, dst)
		return
	}
	l.def(moveInt, dst, register(ops[0]))
}

// arithmetic sets dst to what an instruction makes of dst and x.
func (l *lowering) arithmetic(mnemonic string, x operand.Op, dst reg.Register, flags bool) {
	if v, ok := immediate(x); ok {
		l.update(fmt.Sprintf("%s $%d, R{0}, R{0}", mnemonic, v), dst)
	} else {
		l.update(mnemonic+" R{1}, R{0}, R{0}", dst, l.integer(x))
	}
	l.flags = flags
}

func (l *lowering) compare(x reg.Register, y operand.Op) {
	if v, ok := immediate(y); ok {
		l.use(fmt.Sprintf("CMP $%d, R{0}", v), x)
	} else {
		l.use("CMP R{1}, R{0}", x, l.integer(y))
	}
	l.flags = true
}

// integer returns an operand in a register.
func (l *lowering) integer(op operand.Op) reg.Register {
	if r, ok := op.(reg.Register); ok {
		return register(r)
	}
	r := l.regs.GP64()
	l.moveQ([]operand.Op{op, r})
	return r
}

// loadTo appends a load; text has %s for the place.
func (l *lowering) loadTo(text string, m operand.Mem, size int, dst reg.Register) {
	at, base := l.place(m, size)
	if base == nil {
		l.def(fmt.Sprintf(text, at), dst)
		return
	}
	l.def(fmt.Sprintf(text, at), dst, base)
}

// storeTo appends a store; text has %s for the place.
func (l *lowering) storeTo(text string, src reg.Register, m operand.Mem, size int) {
	at, base := l.place(m, size)
	if base == nil {
		l.use(fmt.Sprintf(text, at), src)
		return
	}
	l.use(fmt.Sprintf(text, at), src, base)
}
