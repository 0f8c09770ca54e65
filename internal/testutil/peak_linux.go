package testutil

import (
	"bytes"
	"os"
	"strconv"
)

// resetPeak starts a new peak of resident memory at the present use. Where the
// kernel does not let it, the peak stays that of the whole process.
func resetPeak() {
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// peakBytes returns the peak of resident memory since resetPeak.
func peakBytes() (peak int64, ok bool) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(status) { // "VmHWM:	  123456 kB"
		f := bytes.Fields(line)
		if len(f) == 3 && string(f[0]) == "VmHWM:" {
			kib, err := strconv.ParseInt(string(f[1]), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}
