//go:build !purego

package selective

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	passes32 = [cpu.Levels]passes[float32]{
		cpu.AVX2:   {forwardAVX2F32, backwardAVX2F32},
		cpu.AVX512: {forwardAVX512F32, backwardAVX512F32},
	}
	passes64 = [cpu.Levels]passes[float64]{
		cpu.AVX2:   {forwardAVX2F64, backwardAVX2F64},
		cpu.AVX512: {forwardAVX512F64, backwardAVX512F64},
	}
)
