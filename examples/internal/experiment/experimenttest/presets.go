// Package experimenttest tests programs that package experiment makes.
package experimenttest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
)

// Run runs a command line and returns what it printed.
func Run(t *testing.T, ctx context.Context, p experiment.Program, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := p.Run(ctx, args, nil, &out)
	return out.String(), err
}

// MustRun is Run of a command line that has no error.
func MustRun(t *testing.T, p experiment.Program, args ...string) string {
	t.Helper()
	out, err := Run(t, context.Background(), p, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", p.Name, strings.Join(args, " "), err, out)
	}
	return out
}

// Presets checks that every preset goes with every model, and that what -print-config
// prints is the whole of it: -config makes the same of it.
func Presets(t *testing.T, p experiment.Program) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "recipe.json")
	for _, task := range p.Tasks {
		names := p.PresetNames(task.Name)
		if len(names) == 0 {
			t.Errorf("%s has no presets", task.Name)
		}
		for _, preset := range names {
			for _, model := range p.ModelNames() {
				args := []string{"-task", task.Name, "-preset", preset, "-model", model, "-data", "x", "-limit", "7", "-print-config"}
				if preset == "smoke" { // a model is made to check these
					args = append(args, "-freeze", "decoder.*", "-rate", "*bias=0.001")
				}
				text, err := Run(t, t.Context(), p, args...)
				if err != nil && impossible(err) {
					continue
				}
				if err != nil {
					t.Fatalf("%s %s: %v", p.Name, strings.Join(args, " "), err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if again := MustRun(t, p, "-config", file, "-print-config"); again != text {
					t.Errorf("%s: -config makes\n%s\nof\n%s", strings.Join(args, " "), again, text)
				}
				if !strings.Contains(text, `"kind": "`+model+`"`) {
					t.Errorf("%s: got another layer in\n%s", strings.Join(args, " "), text)
				}
				if _, err := p.Check(args, 1000, 3000); err != nil && !impossible(err) {
					t.Errorf("%s: %v", strings.Join(args, " "), err)
				}
			}
		}
	}
}
