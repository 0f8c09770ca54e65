package arm64

import (
	"slices"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dropCopies lets instructions read what a copy was made of, and removes what nothing
// reads any more.
func dropCopies(fn *ir.Function) error {
	original := map[reg.ID]reg.Register{} // what registers are copies of
	for _, n := range fn.Nodes {
		i, ok := n.(*ir.Instruction)
		if !ok {
			if _, label := n.(ir.Label); label {
				clear(original)
			}
			continue
		}
		for k, op := range i.Operands {
			if r, ok := op.(reg.Register); ok && original[r.ID()] != nil && !writes(i, r) {
				i.Operands[k] = original[r.ID()]
			}
		}
		for k, op := range i.Inputs {
			if r := op.(reg.Register); original[r.ID()] != nil && !writes(i, r) {
				i.Inputs[k] = original[r.ID()]
			}
		}
		for _, r := range i.OutputRegisters() {
			delete(original, r.ID())
			for id, o := range original {
				if o.ID() == r.ID() {
					delete(original, id)
				}
			}
		}
		if isMove(i) && i.Operands[0] != i.Operands[1] {
			original[i.Operands[0].(reg.Register).ID()] = i.Operands[1].(reg.Register)
		}
	}
	return dropUnread(fn)
}

func writes(i *ir.Instruction, r reg.Register) bool {
	return slices.ContainsFunc(i.Outputs, func(op operand.Op) bool { return op.(reg.Register).ID() == r.ID() })
}

// dropUnread removes the instructions that only set registers that nothing reads.
func dropUnread(fn *ir.Function) error {
	for {
		if err := live(fn); err != nil {
			return err
		}
		before := len(fn.Nodes)
		fn.Nodes = slices.DeleteFunc(fn.Nodes, func(n ir.Node) bool {
			i, ok := n.(*ir.Instruction)
			if !ok || len(i.Outputs) == 0 || setsFlags(i) {
				return false
			}
			_, read := i.LiveOut[i.OutputRegisters()[0].ID()]
			return !read
		})
		if len(fn.Nodes) == before {
			return nil
		}
	}
}
