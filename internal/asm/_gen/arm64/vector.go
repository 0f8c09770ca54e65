package arm64

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// moveVec copies a vector.
const moveVec = "VMOV V{1}.B16, V{0}.B16"

// lanes is how an element type is written: in arrangements of a whole vector and of
// an element by the assembler, and in the words.
type lanes struct {
	letter    string // of amd64's packed and scalar instructions
	vec, elem string
	word      string
	size      int // of an element in bytes
	load      string
}

var types = []lanes{
	{"S", "S4", "S", ".4s", 4, "FMOVS"},
	{"D", "D2", "D", ".2d", 8, "FMOVD"},
}

func init() {
	for _, t := range types {
		t.moves()
		t.arithmetic()
		t.products()
		t.bits()
		t.rearrangements()
	}
	conversions()
}

// vector returns an operand in a register.
func (l *lowering) vector(op operand.Op) reg.Register {
	if m, ok := op.(operand.Mem); ok {
		if r := l.held[m.Symbol.Name]; r != nil && m.Symbol.Static {
			return r
		}
		v := l.regs.XMM()
		l.loadTo("FMOVQ %s, F{0}", m, 16, v)
		return v
	}
	return register(op)
}

// into appends what f appends for a destination that f may set before it has read
// its sources: dst itself where it is none of them.
func (l *lowering) into(dst reg.Register, sources []reg.Register, f func(dst reg.Register)) {
	for _, s := range sources {
		if s.ID() == dst.ID() {
			t := l.regs.XMM()
			f(t)
			l.def(moveVec, dst, t)
			return
		}
	}
	f(dst)
}

func (t lanes) moves() {
	for _, name := range []string{"VMOVU", "VMOVA"} {
		rules[name+"P"+t.letter] = move
	}
	scalar := func(l *lowering, ops []operand.Op) {
		if m, ok := ops[1].(operand.Mem); ok {
			l.storeTo(t.load+" F{0}, %s", register(ops[0]), m, t.size)
			return
		}
		m, ok := ops[0].(operand.Mem)
		if !ok {
			fail("want a move between a register and memory, got %s, %s", ops[0].Asm(), ops[1].Asm())
		}
		l.loadTo(t.load+" %s, F{0}", m, t.size, register(ops[1]))
	}
	rules["VMOVS"+t.letter], rules["MOVS"+t.letter] = scalar, scalar
	rules[map[string]string{"S": "VBROADCASTSS", "D": "VMOVDDUP"}[t.letter]] = t.broadcast
}

func move(l *lowering, ops []operand.Op) {
	if m, ok := ops[1].(operand.Mem); ok {
		l.storeTo("FMOVQ F{0}, %s", register(ops[0]), m, 16)
		return
	}
	m, ok := ops[0].(operand.Mem)
	if ok && l.held[m.Symbol.Name] == nil {
		l.loadTo("FMOVQ %s, F{0}", m, 16, register(ops[1]))
		return
	}
	l.def(moveVec, register(ops[1]), l.vector(ops[0]))
}

// broadcast sets all lanes to one element.
func (t lanes) broadcast(l *lowering, ops []operand.Op) {
	dst := register(ops[1])
	m, ok := ops[0].(operand.Mem)
	switch {
	case ok && m.Symbol.Static: // in the table all lanes have it
		move(l, ops)
		return
	case ok && m.Symbol.Name == "" && m.Disp == 0:
		l.def(fmt.Sprintf("VLD1R (R{1}), [V{0}.%s]", t.vec), dst, l.base(m))
		return
	}
	one := l.regs.XMM()
	if ok {
		l.loadTo(t.load+" %s, F{0}", m, t.size, one)
	} else {
		l.def(moveVec, one, register(ops[0]))
	}
	l.def(fmt.Sprintf("VDUP V{1}.%s[0], V{0}.%s", t.elem, t.vec), dst, one)
}

