package arm64

import (
	"fmt"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lowering turns the instructions of one function into those of arm64.
type lowering struct {
	regs  *reg.Collection
	nodes []ir.Node

	flags     bool // whether the condition flags are those of the last amd64 instruction that set them
	addresses map[address]reg.Register
	constants *constants
	table     reg.Register            // the address of the constants, nil if there are none
	held      map[string]reg.Register // constants in registers from the beginning on
}

// rule lowers an instruction with operands in Go's order, the destination last.
type rule func(l *lowering, ops []operand.Op)

// rules are those of all instructions that descriptions may use.
var rules = map[string]rule{}

// lower replaces the nodes of fn. The constants called held are loaded once.
func lower(fn *ir.Function, regs *reg.Collection, c *constants, held []string) (err error) {
	l := &lowering{regs: regs, constants: c, addresses: map[address]reg.Register{}, held: map[string]reg.Register{}}
	for _, name := range held {
		l.held[name] = regs.XMM()
	}
	defer func() {
		if e, ok := recover().(loweringError); ok {
			err = fmt.Errorf("%s: %s", fn.Name, string(e))
		}
	}()
	for _, n := range fn.Nodes {
		switch n := n.(type) {
		case ir.Label:
			clear(l.addresses)
			l.flags = false
			l.nodes = append(l.nodes, n)
		case *ir.Instruction:
			r, ok := rules[n.OpcodeWithSuffixes()]
			if !ok {
				fail("%s: no rule for this instruction", n.OpcodeWithSuffixes())
			}
			r(l, n.Operands)
		default:
			l.nodes = append(l.nodes, n)
		}
	}
	fn.Nodes = append(l.beginning(held), l.nodes...)
	return nil
}

// loweringError is what a rule that cannot be followed panics with.
type loweringError string

func fail(format string, args ...any) { panic(loweringError(fmt.Sprintf(format, args...))) }

// beginning returns the instructions that load what the function holds throughout.
func (l *lowering) beginning(held []string) []ir.Node {
	rest := l.nodes
	l.nodes = nil
	for _, name := range held {
		l.def(fmt.Sprintf("FMOVQ %d(R{1}), F{0}", l.constants.offset[name]), l.held[name], l.tableBase())
	}
	nodes := l.nodes
	l.nodes = rest
	if l.table == nil {
		return nil
	}
	return append([]ir.Node{instruction("MOVD $"+tableName+"<>(SB), R{0}", []operand.Op{l.table}, nil, []operand.Op{l.table})}, nodes...)
}

// An instruction of arm64 is one of avo's whose opcode is its text, in which {i}
// stands for the number of the register that operand i becomes.
func instruction(text string, operands, in, out []operand.Op) *ir.Instruction {
	return &ir.Instruction{Opcode: text, Operands: operands, Inputs: in, Outputs: out}
}

// def appends an instruction that sets dst, its operand 0, to what it makes of src,
// the operands from 1 on.
func (l *lowering) def(text string, dst reg.Register, src ...reg.Register) {
	l.append(instruction(text, ops(append([]reg.Register{dst}, src...)), ops(src), ops([]reg.Register{dst})))
}

// update is def of an instruction that reads dst too.
func (l *lowering) update(text string, dst reg.Register, src ...reg.Register) {
	all := ops(append([]reg.Register{dst}, src...))
	l.append(instruction(text, all, all, all[:1]))
}

// use appends an instruction that only reads its operands.
func (l *lowering) use(text string, src ...reg.Register) {
	l.append(instruction(text, ops(src), ops(src), nil))
}

func (l *lowering) append(i *ir.Instruction) {
	l.nodes = append(l.nodes, i)
	for _, r := range i.OutputRegisters() {
		l.forget(r)
	}
}

func ops(rs []reg.Register) []operand.Op {
	v := make([]operand.Op, len(rs))
	for i, r := range rs {
		v[i] = r
	}
	return v
}

// branch appends a jump to a label.
func (l *lowering) branch(mnemonic string, to operand.Op, conditional bool) {
	i := instruction(mnemonic+" "+to.Asm(), []operand.Op{to}, nil, nil)
	i.IsBranch, i.IsConditional, i.IsTerminal = true, conditional, false
	l.nodes = append(l.nodes, i)
}

// register returns an operand that has to be a register.
func register(op operand.Op) reg.Register {
	r, ok := op.(reg.Register)
	if !ok || !r.ID().IsVirtual() {
		fail("want a virtual register, got %s", op.Asm())
	}
	return r
}

// immediate returns the value of an operand, if it is one.
func immediate(op operand.Op) (v int64, ok bool) {
	switch c := op.(type) {
	case operand.U8:
		return int64(c), true
	case operand.U16:
		return int64(c), true
	case operand.U32:
		return int64(c), true
	case operand.U64:
		return int64(c), true
	case operand.I8:
		return int64(c), true
	case operand.I16:
		return int64(c), true
	case operand.I32:
		return int64(c), true
	case operand.I64:
		return int64(c), true
	}
	return 0, false
}

// count returns an operand that has to be an immediate.
func count(op operand.Op) int64 {
	v, ok := immediate(op)
	if !ok {
		fail("want an immediate, got %s", op.Asm())
	}
	return v
}
