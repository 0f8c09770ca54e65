//go:build !purego

package gemm

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	kernels32 = [cpu.Levels]kernel[float32]{
		cpu.Generic: generic[float32](),
		cpu.NEON: {
			mr: 12, nr: 8, step: 4,
			run:   []tile[float32]{tile4NEONF32, tile8NEONF32, tile12NEONF32},
			rows:  []rowsTile[float32]{rows4NEONF32, rows8NEONF32, rows12NEONF32},
			row:   rowNEONF32,
			copyA: copyANEONF32, copyB: copyBNEONF32, transposePanel: transposePanelNEONF32,
		},
	}
	kernels64 = [cpu.Levels]kernel[float64]{
		cpu.Generic: generic[float64](),
		cpu.NEON: {
			mr: 12, nr: 4, step: 4,
			run:   []tile[float64]{tile4NEONF64, tile8NEONF64, tile12NEONF64},
			rows:  []rowsTile[float64]{rows4NEONF64, rows8NEONF64, rows12NEONF64},
			row:   rowNEONF64,
			copyA: copyANEONF64, copyB: copyBNEONF64, transposePanel: transposePanelNEONF64,
		},
	}
)
