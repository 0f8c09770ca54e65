package experimenttest

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/report"
)

// rounding bounds, relatively, what other orders of sums make of a test after a few
// steps in float32.
const rounding = 1e-4

// Replicas trains a task for a few steps by its preset smoke, with more options such as
// -data, and checks that two replicas learn what one model learns.
func Replicas(t *testing.T, p experiment.Program, task string, more ...string) {
	t.Helper()
	args := append([]string{"-task", task, "-preset", "smoke", "-norm", "layer", "-steps", "3", "-cache", t.TempDir()}, more...)
	tests := make([]*report.Test, 2)
	for i, n := range []string{"1", "2"} {
		dir := filepath.Join(t.TempDir(), "run")
		MustRun(t, p, append(args, "-out", dir, "-replicas", n)...)
		var err error
		if tests[i], err = report.ReadTest(dir); err != nil {
			t.Fatal(err)
		}
	}
	want, got := tests[0].Metrics, tests[1].Metrics
	if got.Count != want.Count || !(math.Abs(got.Loss-want.Loss) <= rounding*math.Abs(want.Loss)) {
		t.Errorf("%s: got a loss of %v on %v targets, want %v on %v", task, got.Loss, got.Count, want.Loss, want.Count)
	}
}
