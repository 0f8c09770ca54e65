//go:build !(amd64 || arm64) || purego

package dplr

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	kernels32 = [cpu.Levels]kernel[float32]{cpu.Generic: stepGeneric[float32]}
	kernels64 = [cpu.Levels]kernel[float64]{cpu.Generic: stepGeneric[float64]}
)
