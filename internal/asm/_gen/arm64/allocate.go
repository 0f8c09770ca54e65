package arm64

import (
	"fmt"
	"slices"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/reg"
)

// numbers are the registers of each kind that may be allocated: all vectors, and of
// the integers those that are not the platform's (18), the assembler's (27),
// the goroutine (28), the frame pointer (29), or the return address (30).
var numbers = map[reg.Kind][]int{
	reg.KindVector: upTo(31),
	reg.KindGP:     append(upTo(17), 19, 20, 21, 22, 23, 24, 25, 26),
}

func upTo(n int) []int {
	v := make([]int, n+1)
	for i := range v {
		v[i] = i
	}
	return v
}

// isMove reports whether an instruction copies a register.
func isMove(i *ir.Instruction) bool { return i.Opcode == moveInt || i.Opcode == moveVec }

// graph says which virtual registers are alive at the same time, and which ones
// would better be the same: an instruction copies one to the other.
type graph struct {
	ids       []reg.ID // in the order of their first use
	conflicts map[reg.ID]map[reg.ID]bool
	likes     map[reg.ID][]reg.ID
}

// live sets which registers are alive before and after every instruction.
func live(fn *ir.Function) error {
	return pass.Concat(pass.FunctionPass(pass.LabelTarget), pass.FunctionPass(pass.CFG), pass.FunctionPass(pass.Liveness)).
		Execute(&ir.File{Sections: []ir.Section{fn}})
}

// conflicts returns the graph of a function whose liveness is known.
func conflicts(fn *ir.Function) *graph {
	g := &graph{conflicts: map[reg.ID]map[reg.ID]bool{}, likes: map[reg.ID][]reg.ID{}}
	for _, i := range fn.Instructions() {
		for _, r := range i.Registers() {
			if g.conflicts[r.ID()] == nil {
				g.ids = append(g.ids, r.ID())
				g.conflicts[r.ID()] = map[reg.ID]bool{}
			}
		}
	}
	for _, i := range fn.Instructions() {
		for _, d := range i.OutputRegisters() {
			for id := range i.LiveOut {
				same := isMove(i) && id == i.Operands[1].(reg.Register).ID()
				if id != d.ID() && id.Kind() == d.ID().Kind() && !same {
					g.conflicts[id][d.ID()], g.conflicts[d.ID()][id] = true, true
				}
			}
		}
		if isMove(i) {
			to, from := i.Operands[0].(reg.Register).ID(), i.Operands[1].(reg.Register).ID()
			g.likes[to], g.likes[from] = append(g.likes[to], from), append(g.likes[from], to)
		}
	}
	return g
}

// allocate gives every virtual register of fn a number, by colouring: registers
// with fewer conflicts than there are numbers come last, since one is always left
// for them, and before them those with the most.
func allocate(fn *ir.Function) (map[reg.ID]int, error) {
	if err := live(fn); err != nil {
		return nil, err
	}
	g := conflicts(fn)
	number := map[reg.ID]int{}
	for _, id := range slices.Backward(g.order()) {
		n, ok := g.free(id, number)
		if !ok {
			return nil, fmt.Errorf("%s: more registers are alive than there are", fn.Name)
		}
		number[id] = n
	}
	return number, nil
}

// order returns the registers from the easiest to the hardest to find a number for.
func (g *graph) order() []reg.ID {
	degree := map[reg.ID]int{}
	left := slices.Clone(g.ids)
	for _, id := range left {
		degree[id] = len(g.conflicts[id])
	}
	var order []reg.ID
	for len(left) > 0 {
		pick := slices.IndexFunc(left, func(id reg.ID) bool { return degree[id] < len(numbers[id.Kind()]) })
		if pick < 0 { // the one with the most conflicts: perhaps it has a number all the same
			pick = 0
			for i, id := range left {
				if degree[id] > degree[left[pick]] {
					pick = i
				}
			}
		}
		id := left[pick]
		left = slices.Delete(left, pick, pick+1)
		order = append(order, id)
		for other := range g.conflicts[id] {
			degree[other]--
		}
	}
	return order
}

// free returns a number for a register, that of a copy of it where possible.
func (g *graph) free(id reg.ID, number map[reg.ID]int) (n int, ok bool) {
	taken := map[int]bool{}
	for other := range g.conflicts[id] {
		if n, ok := number[other]; ok {
			taken[n] = true
		}
	}
	for _, like := range g.likes[id] {
		if n, ok := number[like]; ok && !taken[n] {
			return n, true
		}
	}
	for _, n := range numbers[id.Kind()] {
		if !taken[n] {
			return n, true
		}
	}
	return 0, false
}

// selfMoves removes copies from a register to itself.
func selfMoves(fn *ir.Function, number map[reg.ID]int) {
	fn.Nodes = slices.DeleteFunc(fn.Nodes, func(n ir.Node) bool {
		i, ok := n.(*ir.Instruction)
		return ok && isMove(i) && numberOf(i.Operands[0], number) == numberOf(i.Operands[1], number)
	})
}

func numberOf(op operand.Op, number map[reg.ID]int) int { return number[op.(reg.Register).ID()] }
