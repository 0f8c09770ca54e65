package conformance

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
)

// examples returns one small case of every kind and variant that the module
// runs.
func examples(t *testing.T) []*golden.Case {
	t.Helper()
	all, err := golden.Default()
	if err != nil {
		t.Fatal(err)
	}
	smallest := map[string]*golden.Case{}
	elements := func(c *golden.Case) (n int) {
		for _, a := range c.Arrays {
			n += len(a.F)
		}
		return n
	}
	for _, c := range all {
		if _, ok := runners[c.Kind]; !ok {
			continue
		}
		variant := c.Kind + c.String("mode") + c.String("version") + c.String("init") + c.String("desc") + c.String("form") + c.String("positions") + c.String("variant") + c.String("B_form") + c.String("rotation") + c.String("scores") + c.String("order") + c.String("rel_pos_bias")
		if old := smallest[variant]; old == nil || elements(c) < elements(old) {
			smallest[variant] = c
		}
	}
	return slices.Collect(maps.Values(smallest))
}

// damaged returns a copy of a case after damage, which may replace arrays and
// metadata but not change them in place.
func damaged(c *golden.Case, damage func(c *golden.Case)) *golden.Case {
	d := *c
	d.Meta, d.Arrays = maps.Clone(c.Meta), maps.Clone(c.Arrays)
	damage(&d)
	return &d
}

// wantFailure runs a case that must fail, with a message that has text, and
// without a panic.
func wantFailure(t *testing.T, c *golden.Case, what, text string) {
	t.Helper()
	fails, _, err := runCase(c)
	if err != nil {
		t.Errorf("%s: %s: not run: %v", c.Name, what, err)
		return
	}
	message := strings.Join(fails, "\n")
	if len(fails) == 0 || !strings.Contains(message, text) || strings.Contains(message, "panic") {
		t.Errorf("%s: %s: got failures %q, want one with %q", c.Name, what, fails, text)
	}
}

// informative are arrays that a case may lack and nothing is held against.
var informative = map[string][]string{
	"nplr":        {"P", "B", "V"},
	"lssl":        {"A_init_unperturbed"},
	"dplr_kernel": {"C"},
	"s4d_kernel":  {"dA", "dB"},
	"recurrence":  {"C"},
	"attention":   {"attn"},
	"s5_init":     {"B_tilde", "C_tilde", "V"},
}

// needed reports whether a case needs an array that its metadata does not list.
func needed(c *golden.Case, array string) bool {
	return !slices.Contains(informative[c.Kind], array) || c.Kind == "recurrence" && c.String("mode") == "diag"
}

func TestMissingArrayFails(t *testing.T) {
	for _, c := range examples(t) {
		for name := range c.Arrays {
			d := damaged(c, func(c *golden.Case) { delete(c.Arrays, name) })
			wantFailure(t, d, "without "+name, `"`+name+`"`)
			delete(d.Meta, "arrays")
			if needed(c, name) {
				wantFailure(t, d, "without "+name+", which is not listed", "")
			}
		}
	}
}

// TestRequiredArrayIsNamed is about kinds whose arrays are the same in every
// case, so that the form knows their names without a list.
func TestRequiredArrayIsNamed(t *testing.T) {
	for _, c := range examples(t) {
		if c.Kind == "layer" || c.Kind == "model" {
			continue
		}
		for name := range c.Arrays {
			if needed(c, name) && !(c.Kind == "diag_init" && c.String("init") == "legs" && name == "B") {
				d := damaged(c, func(c *golden.Case) { delete(c.Arrays, name); delete(c.Meta, "arrays") })
				wantFailure(t, d, "without "+name, `"`+name+`"`)
			}
		}
	}
}

func TestMetadataAloneFails(t *testing.T) {
	for _, c := range examples(t) {
		d := damaged(c, func(c *golden.Case) { c.Arrays = nil; delete(c.Meta, "arrays") })
		wantFailure(t, d, "without arrays", "has no array")
	}
}

// TestWhatACaseMayLack is the other side: what is not needed is not demanded.
func TestWhatACaseMayLack(t *testing.T) {
	for _, c := range examples(t) {
		d := damaged(c, func(c *golden.Case) {
			for _, name := range informative[c.Kind] {
				if !needed(c, name) {
					delete(c.Arrays, name)
				}
			}
			for _, key := range []string{
				"arrays", "B", "B_batch", "channels", "n_ssm", "steps", "dt_tied", "sep_dt_re_im",
				"case", "source", "convention", "loss", "params",
			} {
				delete(c.Meta, key)
			}
		})
		if fails, _, err := runCase(d); len(fails) > 0 || err != nil {
			t.Errorf("got failures %q, error %v", fails, err)
		}
	}
}

