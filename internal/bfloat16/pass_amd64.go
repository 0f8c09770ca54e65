//go:build !purego

package bfloat16

import "github.com/gorgonia-s4/s4/internal/cpu"

var passes32 = [cpu.Levels]passes[float32]{
	cpu.Generic: generic[float32](),
	cpu.AVX2:    {splitAVX2F32, readAVX2F32, addAVX2F32},
	cpu.AVX512:  {splitAVX512F32, readAVX512F32, addAVX512F32},
}
