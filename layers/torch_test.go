package layers_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
)

// stateDict writes a state dict as PyTorch has it to a file: tensors of these names
// and shapes in this order, element i of tensor k being sin(k + 0.7 i)/2.
func stateDict(t *testing.T, tensors []safetensors.Tensor) string {
	t.Helper()
	for k := range tensors {
		d := make([]float64, tensor.Shape(tensors[k].Shape).TotalSize())
		for i := range d {
			d[i] = math.Sin(float64(k)+0.7*float64(i)) / 2
		}
		tensors[k].Data = d
	}
	path := filepath.Join(t.TempDir(), "state_dict.safetensors")
	if err := safetensors.WriteFile(path, &safetensors.File{Tensors: tensors}); err != nil {
		t.Fatal(err)
	}
	return path
}

// torchOutput is the output of a layer, in evaluation, for an input that is (B, L, F) in PyTorch and
// has sin(0.3 i) as element i, in PyTorch's order.
func torchOutput(t *testing.T, l layers.Layer, g *G.ExprGraph, features, steps int) []float64 {
	t.Helper()
	x := testutil.Input{Name: "x", Shape: tensor.Shape{1, features, steps}}
	for f := range features {
		for n := range steps {
			x.F = append(x.F, math.Sin(0.3*float64(n*features+f)))
		}
	}
	y, err := l.Fwd(node(g, tensor.Float64, x))
	if err != nil {
		t.Fatal(err)
	}
	v := run(t, g, y)
	var out []float64
	for n := range steps {
		for f := range len(v) / steps {
			out = append(out, v[f*steps+n])
		}
	}
	return out
}

// The state dict of a module whose member lstm is torch.nn.LSTM(3, 2, num_layers=2,
// bidirectional=True) is one of an LSTM of that name.
func TestLSTMFromPyTorch(t *testing.T) {
	var dict []safetensors.Tensor
	for _, k := range []int{0, 1} {
		for _, suffix := range []string{"", "_reverse"} {
			end := fmt.Sprintf("_l%d%s", k, suffix)
			dict = append(dict, safetensors.Tensor{Name: "lstm.weight_ih" + end, Shape: []int{8, 3 + k}}, safetensors.Tensor{Name: "lstm.weight_hh" + end, Shape: []int{8, 2}},
				safetensors.Tensor{Name: "lstm.bias_ih" + end, Shape: []int{8}}, safetensors.Tensor{Name: "lstm.bias_hh" + end, Shape: []int{8}})
		}
	}
	g := G.NewGraph()
	l, err := layers.NewLSTM(g, tensor.Float64, layers.LSTMConfig{DModel: 3, Hidden: 2, Layers: 2, Bidirectional: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := param.Load(stateDict(t, dict), l); err != nil {
		t.Fatal(err)
	}
	want := []float64{
		0.08408962372663442, 0.13250421709504162, -0.2901723964214509, -0.35796910977291063,
		0.09049018021787388, 0.20871632955891414, -0.24906386005458667, -0.31208663159065003,
		0.08304045870722744, 0.2601530309504041, -0.1651783469884126, -0.22851179578283667,
	}
	if e := testutil.RelErr(torchOutput(t, l, g, 3, 3), want); !(e <= 1e-13) {
		t.Errorf("output is off by %.3g", e)
	}
}

// That of torch.nn.TransformerEncoder with a causal mask, whose layers are
// torch.nn.TransformerEncoderLayer(4, 2, 5, activation="gelu", norm_first=True), is
// one of a stack of Transformer layers by other names. What it does not have are the
// random states of the dropouts.
func TestTransformerFromPyTorch(t *testing.T) {
	const dModel, ff = 4, 5
	var dict []safetensors.Tensor
	rename := map[string]string{}
	add := func(name, ours string, shape ...int) {
		dict = append(dict, safetensors.Tensor{Name: name, Shape: shape})
		rename[name] = ours
	}
	for k := range 2 {
		theirs, ours := fmt.Sprintf("layers.%d.", k), fmt.Sprintf("encoder.%d.layer.", k)
		add(theirs+"self_attn.in_proj_weight", ours+"self_attn.layer.in_proj_weight", 3*dModel, dModel)
		add(theirs+"self_attn.in_proj_bias", ours+"self_attn.layer.in_proj_bias", 3*dModel)
		add(theirs+"self_attn.out_proj.weight", ours+"self_attn.layer.out_proj.weight", dModel, dModel)
		add(theirs+"self_attn.out_proj.bias", ours+"self_attn.layer.out_proj.bias", dModel)
		add(theirs+"linear1.weight", ours+"feedforward.layer.linear1.weight", ff, dModel)
		add(theirs+"linear1.bias", ours+"feedforward.layer.linear1.bias", ff)
		add(theirs+"linear2.weight", ours+"feedforward.layer.linear2.weight", dModel, ff)
		add(theirs+"linear2.bias", ours+"feedforward.layer.linear2.bias", dModel)
		add(theirs+"norm1.weight", ours+"self_attn.norm.weight", dModel)
		add(theirs+"norm1.bias", ours+"self_attn.norm.bias", dModel)
		add(theirs+"norm2.weight", ours+"feedforward.norm.weight", dModel)
		add(theirs+"norm2.bias", ours+"feedforward.norm.bias", dModel)
	}
	add("norm.weight", "encoder.norm.weight", dModel)
	add("norm.bias", "encoder.norm.bias", dModel)

	g := G.NewGraph()
	l, err := layers.NewStack(g, tensor.Float64, layers.StackConfig{
		Blocks: []layers.BlockConfig{{Norm: layers.NoNorm, NoResidual: true, Mixer: layers.TransformerConfig{
			DModel: dModel, Heads: 2, FF: ff, Activation: ops.ActGELU, Causal: true, PreNorm: true,
			Dropout: 0.1, AttentionDropout: 0.1, FFDropout: 0.1, UntiedDropout: true,
		}}},
		Repeat: 2, Norm: layers.LayerNorm,
	}, layers.WithName("encoder"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := param.Loader{Rename: rename, Partial: true}.Load(stateDict(t, dict), l)
	if err != nil {
		t.Fatal(err)
	}
	random := func(name string) bool { return strings.HasSuffix(name, "dropout.rng") }
	if r.Loaded != len(dict) || len(r.Left) > 0 || len(r.Missing) != 8 || len(slices.DeleteFunc(slices.Clone(r.Missing), random)) > 0 {
		t.Errorf("got %+v, want %d tensors loaded, and the random states of 8 dropouts missing", r, len(dict))
	}
	want := []float64{
		-0.47200428625464813, 0.408568612295688, 0.6161559599602183, -0.06646713701521946,
		-0.5441548478767316, 0.3356769305498105, 0.5765499744951162, -0.15169624888233604,
		-0.6111168440704319, 0.30713901047756337, 0.541765005248488, -0.16015829759575242,
	}
	if e := testutil.RelErr(torchOutput(t, l, g, dModel, 3), want); !(e <= 1e-13) {
		t.Errorf("output is off by %.3g", e)
	}
}
