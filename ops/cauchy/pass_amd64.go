//go:build !purego

package cauchy

import "github.com/gorgonia-s4/s4/internal/cpu"

// byLevel has the passes of every instruction set.
var byLevel = [cpu.Levels]passes{
	cpu.Generic: generic,
	cpu.AVX2:    kernels{sumsAVX2F64, resolveAVX2F64, resolve12AVX2F64, resolve13AVX2F64}.passes(),
	cpu.AVX512:  kernels{sumsAVX512F64, resolveAVX512F64, resolve12AVX512F64, resolve13AVX512F64}.passes(),
}
