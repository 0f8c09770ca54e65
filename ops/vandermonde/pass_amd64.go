//go:build !purego

package vandermonde

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	passes32 = [cpu.Levels]passes[float32]{
		cpu.Generic: generic[float32](),
		cpu.AVX2:    {powersAVX2F32, tangentsAVX2F32, hornerAVX2F32, 4},
		cpu.AVX512:  {powersAVX512F32, tangentsAVX512F32, hornerAVX512F32, 8},
	}
	passes64 = [cpu.Levels]passes[float64]{
		cpu.Generic: generic[float64](),
		cpu.AVX2:    {powersAVX2F64, tangentsAVX2F64, hornerAVX2F64, 4},
		cpu.AVX512:  {powersAVX512F64, tangentsAVX512F64, hornerAVX512F64, 8},
	}
)
