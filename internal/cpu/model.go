package cpu

import (
	"os"
	"runtime"
	"strings"
)

// Model returns the name of the processor, where the system tells it; that of its
// architecture elsewhere.
func Model() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
