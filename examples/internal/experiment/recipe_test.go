package experiment

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A recipe that is printed makes the same run again, whatever it has been made of.
func TestConfigMakesTheSameRun(t *testing.T) {
	for _, kind := range kindNames() {
		if kind == "s4nd" { // for images, which the toys are not
			continue
		}
		args := []string{"-model", kind, "-steps", "2", "-freeze", "decoder.*", "-rate", "encoder.*=0.5", "-limit", "5", "-seed", "8"}
		if kind == "gain" {
			args = append(args, "-gain", "2")
		}
		recipe := write(t, must(t, append(args, "-print-config")...))
		a, b := trained(t, args...), trained(t, "-config", recipe)
		x, err1 := os.ReadFile(filepath.Join(a, "model", "model.safetensors"))
		y, err2 := os.ReadFile(filepath.Join(b, "model", "model.safetensors"))
		if err1 != nil || err2 != nil || string(x) != string(y) {
			t.Errorf("%s: another model (%v, %v)", kind, err1, err2)
		}
	}
}

// What is wrong with a recipe is told with its file and field.
func TestConfigErrors(t *testing.T) {
	good := must(t, "-print-config")
	for want, change := range map[string][2]string{
		`unknown field "layer"`:                    {`"layers"`, `"layer"`},
		`data: json: unknown field "shortest"`:     {`"longest"`, `"shortest"`},
		`train: json: unknown field "learning"`:    {`"lr": 0.01`, `"learning": 0.01`},
		`mixer of kind "s4d": json: unknown field`: {`"d_state"`, `"state"`},
		`mixer: want a kind, one of`:               {`"kind": "s4d"`, `"kind": "s6"`},
		`task: want one of tokens, real`:           {`"task": "tokens"`, `"task": "token"`},
		`cannot unmarshal string into Go struct`:   {`"lr": 0.01`, `"lr": "high"`},
		`the file is truncated`:                    {"}\n}", "}"},
		`behind the end of the JSON value`:         {"}\n}", "}\n}}"},
		"want -lr > 0, got -1":                     {`"lr": 0.01`, `"lr": -1`},
		"-examples: want >= 3, got 1":              {`"examples": 12`, `"examples": 1`},
		`want an object "train", got none`:         {`"train"`, `"limit": 0, "trains"`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if strings.Contains(want, `"train", got`) {
			text = good[:strings.Index(good, `,
  "train"`)] + "}"
		}
		if text == good {
			t.Errorf("%q is not in\n%s", change[0], good)
		}
		path := write(t, text)
		_, err := try(t, "", "-config", path, "-print-config")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if file := strings.HasPrefix(want, "want -lr") || strings.HasPrefix(want, "-examples"); err != nil && !file && !strings.Contains(err.Error(), path) {
			t.Errorf("error %v does not name %s", err, path)
		}
	}
	for _, option := range []string{"-task", "-preset"} {
		value := map[string]string{"-task": "real", "-preset": "smoke"}[option]
		if _, err := try(t, "", "-config", write(t, good), option, value, "-print-config"); err == nil || !strings.Contains(err.Error(), "want no -task and no -preset") {
			t.Errorf("%s: got error %v", option, err)
		}
	}
	if _, err := try(t, "", "-config", "/nonexistent"); err == nil || !strings.Contains(err.Error(), "-config: open /nonexistent") {
		t.Errorf("got error %v", err)
	}
}

// A run of another layer than the preset's has a directory of its own.
func TestDirectoryOfAModel(t *testing.T) {
	p := toys()
	recipe := write(t, must(t, "-print-config", "-model", "gru"))
	for want, args := range map[string][]string{
		"tokens-smoke": nil, "real-smoke-lssl": {"-task", "real", "-model", "lssl"}, "tokens-smoke-linear": {"-mixer", `{"kind":"linear","in":2,"out":2}`},
		"tokens-file": {"-config", recipe}, "tokens-file-s4": {"-config", recipe, "-model", "s4"},
	} {
		o, err := p.parse(args, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join("runs", want); o.out != want {
			t.Errorf("%q: got %s, want %s", args, o.out, want)
		}
	}
}
