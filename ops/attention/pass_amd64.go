//go:build !purego

package attention

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	passes32 = [cpu.Levels]passes[float32]{
		cpu.Generic: generic[float32](),
		cpu.AVX2:    {scoresAVX2F32, mixAVX2F32},
		cpu.AVX512:  {scoresAVX512F32, mixAVX512F32},
	}
	passes64 = [cpu.Levels]passes[float64]{
		cpu.Generic: generic[float64](),
		cpu.AVX2:    {scoresAVX2F64, mixAVX2F64},
		cpu.AVX512:  {scoresAVX512F64, mixAVX512F64},
	}
)