func TestNothingComparedFails(t *testing.T) {
	saved := runners["hippo"]
	defer func() { runners["hippo"] = saved }()
	silent := saved
	silent.run = func(*outcome, tensor.Dtype) error { return nil }
	runners["hippo"] = silent
	wantFailure(t, golden.Cases(t, "hippo")[0], "compared nothing", "nothing to compare")
}

// reshaped returns an array with other axes and as many of its elements as
// those take.
func reshaped(a golden.Array, shape ...int) golden.Array {
	n := 1
	for _, k := range shape {
		n *= k
	}
	b := golden.Array{Shape: shape}
	if a.F != nil {
		b.F = a.F[:n:n]
	} else {
		b.I = a.I[:n:n]
	}
	return b
}

func TestWrongShapeFails(t *testing.T) {
	for _, c := range examples(t) {
		for name, a := range c.Arrays {
			last := len(a.Shape) - 1
			reversed, short := slices.Clone(a.Shape), slices.Clone(a.Shape)
			slices.Reverse(reversed)
			short[last]--
			empty := slices.Clone(a.Shape)
			empty[0] = 0
			for _, shape := range [][]int{reversed, short, empty, append(slices.Clone(a.Shape), 1), {}} {
				if slices.Equal(shape, a.Shape) {
					continue
				}
				d := damaged(c, func(c *golden.Case) { c.Arrays[name] = reshaped(a, shape...) })
				wantFailure(t, d, name+" of shape "+shapeText(shape), "array "+name+": want shape")
				delete(d.Meta, "arrays")
				if needed(c, name) {
					wantFailure(t, d, name+" of shape "+shapeText(shape)+", which is not listed", "want ")
				}
			}
		}
	}
}

func TestIntegersForFloatsFail(t *testing.T) {
	for _, c := range examples(t) {
		for name, a := range c.Arrays {
			if a.F == nil || !needed(c, name) {
				continue
			}
			d := damaged(c, func(c *golden.Case) { c.Arrays[name] = golden.Array{Shape: a.Shape, I: make([]int, len(a.F))} })
			wantFailure(t, d, name+" of integers", "array "+name+": want floats, got integers")
		}
	}
}

func TestNotANumberFails(t *testing.T) {
	for _, c := range examples(t) {
		for name, a := range c.Arrays {
			if a.F == nil {
				continue
			}
			for v, text := range map[float64]string{math.NaN(): "NaN", math.Inf(-1): "-Inf"} {
				f := slices.Clone(a.F)
				f[len(f)-1] = v
				d := damaged(c, func(c *golden.Case) { c.Arrays[name] = golden.Array{Shape: a.Shape, F: f} })
				wantFailure(t, d, text+" in "+name, "golden "+name+" has "+text)
			}
		}
	}
}

