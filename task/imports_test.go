package task_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A model that can be trained links no trainer and no progress bar, a trainer no
// layer, data neither of them, and what they agree on nothing of theirs.
func TestImportsGoOneWay(t *testing.T) {
	const module = "github.com/gorgonia-s4/s4/"
	const progressbar = "github.com/schollz/progressbar"
	for of, not := range map[string][]string{
		"models":     {module + "train", progressbar},
		"train":      {module + "layers", module + "models"},
		"train/data": {module + "train", module + "layers", module + "models", module + "ops", progressbar},
		"task":       {module + "train", module + "layers", module + "models", module + "ops", progressbar},
	} {
		deps, err := exec.Command("go", "list", "-deps", module+of+"/...").Output()
		if err != nil {
			t.Skipf("go list: %v", err)
		}
		for _, dep := range strings.Fields(string(deps)) {
			for _, n := range not {
				if under(dep, n) && !under(dep, module+of) {
					t.Errorf("%s imports %s", of, dep)
				}
			}
		}
	}
}

// Only ranks by MPI need cgo, and only if they are asked for.
func TestCgoIsBehindItsTag(t *testing.T) {
	for tags, want := range map[string]string{"": "", "mpi": "github.com/gorgonia-s4/s4/train/mpi"} {
		list := exec.Command("go", "list", "-tags", tags, "-f", "{{if .CgoFiles}}{{.ImportPath}}{{end}}", "github.com/gorgonia-s4/s4/...")
		list.Env = append(os.Environ(), "CGO_ENABLED=1")
		out, err := list.Output()
		if err != nil {
			t.Skipf("go list: %v", err)
		}
		if got := strings.TrimSpace(string(out)); got != want {
			t.Errorf("tags %q: want cgo in %q, got it in %q", tags, want, got)
		}
	}
}

// under says whether a package is another or below it.
func under(pkg, of string) bool { return pkg == of || strings.HasPrefix(pkg, of+"/") }
