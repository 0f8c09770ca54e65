//go:build !linux

package testutil

func resetPeak() {}

func peakBytes() (peak int64, ok bool) { return 0, false }
