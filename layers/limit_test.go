package layers_test

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
)

// Layers that are made with one limit have at most so many elements in all.
func TestWithLimit(t *testing.T) {
	limit := layers.WithLimit(2 * 12)
	for i, name := range []string{"a", "b", "c"} {
		_, err := layers.NewLinear(G.NewGraph(), tensor.Float32, layers.LinearConfig{In: 2, Out: 4}, layers.WithName(name), limit)
		if (err != nil) != (i == 2) || err != nil && !strings.Contains(err.Error(), "c.weight: want at most 0 more elements, as WithLimit says, got shape (4, 2)") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	// What a layer computes before it makes its parameters is not begun.
	const n = 1 << 27
	for _, cfg := range []layers.Config{
		layers.S4DConfig{DModel: 2, DState: n}, layers.DSSConfig{DModel: 2, DState: 1 << 12},
		layers.S4Config{DModel: 2, DState: 1 << 11}, layers.LSSLConfig{DModel: 2, DState: 1 << 12},
		layers.S5Config{DModel: 2, DState: 1 << 12}, layers.LRUConfig{DModel: 2, DState: 1 << 12},
		layers.S4NDConfig{DModel: 2, S4NDAxis: layers.S4NDAxis{DState: n}},
		layers.HiPPORNNConfig{DModel: 2, MemoryOrder: 1 << 12, Measure: hippo.LMU}, layers.ESNConfig{DModel: 2, Reservoir: 1 << 12},
	} {
		_, err := layers.New(G.NewGraph(), tensor.Float32, layers.BlockConfig{Mixer: cfg.(layers.MixerConfig)}, layers.WithLimit(1<<11))
		if err == nil || !strings.Contains(err.Error(), "want at most 2048 more elements, as WithLimit says") {
			t.Errorf("%T: got error %v", cfg, err)
		}
	}
	// A copy makes none.
	l, err := layers.NewLinear(G.NewGraph(), tensor.Float32, layers.LinearConfig{In: 2, Out: 4}, layers.WithLimit(12))
	if err == nil {
		_, err = layers.Clone(l, G.NewGraph())
	}
	if err != nil {
		t.Error(err)
	}
}
