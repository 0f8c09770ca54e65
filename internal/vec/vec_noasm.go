//go:build !(amd64 || arm64) || purego

package vec

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	kernels32 = [cpu.Levels]kernels[float32]{cpu.Generic: portable32()}
	kernels64 = [cpu.Levels]kernels[float64]{cpu.Generic: generic[float64]()}
)
