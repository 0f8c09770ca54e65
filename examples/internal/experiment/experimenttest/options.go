package experimenttest

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
)

// values are what the options that do not list theirs are tried with.
var values = map[string][]string{
	"data": {"x"}, "cache": {"x"}, "out": {"x"}, "cpuprofile": {"x"}, "seed": {"0", "18446744073709551615"}, "init-from": {"x"}, "limit": {"0", "10"},
	"layers": {"1", "7"}, "d-model": {"1", "5", "64", "96"}, "dropout": {"0", "0.3"},
	"d-state": {"2", "16", "256"}, "n-ssm": {"0", "1", "2"}, "channels": {"1", "2"}, "rank": {"0", "1", "3"},
	"dt-min": {"1e-6", "0.01"}, "dt-max": {"0.01", "3"},
	"lr-ssm": {"0.1", "1"}, "lr-dt": {"0", "0.1"}, "lr-a": {"0", "0.1"}, "lr-b": {"0", "0.1"}, "lr-c": {"0", "0.1"},
	"mixer":  {`{"kind":"s4d","d_model":4}`, `{"kind":"linear","in":3,"out":3}`},
	"freeze": {"", "A, dt", " B ,C,D", "encoder.*, A"}, "rate": {"*kernel.A_*=0.1"}, "follow-lr": {"", "dt, A"},
	"steps": {"1", "2", "50", "100000"}, "epochs": {"1", "1000"}, "max-time": {"0s", "1us", "9m30s"},
	"batch": {"1", "7", "5000"}, "micro-batch": {"0", "1", "8"}, "eval-batch": {"0", "1", "1000"}, "buckets": {"", "2048", "32, 64 ,4096"},
	"lr": {"1e-6", "1"}, "wd": {"0", "0.3"}, "clip": {"0", "1"}, "warmup": {"0", "1"},
	"replicas": {"1", "1000"}, "mpi-bucket": {"0", "64"}, "mpi-timeout": {"0s", "10m"},
	"drop": {"0.5"}, "drop-patience": {"0", "3"}, "eval-every": {"0", "1"}, "patience": {"0", "1"},
}

// fields are what the options of the fields of single layers are tried with, in the
// place of 0: they need others, or are in a table of the library.
var fields = map[string][]string{
	"version": {""}, "form": {"softmax"}, "rotary": {""}, "positions": {"sinusoidal"}, "gate-activation": {"silu"}, "mult-activation": {"tanh"},
	"alpha": {"0.5"}, "theta": {"0"}, "kernel": {"3"}, "levels": {"2"}, "depth": {"2"}, "mixer-layers": {"2"}, "stride": {"1"}, "heads": {"1"}, "norm-eps": {"1e-6"},
}

// needs are the options that others are about.
func needs(name string) []string {
	switch {
	case name == "drop" || name == "drop-patience":
		return []string{"-schedule", "plateau"}
	case strings.HasPrefix(name, "mpi-"):
		return []string{"-mpi"}
	case name == "off-by-one":
		return []string{"-bidirectional"}
	case name == "micro-batch":
		return []string{"-batch", "32"}
	case name == "mixing":
		return []string{"-channels", "1", "-model", "s4d"}
	case name == "warmup":
		return []string{"-steps", "20"}
	case name == "freeze" || name == "follow-lr":
		return []string{"-model", "s4d"}
	case name == "axis-kernel":
		return []string{"-init", "legs"}
	case name == "gate-activation" || name == "mult-activation":
		return []string{"-gate", "2", "-model", "s4d"}
	}
	return nil
}

// EveryOption checks that no preset makes an option unusable: each is tried alone, but
// for the options that it is about, on top of every preset. own are the values of the
// options of the tasks.
func EveryOption(t *testing.T, p experiment.Program, own map[string][]string) {
	t.Helper()
	all := maps.Clone(values)
	maps.Copy(all, fields)
	maps.Copy(all, own)
	tried := 0
	for _, task := range p.Tasks {
		for _, preset := range p.PresetNames(task.Name) {
			with := []string{"-task", task.Name, "-preset", preset}
			fs, takers, err := p.Options(with)
			if err != nil {
				t.Fatal(err)
			}
			fs.VisitAll(func(f *flag.Flag) {
				for _, v := range valuesOf(f, all) {
					switch f.Name {
					case "task", "preset", "config":
						continue
					case "freeze", "rate": // a model is made to check these
						if preset != "smoke" {
							continue
						}
					}
					args := append(slices.Clone(with), needs(f.Name)...)
					if err := try(p, append(args, "-"+f.Name+"="+v), takers(f.Name)); err != nil {
						t.Errorf("%s %s -%s=%s: %v", p.Name, strings.Join(args, " "), f.Name, v, err)
					}
					tried++
				}
			})
		}
	}
	t.Logf("%d command lines", tried)
}

// try follows a command line, with the models that an option is about until one of
// them takes its value.
func try(p experiment.Program, args, models []string) (err error) {
	if len(models) == 0 || slices.Contains(args, "-model") {
		models = []string{""}
	}
	for _, m := range models {
		with := args
		if m != "" {
			with = append(slices.Clone(args), "-model", m)
		}
		if _, err = p.Check(with, 45000, 1024); err == nil || impossible(err) {
			return nil
		}
	}
	return err
}

// impossible says that a model cannot be that of a task: it is for images, or its kernels
// would be of all pairs of a thousand features.
func impossible(err error) bool {
	text := err.Error()
	return strings.Contains(text, "-model s4nd reads images: want sequences that are squares of pixels") ||
		strings.Contains(text, "the layer reads images, whose axes are no steps of a sequence") ||
		strings.Contains(text, "in the kernels (Out, In, -buckets), got 1024 x 1024 x ")
}

// valuesOf returns what an option is tried with.
func valuesOf(f *flag.Flag, all map[string][]string) []string {
	if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
		return []string{"true", "false"}
	}
	if v, ok := all[f.Name]; ok {
		return v
	}
	if list, _ := flag.UnquoteUsage(f); strings.Contains(list, ", ") {
		return strings.Split(list, ", ")
	}
	return []string{f.DefValue}
}

// HelpFits checks that the help text has every option, in lines of at most 100
// columns.
func HelpFits(t *testing.T, p experiment.Program) {
	t.Helper()
	text, err := Run(t, t.Context(), p, "-h")
	if err == nil {
		t.Error("want flag.ErrHelp, got no error")
	}
	fs, _, err := p.Options(nil)
	if err != nil {
		t.Fatal(err)
	}
	fs.VisitAll(func(f *flag.Flag) {
		if !strings.Contains(text, "\n  -"+f.Name+" ") && !strings.Contains(text, "\n  -"+f.Name+"\n") {
			t.Errorf("no -%s in the help text", f.Name)
		}
	})
	for _, line := range strings.Split(text, "\n") {
		if len(line) > 100 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}
