//go:build !(amd64 || arm64) || purego

package selective

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	passes32 [cpu.Levels]passes[float32]
	passes64 [cpu.Levels]passes[float64]
)
