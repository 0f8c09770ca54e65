package cpu

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticks are those of a second in which the kernel of Linux tells times.
const ticks = 100

// Time is the time of the processor that a process has had in seconds, where
// the system tells it.
func Time(pid int) (seconds float64, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	return parseStat(string(stat))
}

// parseStat reads utime and stime, fields 14 and 15, off /proc/PID/stat. The second
// field is a name in parentheses, which may have spaces.
func parseStat(stat string) (seconds float64, ok bool) {
	_, rest, ok := strings.Cut(stat, ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseFloat(f[11], 64)
	system, err2 := strconv.ParseFloat(f[12], 64)
	return (user + system) / ticks, err1 == nil && err2 == nil
}
