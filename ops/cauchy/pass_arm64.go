//go:build !purego

package cauchy

import "github.com/gorgonia-s4/s4/internal/cpu"

// byLevel has the passes of every instruction set.
var byLevel = [cpu.Levels]passes{
	cpu.Generic: generic,
	cpu.NEON:    kernels{sumsNEONF64, resolveNEONF64, resolve12NEONF64, resolve13NEONF64}.passes(),
}
