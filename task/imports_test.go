package task_test

import (
	"os/exec"
	"strings"
	"testing"
)

// A model that can be trained links no trainer and no progress bar, a trainer no
// layer, and what they agree on none of them.
func TestImportsGoOneWay(t *testing.T) {
	const module = "github.com/gorgonia-s4/s4/"
	for of, not := range map[string][]string{
		"models": {module + "train", "github.com/schollz/progressbar"},
		"train":  {module + "layers", module + "models"},
		"task":   {module + "train", module + "layers", module + "models", module + "ops"},
	} {
		deps, err := exec.Command("go", "list", "-deps", module+of).Output()
		if err != nil {
			t.Skipf("go list: %v", err)
		}
		for _, dep := range strings.Fields(string(deps)) {
			for _, n := range not {
				if strings.HasPrefix(dep, n) {
					t.Errorf("%s imports %s", of, dep)
				}
			}
		}
	}
}
