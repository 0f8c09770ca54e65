//go:build !purego

package cpu

import "golang.org/x/sys/cpu"

// detect asks whether there are vector instructions, as every processor has them
// that runs a common operating system.
func detect() Level {
	if !cpu.ARM64.HasASIMD {
		return Generic
	}
	return NEON
}