// arithmetic has the instructions whose lanes do not depend on each other.
func (t lanes) arithmetic() {
	for name, word := range map[string]string{"VADD": "fadd", "VSUB": "fsub", "VMUL": "fmul", "VDIV": "fdiv"} {
		rules[name+"P"+t.letter] = func(l *lowering, ops []operand.Op) {
			x, y := l.vector(ops[1]), l.vector(ops[0])
			l.def("WORD "+word+t.word+" {0} {1} {2}", register(ops[2]), x, y)
		}
	}
	rules["VSQRTP"+t.letter] = func(l *lowering, ops []operand.Op) {
		l.def("WORD fsqrt"+t.word+" {0} {1}", register(ops[1]), l.vector(ops[0]))
	}
	rules["VADDS"+t.letter] = func(l *lowering, ops []operand.Op) {
		l.def("FADD"+t.letter+" F{2}, F{1}, F{0}", register(ops[2]), register(ops[1]), register(ops[0]))
	}
	// The second source where either is NaN, which is what amd64 does: by a
	// comparison, x < y or x > y.
	least := func(less bool) rule {
		return func(l *lowering, ops []operand.Op) {
			x, y := l.vector(ops[1]), l.vector(ops[0])
			l.into(register(ops[2]), []reg.Register{x, y}, func(d reg.Register) {
				if less {
					l.def("WORD fcmgt"+t.word+" {0} {1} {2}", d, y, x)
				} else {
					l.def("WORD fcmgt"+t.word+" {0} {1} {2}", d, x, y)
				}
				l.choose(d, x, y)
			})
		}
	}
	rules["VMINP"+t.letter], rules["VMAXP"+t.letter] = least(true), least(false)
	rules["VCMPP"+t.letter] = t.compare
}

// choose replaces the bits of a mask by those of yes where they are set, and by those
// of no elsewhere.
func (l *lowering) choose(mask, yes, no reg.Register) {
	l.update("VBSL V{2}.B16, V{1}.B16, V{0}.B16", mask, yes, no)
}

// compare sets lanes to all ones where a predicate holds.
func (t lanes) compare(l *lowering, ops []operand.Op) {
	x, y, dst := l.vector(ops[2]), l.vector(ops[1]), register(ops[3])
	not := func() { l.def("WORD mvn {0} {1}", dst, dst) }
	switch predicate := count(ops[0]); {
	case predicate == unordered && x.ID() == y.ID():
		l.def("WORD fcmeq"+t.word+" {0} {1} {2}", dst, x, y)
		not()
	case predicate == ordered && x.ID() == y.ID():
		l.def("WORD fcmeq"+t.word+" {0} {1} {2}", dst, x, y)
	case predicate == notLess:
		l.def("WORD fcmgt"+t.word+" {0} {1} {2}", dst, y, x)
		not()
	default:
		fail("VCMPP%s: no rule for predicate %#x of these operands", t.letter, predicate)
	}
}

// The predicates of comparisons that descriptions use.
const (
	unordered = 0x03
	ordered   = 0x07
	notLess   = 0x15 // or unordered; quiet
)

// products has the fused instructions. arm64 adds a product to its destination, or
// subtracts it.
func (t lanes) products() {
	add := "VFMLA V{2}." + t.vec + ", V{1}." + t.vec + ", V{0}." + t.vec
	sub := "VFMLS V{2}." + t.vec + ", V{1}." + t.vec + ", V{0}." + t.vec
	negate := "WORD fneg" + t.word + " {0} {1}"
	// acc = x y + acc and its likes
	for name, text := range map[string]string{"VFMADD231": add, "VFNMADD231": sub} {
		rules[name+"P"+t.letter] = func(l *lowering, ops []operand.Op) {
			x, y := l.vector(ops[1]), l.vector(ops[0])
			l.update(text, register(ops[2]), x, y)
		}
	}
	// acc = x y - acc
	rules["VFMSUB231P"+t.letter] = func(l *lowering, ops []operand.Op) {
		x, y, acc := l.vector(ops[1]), l.vector(ops[0]), register(ops[2])
		l.into(acc, []reg.Register{x, y}, func(d reg.Register) {
			l.def(negate, d, acc)
			l.update(add, d, x, y)
		})
	}
	// p = p x + y
	rules["VFMADD213P"+t.letter] = func(l *lowering, ops []operand.Op) {
		sum := l.regs.XMM()
		move(l, []operand.Op{ops[0], sum})
		l.update(add, sum, register(ops[2]), l.vector(ops[1]))
		l.def(moveVec, register(ops[2]), sum)
	}
	// p = p x - y
	rules["VFMSUB213P"+t.letter] = func(l *lowering, ops []operand.Op) {
		sum := l.regs.XMM()
		l.def(negate, sum, l.vector(ops[0]))
		l.update(add, sum, register(ops[2]), l.vector(ops[1]))
		l.def(moveVec, register(ops[2]), sum)
	}
	// acc += x y[lane], which amd64 has not: see simd.Asm.AddMulLane.
	rules[AddMulLane+t.letter] = func(l *lowering, ops []operand.Op) {
		l.update(fmt.Sprintf("WORD fmla%s[%d] {0} {1} {2}", t.word, count(ops[0])), register(ops[3]), register(ops[2]), register(ops[1]))
	}
}

