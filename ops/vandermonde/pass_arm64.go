//go:build !purego

package vandermonde

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	passes32 = [cpu.Levels]passes[float32]{
		cpu.Generic: generic[float32](),
		cpu.NEON:    {powersNEONF32, tangentsNEONF32, hornerNEONF32, 2},
	}
	passes64 = [cpu.Levels]passes[float64]{
		cpu.Generic: generic[float64](),
		cpu.NEON:    {powersNEONF64, tangentsNEONF64, hornerNEONF64, 2},
	}
)
