//go:build !(amd64 || arm64) || purego

package cauchy

import "github.com/gorgonia-s4/s4/internal/cpu"

var byLevel = [cpu.Levels]passes{cpu.Generic: generic}