// requiredKeys are the metadata without which a case says nothing definite.
var requiredKeys = map[string][]string{
	"hippo":                {"N", "measure"},
	"nplr":                 {"N", "measure", "rank"},
	"diag_init":            {"N", "init"},
	"diag_init_normalized": {"N", "init"},
	"dense_ssm":            {"N", "L", "dt", "method"},
	"dplr_setupC":          {"H", "N_half", "L"},
	"dplr_kernel":          {"H", "N_half", "L", "L_kernel", "rate"},
	"dss_kernel":           {"H", "N", "L", "version"},
	"lssl":                 {"H", "N", "L", "alpha"},
	"conv1d":               {"kernel", "groups", "stride", "padding", "bias", "has_state"},
	"mega_ema":             {"N", "bidirectional", "has_lengths", "has_state"},
	"mega_layer":           {"N", "Z", "V", "attention", "causal", "prenorm", "rel_pos_bias"},
	"retention":            {"heads", "key_dim", "value_dim", "decay", "rotation", "scale_k", "scores", "norm", "norm_eps", "has_state"},
	"ckconv":               {"C_in", "C_out", "L", "hidden", "omega_0", "sr_change", "train_length"},
	"selective_scan":       {"batch", "D", "N", "L", "B_form", "C_form", "delta_softplus", "has_D", "has_z", "has_delta_bias", "has_state"},
	"mamba_block":          {"d_model", "d_state", "d_conv", "expand", "dt_rank", "bias", "residual"},
	"s4d_kernel":           {"H", "N_half", "L", "rate", "disc"},
	"s4d_minimal_kernel":   {"H", "N_half", "L"},
	"recurrence":           {"L", "mode"},
	"layer":                {"desc"},
	"model":                {"d_input", "d_output", "n_layers"},
	"lstm":                 {"H", "I", "layers", "bidirectional", "has_lengths"},
	"gru":                  {"H", "I", "layers", "bidirectional", "has_lengths"},
	"rnn_tanh":             {"H", "I", "layers", "bidirectional", "has_lengths"},
	"hippo_rnn":            {"H", "I", "L", "M", "N", "measure", "disc", "gate", "order", "has_state"},
	"attention":            {"heads", "head_dim", "causal", "form", "positions", "bias", "has_lengths"},
	"transformer_layer":    {"heads", "head_dim", "d_ff", "causal", "positions", "activation", "prenorm", "has_lengths"},
	"s5_init":              {"N", "J", "H", "P", "conj_sym"},
	"s5_ssm":               {"H", "L", "P_half", "disc", "bidirectional"},
	"s5_layer":             {"P", "disc", "conj_sym", "clip_eigs", "step_rescale", "bidirectional", "irregular"},
	"s5_block":             {"P", "disc", "conj_sym", "clip_eigs", "step_rescale", "bidirectional", "prenorm", "activation"},
	"lru":                  {"P"},
	"lru_block":            {"P", "prenorm", "activation"},
}

func TestMissingMetadataFails(t *testing.T) {
	for _, c := range examples(t) {
		for _, key := range append(requiredKeys[c.Kind], "kind") {
			d := damaged(c, func(c *golden.Case) { delete(c.Meta, key) })
			wantFailure(t, d, "without "+key, `"`+key+`"`)
		}
	}
}

func TestMetadataOfAnotherTypeOrSizeFails(t *testing.T) {
	for _, c := range examples(t) {
		keys := slices.Concat(requiredKeys[c.Kind], []string{"kind"})
		for _, optional := range []string{
			"B", "B_batch", "H", "L", "L_kernel", "N_half", "n_ssm", "rank", "channels", "dt_tied", "sep_dt_re_im", "steps",
			"bidirectional", "B_clip", "alpha", "args", "ref_float32_rel_err_K", "ref_float32_rel_err_grads", "arrays",
		} {
			if _, ok := c.Meta[optional]; ok && reads(c.Kind, optional) {
				keys = append(keys, optional)
			}
		}
		for _, key := range keys {
			wrong := []any{[]any{1.0}}
			integer := false
			switch v := c.Meta[key].(type) {
			case float64:
				_, err := c.Integer(key)
				integer = err == nil && !slices.Contains([]string{"rate", "alpha", "dt", "B_clip", "step_rescale", "omega_0"}, key)
				wrong = append(wrong, "x", true)
				if slices.Contains([]string{"rate", "dt", "step_rescale", "omega_0"}, key) {
					wrong = append(wrong, 0.0, -v)
				}
				if integer {
					wrong = append(wrong, v+0.5, -v, 0.0, float64(1<<40))
				}
			case string:
				wrong = append(wrong, 5.0)
			}
			for _, v := range wrong {
				wantFailure(t, damaged(c, func(c *golden.Case) { c.Meta[key] = v }), key+" of "+asJSON(v), `"`+key+`"`)
			}
			if integer {
				d := damaged(c, func(c *golden.Case) { c.Meta[key] = c.Meta[key].(float64) + 1 })
				wantFailure(t, d, key+" too large by 1", "")
			}
		}
	}
}

// reads reports whether the runner of a kind reads or checks a key.
func reads(kind, key string) bool {
	switch kind {
	case "layer", "model":
		return key != "N_half"
	}
	return true
}

func TestPanicEndsOneCase(t *testing.T) {
	err := guarded(func() error { panic("a slice too short") })
	if err == nil || !strings.Contains(err.Error(), "panic: a slice too short") {
		t.Errorf("got error %v", err)
	}
	want := errors.New("an error")
	if err := guarded(func() error { return want }); err != want {
		t.Errorf("got error %v, want %v", err, want)
	}
}
