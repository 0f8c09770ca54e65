package train

import (
	"context"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
)

// valuesOf returns the values of a model's parameters by name.
func valuesOf(t *testing.T, m Model) map[string][]float32 {
	t.Helper()
	values := make(map[string][]float32)
	for _, p := range m.Params() {
		v, err := p.Value()
		if err != nil {
			t.Fatal(err)
		}
		values[p.Name] = slices.Clone(v.Float32s())
	}
	return values
}

// What a rule freezes does not move at all, and a rate is that of the steps; a run with
// other rules is another run.
func TestRules(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	m := newTinyModel(mc, tensor.Float32)
	names := m.Params()
	frozen := names[0].Name
	cfg.Steps, cfg.Epochs, cfg.WeightDecay, cfg.Schedule = 3, 0, 0.1, Schedule{}
	cfg.Rules = param.Rules{param.Rate("*", 1e-30), param.Freeze(frozen), param.Rate(names[2].Name, 0.5)}
	before := valuesOf(t, m)
	tr := newTrainer(t, cfg, m, train, val)
	defer tr.Close()
	if _, err := tr.Fit(context.Background()); err != nil {
		t.Fatal(err)
	}
	after := valuesOf(t, m)
	for i, p := range names {
		still := slices.Equal(before[p.Name], after[p.Name])
		if want := i != 2; still != want {
			t.Errorf("%s: stayed as it was: %v, want %v", p.Name, still, want)
		}
	}
	for _, s := range tr.sessions {
		if slices.ContainsFunc(s.learn, func(p param.Param) bool { return p.Name == frozen }) {
			t.Errorf("a graph has a gradient of %s", frozen)
		}
	}
	c, err := ReadCheckpoint(tr.dir.path(LastCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Rules = cfg.Rules[:1]
	again := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val)
	defer again.Close()
	if err := again.Resume(c); err == nil || !strings.Contains(err.Error(), "rules") {
		t.Errorf("other rules: got error %v", err)
	}
	cfg.Rules = param.Rules{param.Freeze("nothing.*")}
	if _, err := New(cfg, m, train, val); err == nil || !strings.Contains(err.Error(), `rule "nothing.*"`) || !strings.Contains(err.Error(), frozen) {
		t.Errorf("a rule that fits nothing: got error %v", err)
	}
}
