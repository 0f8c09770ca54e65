package layers_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

// Around the kernels every state space layer has the parameters that SSM lists, in
// that order and of those shapes.
func TestParametersAroundTheKernels(t *testing.T) {
	for _, c := range []struct {
		ssm  layers.SSM
		want string
	}{
		{layers.SSM{}, "kernel.* D(1, 4) output_linear.weight(8, 4) output_linear.bias(8)"},
		{layers.SSM{Mixing: layers.MixNone, Channels: 3}, "kernel.* D(3, 4)"},
		{layers.SSM{Bottleneck: 2, Mixing: layers.MixLinear, Channels: 3},
			"input_linear.weight(2, 4) input_linear.bias(2) kernel.* D(3, 2) output_linear.weight(4, 6) output_linear.bias(4)"},
		{layers.SSM{Bottleneck: 2, Gate: 3, Channels: 5},
			"input_linear.weight(2, 4) input_linear.bias(2) input_gate.weight(12, 4) input_gate.bias(12) " +
				"output_gate.weight(12, 10) output_gate.bias(12) kernel.* D(5, 2) output_linear.weight(8, 12) output_linear.bias(8)"},
	} {
		for _, cfg := range []layers.Config{
			layers.S4Config{DModel: 4, DState: 4, LMax: 8, SSM: c.ssm}, layers.S4DConfig{DModel: 4, DState: 4, SSM: c.ssm},
			layers.DSSConfig{DModel: 4, DState: 4, SSM: c.ssm}, layers.LSSLConfig{DModel: 4, DState: 4, SSM: c.ssm},
		} {
			l, err := layers.New(G.NewGraph(), tensor.Float64, cfg, layers.WithName("l"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range l.Params() {
				name := strings.TrimPrefix(p.Name, "l.")
				switch kernel := strings.HasPrefix(name, "kernel."); {
				case !kernel:
					got = append(got, name+fmt.Sprint(p.Node.Shape()))
				case len(got) == 0 || got[len(got)-1] != "kernel.*":
					got = append(got, "kernel.*")
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%T: got %s, want %s", cfg, s, c.want)
			}
		}
	}
}

// The configurations of the state space layers have the same keys for the same
// things: those of all, of some, and of one.
func TestKeysOfConfigurations(t *testing.T) {
	of := map[string][]string{}
	for _, cfg := range []any{layers.S4Config{}, layers.S4DConfig{}, layers.DSSConfig{}, layers.LSSLConfig{}} {
		typ := reflect.TypeOf(cfg)
		for i := range typ.NumField() {
			if f := typ.Field(i); !f.Anonymous {
				key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				of[key] = append(of[key], strings.TrimSuffix(typ.Name(), "Config"))
				if strings.ReplaceAll(key, "_", "") != strings.ToLower(f.Name) {
					t.Errorf("%s.%s has the key %q", typ.Name(), f.Name, key)
				}
			}
		}
	}
	for key, want := range map[string]string{
		"d_model": "S4 S4D DSS LSSL", "d_state": "S4 S4D DSS LSSL", "init": "S4 S4D DSS LSSL",
		"dt_min": "S4 S4D DSS LSSL", "dt_max": "S4 S4D DSS LSSL",
		"dt_transform": "S4 S4D LSSL", // of DSS it is exp
		"dt":           "S4 S4D DSS",  // LSSL has one for each feature
		"n_ssm":        "S4 S4D LSSL", // DSS has one for all features
		"a_transform":  "S4 S4D", "l_max": "S4 DSS",
		"rank": "S4", "disc": "S4D", "fixed_b": "S4D", "version": "DSS", "detach_shift": "DSS", "alpha": "LSSL",
	} {
		if got := strings.Join(of[key], " "); got != want {
			t.Errorf("%q: got %s, want %s", key, got, want)
		}
		delete(of, key)
	}
	for key, kinds := range of {
		slices.Sort(kinds)
		t.Errorf("a new key %q of %v: is there one for it in the others?", key, kinds)
	}
}
