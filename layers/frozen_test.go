package layers_test

import (
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
)

// frozenParams returns the names of the parameters that a layer does not learn,
// without the path in front.
func frozenParams(l layers.Layer) []string {
	var names []string
	for _, p := range l.Params() {
		if p.Frozen {
			_, short, _ := strings.Cut(strings.TrimPrefix(p.Name, l.Name()), ".")
			names = append(names, strings.TrimPrefix(short, "layer."))
		}
	}
	return names
}

func TestWithFrozen(t *testing.T) {
	eachStateSpace(t, func(t *testing.T, v variant) {
		original := v.on(t, G.NewGraph(), tensor.Float32)
		clone := func(l sequenceLayer, opts ...layers.CloneOption) sequenceLayer {
			t.Helper()
			c, err := v.clone(l, G.NewGraph(), opts...)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range c.Params() {
				o := original.Params()[i]
				if p.Name != o.Name || !weights.Same(p.Node.Value(), o.Node.Value()) {
					t.Errorf("the copy does not share %s", o.Name)
				}
				if (p.LR == nil) != (o.LR == nil) || p.LR != nil && *p.LR != *o.LR {
					t.Errorf("%s has another learning rate", o.Name)
				}
			}
			return c
		}
		fixed := clone(original, layers.WithFrozen("dt", "D"))
		again := clone(fixed)
		for _, c := range []struct {
			name string
			l    sequenceLayer
			want []string
		}{
			{"a copy of the original", clone(original), frozenParams(original)},
			{"a copy without dt and D", fixed, []string{"kernel.log_dt", "D"}},
			{"a copy of that", again, []string{"kernel.log_dt", "D"}},
			{"a copy without D", clone(again, layers.WithFrozen("D")), []string{"D"}},
			{"a copy with everything", clone(again, layers.WithFrozen()), nil},
		} {
			if got := frozenParams(c.l); !slices.Equal(got, c.want) {
				t.Errorf("%s: frozen parameters %q, want %q", c.name, got, c.want)
			}
			if got, want := len(c.l.Learnables()), len(c.l.Params())-len(c.want); got != want {
				t.Errorf("%s: %d nodes to learn, want %d", c.name, got, want)
			}
		}
		if _, err := v.clone(original, G.NewGraph(), layers.WithFrozen("E")); err == nil || !strings.Contains(err.Error(), `, got "E"`) {
			t.Errorf("an unknown parameter: got error %v", err)
		}
	})
}

func TestWithFrozenIsInTheConfiguration(t *testing.T) {
	cfg := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 2, SSM: layers.SSM{Frozen: []string{"A"}}}}
	b, err := layers.NewBlock(G.NewGraph(), tensor.Float32, cfg)
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.CloneTo(G.NewGraph(), layers.WithFrozen("B"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Config().Mixer.(layers.S4DConfig).Frozen; !slices.Equal(got, []string{"B"}) {
		t.Errorf("configuration of the copy: frozen %q, want B", got)
	}
	if got := b.Config().Mixer.(layers.S4DConfig).Frozen; !slices.Equal(got, []string{"A"}) {
		t.Errorf("configuration of the original: frozen %q, want A", got)
	}
}

// A stack freezes a parameter in the layers that have it.
func TestWithFrozenInMixedStacks(t *testing.T) {
	s, err := layers.NewStack(G.NewGraph(), tensor.Float32, layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.S4DConfig{DModel: 2, DState: 2}},
		{Mixer: layers.LongConvConfig{DModel: 2, LMax: 4}},
		{Mixer: layers.S4DConfig{DModel: 2, DState: 2, FixedB: true}},
		{Mixer: layers.LSTMConfig{DModel: 2}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for names, want := range map[string]int{"B": 1, "kernel": 1, "D": 3, "kernel B D": 5} {
		c, err := s.CloneTo(G.NewGraph(), layers.WithFrozen(strings.Fields(names)...))
		if err != nil {
			t.Fatalf("%s: %v", names, err)
		}
		frozen := 0
		for _, p := range c.Params() {
			if p.Frozen {
				frozen++
			}
		}
		if frozen != want {
			t.Errorf("%s: %d parameters are frozen, want %d", names, frozen, want)
		}
	}
	if _, err := s.CloneTo(G.NewGraph(), layers.WithFrozen("kernels")); err == nil {
		t.Error("no error for the name of no parameter")
	}
}
