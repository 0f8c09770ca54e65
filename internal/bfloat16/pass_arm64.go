//go:build !purego

package bfloat16

import "github.com/gorgonia-s4/s4/internal/cpu"

var passes32 = [cpu.Levels]passes[float32]{
	cpu.Generic: generic[float32](),
	cpu.NEON:    {splitNEONF32, readNEONF32, addNEONF32},
}
