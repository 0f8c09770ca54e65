package testutil

import (
	"math"
	"runtime/debug"
	"testing"

	G "gorgonia.org/gorgonia"
)

// Bench measures step: time, allocations and, where the system tells it, the
// peak resident memory of the process as peak-MB. What was built before is
// part of the peak as far as it is still in use. step runs once before the
// clock starts, since ops make their buffers when they first run.
func Bench(b *testing.B, step func() error) {
	b.Helper()
	run := func() {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
	debug.FreeOSMemory() // of earlier benchmarks
	resetPeak()
	run()
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
	if peak, ok := peakBytes(); ok {
		b.ReportMetric(float64(peak)/1e6, "peak-MB")
	}
}

// Size returns the number of values that the nodes hold together.
func Size(ns G.Nodes) int {
	size := 0
	for _, n := range ns {
		size += n.Shape().TotalSize()
	}
	return size
}

// Peak runs step and returns the peak resident memory of the process meanwhile, in
// MB of 10^6 bytes; NaN where the system does not tell it.
func Peak(tb testing.TB, step func() error) float64 {
	tb.Helper()
	debug.FreeOSMemory()
	resetPeak()
	if err := step(); err != nil {
		tb.Fatal(err)
	}
	if peak, ok := peakBytes(); ok {
		return float64(peak) / 1e6
	}
	return math.NaN()
}
