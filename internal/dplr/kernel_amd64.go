//go:build !purego

package dplr

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	kernels32 = [cpu.Levels]kernel[float32]{cpu.Generic: stepGeneric[float32], cpu.AVX2: stepAVX2F32, cpu.AVX512: stepAVX512F32}
	kernels64 = [cpu.Levels]kernel[float64]{cpu.Generic: stepGeneric[float64], cpu.AVX2: stepAVX2F64, cpu.AVX512: stepAVX512F64}
)
