package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/examples/internal/experiment/experimenttest"
)

func TestPresets(t *testing.T) { experimenttest.Presets(t, program) }

func TestEveryOption(t *testing.T) {
	experimenttest.EveryOption(t, program, map[string][]string{
		"train-examples": {"1", "100000"}, "test-examples": {"1", "100"},
		"resolution": {"32", "64", "128", "256"}, "pictures": {"3", "1000"},
		"min-length": {"1", "30", "100", "600", "3000"}, "max-length": {"3", "20", "100", "600", "3000"},
		"l-max": {"2", "100", "16384"}, "min-freq": {"1", "100"}, "generated": {"0", "100"}, "val-fraction": {"0", "0.5"},
		"train-pairs": {"0", "4", "40000"}, "test-pairs": {"0", "400"},
	})
}

func TestHelp(t *testing.T) { experimenttest.HelpFits(t, program) }

func TestHelpSaysWhatOptionsAreAbout(t *testing.T) {
	out, err := lra(t, t.Context(), "-h", "-preset", "paper")
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got error %v", err)
	}
	for _, want := range []string{"-task listops -preset paper -model s4", "State space layers (s4d, s4, dss, lssl):", "-n-ssm int", "each feature; with s4d, s4,", "(default 256)", "gelu, gelu_tanh, relu, silu, tanh,"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestQuickPresetEndsWithinTenMinutes(t *testing.T) {
	r, err := program.Check(nil, 96000, 2000)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Duration(r.Train.MaxDuration); d == 0 || d > 570*time.Second {
		t.Errorf("MaxDuration %v leaves no room for the data and the test in ten minutes", d)
	}
}

func TestSmoke(t *testing.T) {
	file := filepath.Join(t.TempDir(), "expressions")
	if err := os.WriteFile(file, []byte("Source\tTarget\r\n( ( [MAX 2 ) 9 ) ]\t9\r\n[SM 1 2 ]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	experimenttest.Smoke(t, program, "listops", file)
}

func TestReplicas(t *testing.T) {
	for _, task := range []string{"listops", "retrieval"} {
		experimenttest.Replicas(t, program, task)
	}
}
