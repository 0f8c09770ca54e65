//go:build !purego

package scan

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	passes32 = [cpu.Levels]passes[float32]{
		cpu.Generic: generic[float32](),
		cpu.NEON:    {realNEONF32, complexNEONF32, conjNEONF32, gradRealNEONF32, gradComplexNEONF32},
	}
	passes64 = [cpu.Levels]passes[float64]{
		cpu.Generic: generic[float64](),
		cpu.NEON:    {realNEONF64, complexNEONF64, conjNEONF64, gradRealNEONF64, gradComplexNEONF64},
	}
)
