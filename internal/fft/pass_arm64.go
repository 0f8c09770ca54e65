//go:build !purego

package fft

import "github.com/gorgonia-s4/s4/internal/cpu"

// The costs of these sets are not measured: they are the numbers of instructions a
// point, of which those of AVX2 take 0.05 to 0.07 each.

var passesNEONF32 = assembly(kernels[float32]{
	width: 4, radices: []int{4, 4},
	cost:         costs{level: [maxRadix + 1]float64{2: 0.31, 3: 0.41, 4: 0.38, 5: 0.53, 8: 0.51}, ends: 1.6},
	down:         [maxRadix + 1]levelKernel[float32]{2: down2NEONF32, 3: down3NEONF32, 4: down4NEONF32, 5: down5NEONF32, 8: down8NEONF32},
	up:           [maxRadix + 1]levelKernel[float32]{2: up2NEONF32, 3: up3NEONF32, 4: up4NEONF32, 5: up5NEONF32, 8: up8NEONF32},
	load:         [2]loadKernel[float32]{Cyclic: loadCyclicNEONF32, Negacyclic: loadNegacyclicNEONF32},
	store:        storeNEONF32,
	midForward:   midForwardNEONF32,
	midInverse:   midInverseNEONF32,
	midConvolve:  midConvolveNEONF32,
	midCorrelate: midCorrelateNEONF32,
	midBackward:  midBackwardNEONF32,
	midProduct:   midProductNEONF32,
	mulAddConj:   mulAddConjNEONF32,
	prefetch:     prefetchNEONF32,
})

var passesNEONF64 = assembly(kernels[float64]{
	width: 2, radices: []int{4, 2},
	cost:         costs{level: [maxRadix + 1]float64{2: 0.62, 3: 0.82, 4: 0.76, 5: 1.05, 8: 1.02}, ends: 3.0},
	down:         [maxRadix + 1]levelKernel[float64]{2: down2NEONF64, 3: down3NEONF64, 4: down4NEONF64, 5: down5NEONF64, 8: down8NEONF64},
	up:           [maxRadix + 1]levelKernel[float64]{2: up2NEONF64, 3: up3NEONF64, 4: up4NEONF64, 5: up5NEONF64, 8: up8NEONF64},
	load:         [2]loadKernel[float64]{Cyclic: loadCyclicNEONF64, Negacyclic: loadNegacyclicNEONF64},
	store:        storeNEONF64,
	midForward:   midForwardNEONF64,
	midInverse:   midInverseNEONF64,
	midConvolve:  midConvolveNEONF64,
	midCorrelate: midCorrelateNEONF64,
	midBackward:  midBackwardNEONF64,
	midProduct:   midProductNEONF64,
	mulAddConj:   mulAddConjNEONF64,
	prefetch:     prefetchNEONF64,
})

var (
	sets32 = [cpu.Levels][]*passSet[float32]{
		cpu.Generic: {generic32},
		cpu.NEON:    {passesNEONF32, generic32},
	}
	sets64 = [cpu.Levels][]*passSet[float64]{
		cpu.Generic: {generic64},
		cpu.NEON:    {passesNEONF64, generic64},
	}
)
