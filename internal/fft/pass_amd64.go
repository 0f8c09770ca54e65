//go:build !purego

package fft

import "github.com/gorgonia-s4/s4/internal/cpu"

var passesAVX2F32 = assembly(kernels[float32]{
	width: 8, radices: []int{4, 2, 4},
	cost:         costs{level: [maxRadix + 1]float64{2: 0.17, 3: 0.24, 4: 0.18, 5: 0.33}, ends: 1.05},
	down:         [maxRadix + 1]levelKernel[float32]{2: down2AVX2F32, 3: down3AVX2F32, 4: down4AVX2F32, 5: down5AVX2F32},
	up:           [maxRadix + 1]levelKernel[float32]{2: up2AVX2F32, 3: up3AVX2F32, 4: up4AVX2F32, 5: up5AVX2F32},
	load:         [2]loadKernel[float32]{Cyclic: loadCyclicAVX2F32, Negacyclic: loadNegacyclicAVX2F32},
	store:        storeAVX2F32,
	midForward:   midForwardAVX2F32,
	midInverse:   midInverseAVX2F32,
	midConvolve:  midConvolveAVX2F32,
	midCorrelate: midCorrelateAVX2F32,
	midBackward:  midBackwardAVX2F32,
	midProduct:   midProductAVX2F32,
	mulAddConj:   mulAddConjAVX2F32,
	prefetch:     prefetchAVX2F32,
})

var passesAVX2F64 = assembly(kernels[float64]{
	width: 4, radices: []int{4, 4},
	cost:         costs{level: [maxRadix + 1]float64{2: 0.30, 3: 0.44, 4: 0.34, 5: 0.69}, ends: 1.82},
	down:         [maxRadix + 1]levelKernel[float64]{2: down2AVX2F64, 3: down3AVX2F64, 4: down4AVX2F64, 5: down5AVX2F64},
	up:           [maxRadix + 1]levelKernel[float64]{2: up2AVX2F64, 3: up3AVX2F64, 4: up4AVX2F64, 5: up5AVX2F64},
	load:         [2]loadKernel[float64]{Cyclic: loadCyclicAVX2F64, Negacyclic: loadNegacyclicAVX2F64},
	store:        storeAVX2F64,
	midForward:   midForwardAVX2F64,
	midInverse:   midInverseAVX2F64,
	midConvolve:  midConvolveAVX2F64,
	midCorrelate: midCorrelateAVX2F64,
	midBackward:  midBackwardAVX2F64,
	midProduct:   midProductAVX2F64,
	mulAddConj:   mulAddConjAVX2F64,
	prefetch:     prefetchAVX2F64,
})

var passesAVX512F32 = assembly(kernels[float32]{
	width: 16, radices: []int{4, 4, 4},
	cost:         costs{level: [maxRadix + 1]float64{2: 0.11, 3: 0.13, 4: 0.12, 5: 0.18, 8: 0.17}, ends: 0.58},
	down:         [maxRadix + 1]levelKernel[float32]{2: down2AVX512F32, 3: down3AVX512F32, 4: down4AVX512F32, 5: down5AVX512F32, 8: down8AVX512F32},
	up:           [maxRadix + 1]levelKernel[float32]{2: up2AVX512F32, 3: up3AVX512F32, 4: up4AVX512F32, 5: up5AVX512F32, 8: up8AVX512F32},
	load:         [2]loadKernel[float32]{Cyclic: loadCyclicAVX512F32, Negacyclic: loadNegacyclicAVX512F32},
	store:        storeAVX512F32,
	midForward:   midForwardAVX512F32,
	midInverse:   midInverseAVX512F32,
	midConvolve:  midConvolveAVX512F32,
	midCorrelate: midCorrelateAVX512F32,
	midBackward:  midBackwardAVX512F32,
	midProduct:   midProductAVX512F32,
	mulAddConj:   mulAddConjAVX512F32,
	prefetch:     prefetchAVX512F32,
})

var passesAVX512F64 = assembly(kernels[float64]{
	width: 8, radices: []int{4, 4, 2},
	cost:         costs{level: [maxRadix + 1]float64{2: 0.16, 3: 0.20, 4: 0.19, 5: 0.26, 8: 0.26}, ends: 1.31},
	down:         [maxRadix + 1]levelKernel[float64]{2: down2AVX512F64, 3: down3AVX512F64, 4: down4AVX512F64, 5: down5AVX512F64, 8: down8AVX512F64},
	up:           [maxRadix + 1]levelKernel[float64]{2: up2AVX512F64, 3: up3AVX512F64, 4: up4AVX512F64, 5: up5AVX512F64, 8: up8AVX512F64},
	load:         [2]loadKernel[float64]{Cyclic: loadCyclicAVX512F64, Negacyclic: loadNegacyclicAVX512F64},
	store:        storeAVX512F64,
	midForward:   midForwardAVX512F64,
	midInverse:   midInverseAVX512F64,
	midConvolve:  midConvolveAVX512F64,
	midCorrelate: midCorrelateAVX512F64,
	midBackward:  midBackwardAVX512F64,
	midProduct:   midProductAVX512F64,
	mulAddConj:   mulAddConjAVX512F64,
	prefetch:     prefetchAVX512F64,
})

var (
	sets32 = [cpu.Levels][]*passSet[float32]{
		cpu.Generic: {generic32},
		cpu.AVX2:    {passesAVX2F32, generic32},
		cpu.AVX512:  {passesAVX512F32, passesAVX2F32, generic32},
	}
	sets64 = [cpu.Levels][]*passSet[float64]{
		cpu.Generic: {generic64},
		cpu.AVX2:    {passesAVX2F64, generic64},
		cpu.AVX512:  {passesAVX512F64, passesAVX2F64, generic64},
	}
)
