//go:build amd64 && !purego

package cpu

import "golang.org/x/sys/cpu"

// detect asks the processor, and whether the operating system saves the wide
// registers.
func detect() Level {
	x := &cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasFMA:
		return Generic
	case !x.HasAVX512F || !x.HasAVX512VL || !x.HasAVX512BW || !x.HasAVX512DQ:
		return AVX2
	}
	return AVX512
}
