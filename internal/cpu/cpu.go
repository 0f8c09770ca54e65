// Package cpu says which instruction set the assembly kernels of this module
// may use, in one place, so that every package dispatches alike.
package cpu

import (
	"fmt"
	"runtime"
	"sync/atomic"
)

// Level is an instruction set for which kernels exist. A higher level includes
// the lower ones. Levels are those of one architecture: those of different ones
// may have the same number.
type Level int32

const (
	Generic Level = iota // portable Go
	AVX2                 // x86-64 with AVX2 and FMA
	AVX512               // and AVX-512 F, VL, BW and DQ
	levels

	NEON = Generic + 1 // arm64 with ASIMD
)

// Levels is the number of levels: the length of a table indexed by Level.
const Levels = int(levels)

// String returns the name of the level.
func (l Level) String() string {
	switch l {
	case Generic:
		return "generic"
	case AVX2: // or NEON
		if runtime.GOARCH == "arm64" {
			return "neon"
		}
		return "avx2"
	case AVX512:
		return "avx512"
	}
	return fmt.Sprintf("Level(%d)", int32(l))
}

var (
	detected = detect()
	active   atomic.Int32
)

func init() { active.Store(int32(detected)) }

// Detected returns the highest level this machine and build support. It is
// Generic on machines other than x86-64 and arm64, and under the build tag purego.
func Detected() Level { return detected }

// Active returns the level in use: Detected, unless SetActive lowered it.
func Active() Level { return Level(active.Load()) }

// SetActive makes l the level in use and returns the one that was. It is there
// for tests and benchmarks, which run every level on one machine; memory packed
// for one level stays usable under another. SetActive panics if the machine
// does not support l.
func SetActive(l Level) (old Level) {
	if l < Generic || l > detected {
		panic(fmt.Sprintf("cpu: SetActive: want a level in [%v, %v], got %v", Generic, detected, l))
	}
	return Level(active.Swap(int32(l)))
}
