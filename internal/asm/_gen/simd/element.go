package simd

import (
	"github.com/gorgonia-s4/s4/internal/asm/gen/arm64"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
)

// Element returns an element in memory for [Asm.AddMulElement]: in every lane, or
// for NEON, which multiplies by one lane, in the first.
func (a *Asm) Element(m operand.Mem) Vec {
	if !a.NEON {
		return a.Broadcast(m)
	}
	e := a.New()
	a.Scalar("VMOV", m, e)
	return e
}

// AddMulElement adds to acc the product of x and an element.
func (a *Asm) AddMulElement(acc, x, e Vec) {
	if a.NEON {
		a.AddMulLane(acc, x, e, 0)
		return
	}
	a.Op("VFMADD231", x, e, acc)
}

// AddMulLane adds to acc the product of x and one lane of y. It is NEON's.
func (a *Asm) AddMulLane(acc, x, y Vec, lane int) {
	a.Instruction(&ir.Instruction{
		Opcode:   arm64.AddMulLane + a.letter(),
		Operands: []operand.Op{operand.U8(lane), y, x, acc},
		Inputs:   []operand.Op{y, x, acc},
		Outputs:  []operand.Op{acc},
	})
}
