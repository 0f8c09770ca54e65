//go:build !purego

package attention

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	passes32 = [cpu.Levels]passes[float32]{
		cpu.Generic: generic[float32](),
		cpu.NEON:    {scoresNEONF32, mixNEONF32},
	}
	passes64 = [cpu.Levels]passes[float64]{
		cpu.Generic: generic[float64](),
		cpu.NEON:    {scoresNEONF64, mixNEONF64},
	}
)
