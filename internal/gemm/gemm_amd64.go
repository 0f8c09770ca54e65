//go:build !purego

package gemm

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	kernels32 = [cpu.Levels]kernel[float32]{
		cpu.Generic: generic[float32](),
		cpu.AVX2: {
			mr: 6, nr: 16, step: 2,
			run:   []tile[float32]{tile2AVX2F32, tile4AVX2F32, tile6AVX2F32},
			rows:  []rowsTile[float32]{rows2AVX2F32, rows4AVX2F32, rows6AVX2F32},
			row:   rowAVX2F32,
			copyA: copyAAVX2F32, copyB: copyBAVX2F32, transposePanel: transposePanelAVX2F32,
		},
		cpu.AVX512: {
			mr: 12, nr: 32, step: 4,
			run:   []tile[float32]{tile4AVX512F32, tile8AVX512F32, tile12AVX512F32},
			rows:  []rowsTile[float32]{rows4AVX512F32, rows8AVX512F32, rows12AVX512F32},
			row:   rowAVX512F32,
			copyA: copyAAVX512F32, copyB: copyBAVX512F32, transposePanel: transposePanelAVX2F32,
			block: transposeBlockAVX512F32, side: 16,
		},
	}
	kernels64 = [cpu.Levels]kernel[float64]{
		cpu.Generic: generic[float64](),
		cpu.AVX2: {
			mr: 6, nr: 8, step: 2,
			run:   []tile[float64]{tile2AVX2F64, tile4AVX2F64, tile6AVX2F64},
			rows:  []rowsTile[float64]{rows2AVX2F64, rows4AVX2F64, rows6AVX2F64},
			row:   rowAVX2F64,
			copyA: copyAAVX2F64, copyB: copyBAVX2F64, transposePanel: transposePanelAVX2F64,
		},
		cpu.AVX512: {
			mr: 12, nr: 16, step: 4,
			run:   []tile[float64]{tile4AVX512F64, tile8AVX512F64, tile12AVX512F64},
			rows:  []rowsTile[float64]{rows4AVX512F64, rows8AVX512F64, rows12AVX512F64},
			row:   rowAVX512F64,
			copyA: copyAAVX512F64, copyB: copyBAVX512F64, transposePanel: transposePanelAVX2F64,
			block: transposeBlockAVX512F64, side: 8,
		},
	}
)
