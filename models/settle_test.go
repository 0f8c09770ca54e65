package models_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
)

func s4Tokens(lMax int) models.ClassifierConfig {
	cfg := tokens()
	cfg.Stack.Blocks[0] = layers.BlockConfig{Mixer: layers.S4Config{DModel: 4, DState: 4, LMax: lMax}, PreNorm: true}
	return cfg
}

// edit changes the tensors of a saved model.
func edit(t *testing.T, dir string, change func(ts []safetensors.Tensor) []safetensors.Tensor) {
	t.Helper()
	path := filepath.Join(dir, "model.safetensors")
	f, err := safetensors.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Tensors = change(f.Tensors)
	if err := safetensors.WriteFile(path, f); err != nil {
		t.Fatal(err)
	}
}

func saved(t *testing.T, m *models.Classifier) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A file in which kernel.C is C itself, which l_kernel 0 says, is tuned when it is
// loaded: to the length of the configuration, and from what the file has.
func TestLoadTunesWhatIsNotTuned(t *testing.T) {
	const lMax = 20
	m := newClassifier(t, s4Tokens(lMax), tensor.Float64)
	ids := []int{1, 2, 3, 4, 5, 6, 0, 1}
	want := logits(t, m, append([]int(nil), ids...), []int{8})
	dir := saved(t, m)
	edit(t, dir, func(ts []safetensors.Tensor) []safetensors.Tensor {
		for i, x := range ts {
			switch {
			case strings.HasSuffix(x.Name, "kernel.l_kernel"):
				ts[i].Data = []int64{0}
			case strings.HasSuffix(x.Name, "kernel.C"):
				block := m.Blocks()[strings.Count(x.Name[:strings.Index(x.Name, ".layer")], "1")]
				ts[i].Data = untuned(t, block.Mixer().(layers.Systems), len(x.Data.([]float64)))
			}
		}
		return ts
	})
	l, err := models.LoadClassifier(G.NewGraph(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range l.Buffers() {
		if strings.HasSuffix(b.Name, "l_kernel") && b.Value.Data().([]int64)[0] != lMax {
			t.Errorf("%s is %v, want %d", b.Name, b.Value, lMax)
		}
	}
	if e := testutil.RelErr(logits(t, l, ids, []int{8}), want); !(e <= 1e-12) {
		t.Errorf("relative error %.3g", e)
	}
}

// untuned returns C of a layer, as its systems have it.
func untuned(t *testing.T, l layers.Systems, n int) []float64 {
	t.Helper()
	var c []float64
	for h := 0; len(c) < n; h++ {
		s, err := l.System(0, h)
		if err != nil {
			t.Fatal(err)
		}
		half := len(s.Discrete.C) / 2
		for i := range half {
			c = append(c, s.Discrete.C[i]/2, -s.Discrete.C[half+i]/2)
		}
	}
	return c
}

// The weights of an S4 layer without the length that they are tuned to are an
// error that names both, and so is a length that is none.
func TestLoadOfWeightsWithoutTheirLength(t *testing.T) {
	m := newClassifier(t, s4Tokens(20), tensor.Float32)
	for want, change := range map[string]func(ts []safetensors.Tensor) []safetensors.Tensor{
		"blocks.1.layer.kernel.l_kernel is missing, the length that blocks.1.layer.kernel.C is tuned to": func(ts []safetensors.Tensor) (left []safetensors.Tensor) {
			for _, x := range ts {
				if x.Name != "blocks.1.layer.kernel.l_kernel" {
					left = append(left, x)
				}
			}
			return left
		},
		`S4 "blocks.1.layer": Settle: buffer kernel.l_kernel, the length that kernel.C is tuned to: want one in`: func(ts []safetensors.Tensor) []safetensors.Tensor {
			for i, x := range ts {
				if x.Name == "blocks.1.layer.kernel.l_kernel" {
					ts[i].Data = []int64{-3}
				}
			}
			return ts
		},
	} {
		dir := saved(t, m)
		edit(t, dir, change)
		if _, err := models.LoadClassifier(G.NewGraph(), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// Two models of one configuration have kernels of one length, so that parameters
// alone can be copied, whatever either was used for before.
func TestParametersAloneMayBeCopied(t *testing.T) {
	for _, lMax := range []int{0, 30} {
		a, b := newClassifier(t, s4Tokens(lMax), tensor.Float64), newClassifier(t, s4Tokens(lMax), tensor.Float64)
		for i := range 2 {
			n := []int{8, 20}[i]
			ids := make([]int, n)
			logits(t, []*models.Classifier{a, b}[i], ids, []int{n})
		}
		for i, p := range a.Params() {
			to := b.Params()[i].Node.Value().(*tensor.Dense)
			if err := tensor.Copy(to, p.Node.Value().(*tensor.Dense)); err != nil {
				t.Fatal(err)
			}
		}
		ids := []int{1, 2, 3, 4, 5, 6, 0, 1}
		want, got := logits(t, a, append([]int(nil), ids...), []int{8}), logits(t, b, ids, []int{8})
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("LMax %d: got %v, want %v", lMax, got, want)
		}
	}
}
