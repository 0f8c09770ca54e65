package scan

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	passes32 = [cpu.Levels]passes[float32]{cpu.Generic: generic[float32](), cpu.AVX2: generic[float32](), cpu.AVX512: generic[float32]()}
	passes64 = [cpu.Levels]passes[float64]{cpu.Generic: generic[float64](), cpu.AVX2: generic[float64](), cpu.AVX512: generic[float64]()}
)
