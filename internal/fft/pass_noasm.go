//go:build !(amd64 || arm64) || purego

package fft

import "github.com/gorgonia-s4/s4/internal/cpu"

var (
	sets32 = [cpu.Levels][]*passSet[float32]{cpu.Generic: {generic32}}
	sets64 = [cpu.Levels][]*passSet[float64]{cpu.Generic: {generic64}}
)
