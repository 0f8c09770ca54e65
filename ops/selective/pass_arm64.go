//go:build !purego

package selective

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	passes32 = [cpu.Levels]passes[float32]{
		cpu.NEON: {forwardNEONF32, backwardNEONF32},
	}
	passes64 = [cpu.Levels]passes[float64]{
		cpu.NEON: {forwardNEONF64, backwardNEONF64},
	}
)
