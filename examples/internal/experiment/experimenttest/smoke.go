package experimenttest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
)

// Smoke trains a task by its preset smoke, with more options such as -data, goes on
// with it, evaluates it on all parts, predicts the examples of a file in one batch and
// one by one, and writes the page. It returns the directory of the run.
func Smoke(t *testing.T, p experiment.Program, task, file string, more ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	cache := []string{"-cache", filepath.Join(filepath.Dir(dir), "cache")}
	args := append([]string{"-task", task, "-preset", "smoke", "-out", dir, "-report"}, cache...)
	args = append(args, more...)
	MustRun(t, p, args...)
	if out := MustRun(t, p, append(args, "-resume")...); !strings.Contains(out, "model in ") {
		t.Errorf("%s: -resume does not repeat the test:\n%s", task, out)
	}
	for _, f := range []string{"run.json", "test.json", "report.html", "start/config.json", "model/config.json", "model/task.json"} {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f))); err != nil {
			t.Error(err)
		}
	}
	for _, split := range []string{"train", "val", "test"} {
		MustRun(t, p, append([]string{"eval", "-run", dir, "-split", split}, cache...)...)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, batch := range []string{"1", "32"} {
		var out bytes.Buffer
		err := p.Run(t.Context(), []string{"predict", "-run", dir, "-batch", batch, "-"}, bytes.NewReader(text), &out)
		if err != nil || strings.Count(out.String(), "\n") == 0 {
			t.Errorf("%s: predict: %v\n%s", task, err, out.String())
		}
	}
	return dir
}
