//go:build !purego

package scan

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	passes32 = [cpu.Levels]passes[float32]{
		cpu.Generic: generic[float32](),
		cpu.AVX2:    {realAVX2F32, complexAVX2F32, conjAVX2F32, gradRealAVX2F32, gradComplexAVX2F32},
		cpu.AVX512:  {realAVX512F32, complexAVX512F32, conjAVX512F32, gradRealAVX512F32, gradComplexAVX512F32},
	}
	passes64 = [cpu.Levels]passes[float64]{
		cpu.Generic: generic[float64](),
		cpu.AVX2:    {realAVX2F64, complexAVX2F64, conjAVX2F64, gradRealAVX2F64, gradComplexAVX2F64},
		cpu.AVX512:  {realAVX512F64, complexAVX512F64, conjAVX512F64, gradRealAVX512F64, gradComplexAVX512F64},
	}
)