// AddMulLane and the letter of an element type are the name of the instruction that
// adds the product of a vector and one lane of another; operands are that lane, the
// vector it is in, the other one, and the destination.
const AddMulLane = "FMLALANE"

// bits has what is done to bits, and to lanes as integers.
func (t lanes) bits() {
	for name, mnemonic := range map[string]string{"VAND": "VAND", "VOR": "VORR", "VXOR": "VEOR"} {
		rules[name+"P"+t.letter] = func(l *lowering, ops []operand.Op) {
			dst := register(ops[2])
			if name == "VXOR" && ops[0] == ops[1] {
				l.def("VMOVI $0, V{0}.B16", dst)
				return
			}
			x, y := l.vector(ops[1]), l.vector(ops[0])
			l.def(mnemonic+" V{2}.B16, V{1}.B16, V{0}.B16", dst, x, y)
		}
	}
	letter := map[string]string{"S": "D", "D": "Q"}[t.letter]
	for name, mnemonic := range map[string]string{"VPSLL": "VSHL", "VPSRL": "VUSHR"} {
		rules[name+letter] = func(l *lowering, ops []operand.Op) {
			l.def(fmt.Sprintf("%s $%d, V{1}.%s, V{0}.%s", mnemonic, count(ops[0]), t.vec, t.vec), register(ops[2]), register(ops[1]))
		}
	}
	rules["VPADD"+letter] = func(l *lowering, ops []operand.Op) {
		x, y := l.vector(ops[1]), l.vector(ops[0])
		l.def(fmt.Sprintf("VADD V{2}.%s, V{1}.%s, V{0}.%s", t.vec, t.vec, t.vec), register(ops[2]), x, y)
	}
	rules["VBLENDVP"+t.letter] = func(l *lowering, ops []operand.Op) {
		sign, neg, pos := register(ops[0]), l.vector(ops[1]), l.vector(ops[2])
		l.into(register(ops[3]), []reg.Register{neg, pos}, func(d reg.Register) {
			l.def("WORD cmlt"+t.word+" {0} {1}", d, sign)
			l.choose(d, neg, pos)
		})
	}
}

// rearrangements has what moves elements between vectors.
func (t lanes) rearrangements() {
	for name, mnemonic := range map[string]string{"VUNPCKL": "VZIP1", "VUNPCKH": "VZIP2"} {
		rules[name+"P"+t.letter] = func(l *lowering, ops []operand.Op) {
			x, y := l.vector(ops[1]), l.vector(ops[0])
			l.def(fmt.Sprintf("%s V{2}.%s, V{1}.%s, V{0}.%s", mnemonic, t.vec, t.vec, t.vec), register(ops[2]), x, y)
		}
	}
}

// conversions has those between types of elements.
func conversions() {
	rules["VCVTPS2PD"] = func(l *lowering, ops []operand.Op) {
		x, ok := ops[0].(reg.Register)
		if m, isMem := ops[0].(operand.Mem); isMem {
			v := l.regs.XMM()
			l.loadTo("FMOVD %s, F{0}", m, 8, v)
			x, ok = v, true
		}
		if !ok {
			fail("VCVTPS2PD: want a vector, got %s", ops[0].Asm())
		}
		l.def("WORD fcvtl {0} {1}", register(ops[1]), x)
	}
	rules["VCVTPD2PSX"] = func(l *lowering, ops []operand.Op) {
		l.def("WORD fcvtn {0} {1}", register(ops[1]), l.vector(ops[0]))
	}
	rules["VPMOVZXWD"] = func(l *lowering, ops []operand.Op) {
		v := l.regs.XMM()
		l.loadTo("FMOVD %s, F{0}", ops[0].(operand.Mem), 8, v)
		l.def("VUXTL V{1}.H4, V{0}.S4", register(ops[1]), v)
	}
	// Of numbers below 2^16, which is what descriptions have.
	rules["VPACKUSDW"] = func(l *lowering, ops []operand.Op) {
		x, y := l.vector(ops[1]), l.vector(ops[0])
		l.def("VUZP1 V{2}.H8, V{1}.H8, V{0}.H8", register(ops[2]), x, y)
	}
}
