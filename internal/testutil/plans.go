package testutil

import (
	"fmt"
	"math"
	"reflect"
	"runtime"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Float32s rounds numbers to float32. nil stays nil.
func Float32s(v []float64) []float32 { return convert[float32](v) }

// Float64s returns the same numbers as float64. nil stays nil.
func Float64s[T num.Float](v []T) []float64 { return convert[float64](v) }

func convert[To, From num.Float](v []From) []To {
	if v == nil {
		return nil
	}
	r := make([]To, len(v))
	for i, x := range v {
		r[i] = To(x)
	}
	return r
}

// Unwritten returns n NaNs: every element must be overwritten.
func Unwritten[T num.Float](n int) []T {
	v := make([]T, n)
	for i := range v {
		v[i] = T(math.NaN())
	}
	return v
}

// CheckDeterministic fails the test unless run gives the same bits however often,
// and on any number of threads.
func CheckDeterministic(t testing.TB, run func() any) {
	t.Helper()
	want := run()
	again := func(what string) {
		t.Helper()
		if !reflect.DeepEqual(run(), want) {
			t.Errorf("%s: the result differs", what)
		}
	}
	for range 5 {
		again("another run")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for threads := 1; threads <= 4; threads++ {
		runtime.GOMAXPROCS(threads)
		again(fmt.Sprintf("%d threads", threads))
	}
}

// CheckNoAllocations fails the test if the steps of a plan, run one after the
// other again and again, allocate memory.
func CheckNoAllocations(t testing.TB, what string, steps ...func() error) {
	t.Helper()
	if n := testing.AllocsPerRun(10, func() {
		for _, step := range steps {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%s: %g allocations a step, want none", what, n)
	}
}

// BenchPlan measures the forward pass of a plan, and both passes, as name/fwd and
// name/fwdbwd. Both have run once before the clock starts.
func BenchPlan(b *testing.B, name string, forward, backward func() error) {
	run := func(name string, steps ...func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, step := range steps {
					if err := step(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	for _, step := range []func() error{forward, backward} {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
	run(name+"/fwd", forward)
	run(name+"/fwdbwd", forward, backward)
}

// CheckRounded holds a result in float32 to be at least as close to that of float64
// for the same numbers as the reference implementation's is: refErr, a number in the
// metadata of a golden case. Where that is below one unit in the last place of a
// float32, that is the bound.
func CheckRounded(t testing.TB, what string, got, want []float64, refErr any) {
	t.Helper()
	tol, ok := refErr.(float64)
	if !ok {
		t.Errorf("%s: the case has no float32 error", what)
		return
	}
	tol = max(tol, 0x1p-23)
	e := RelErr(got, want)
	t.Logf("%s: %.2g, reference %.2g", what, e, tol)
	if !(e <= tol) {
		t.Errorf("%s: relative error %.3g > %.3g", what, e, tol)
	}
}
