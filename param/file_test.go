package param_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/param"
)

// layersOf returns an encoder, a block with buffers and a decoder of their own
// names, initial values by seed.
func layersOf(t *testing.T, dt tensor.Dtype, seed uint64) []param.Source {
	t.Helper()
	g := G.NewGraph()
	enc, err1 := layers.NewLinear(g, dt, layers.LinearConfig{In: 2, Out: 4}, layers.WithName("enc"), layers.WithSeed(seed))
	block, err2 := layers.NewBlock(g, dt, layers.BlockConfig{Mixer: layers.S4Config{DModel: 4, DState: 4, LMax: 8}, Norm: layers.BatchNorm, Dropout: 0.1}, layers.WithSeed(seed))
	dec, err3 := layers.NewLinear(g, dt, layers.LinearConfig{In: 4, Out: 3}, layers.WithName("dec"), layers.WithSeed(seed))
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return []param.Source{enc, block, dec}
}

// values lists all values of layers.
func values(of []param.Source) string {
	var s strings.Builder
	for _, l := range of {
		for _, p := range l.Params() {
			fmt.Fprintln(&s, p.Name, p.Node.Value().Data())
		}
		for _, b := range l.Buffers() {
			fmt.Fprintln(&s, b.Name, b.Value.Data())
		}
	}
	return s.String()
}

func TestSaveAndLoadLayers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	from := layersOf(t, tensor.Float64, 1)
	if err := param.Save(path, from...); err != nil {
		t.Fatal(err)
	}
	into := layersOf(t, tensor.Float64, 2)
	if values(into) == values(from) {
		t.Fatal("the seed changes nothing")
	}
	if err := param.Load(path, into...); err != nil {
		t.Fatal(err)
	}
	if values(into) != values(from) {
		t.Error("other values than those saved")
	}
	single := layersOf(t, tensor.Float32, 2)
	if err := param.Load(path, single...); err != nil {
		t.Fatal(err)
	}
	a, b := testutil.Floats(single[0].Params()[0].Node.Value()), testutil.Floats(from[0].Params()[0].Node.Value())
	if e := testutil.RelErr(a, b); e == 0 || e > 1e-7 {
		t.Errorf("float64 as float32: off by %.3g", e)
	}
}

func TestLoadIsStrict(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.safetensors")
	from := layersOf(t, tensor.Float64, 1)
	if err := param.Save(path, from...); err != nil {
		t.Fatal(err)
	}
	enc := func(cfg layers.LinearConfig, name string) param.Source {
		l, err := layers.NewLinear(G.NewGraph(), tensor.Float64, cfg, layers.WithName(name))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	small := layers.LinearConfig{In: 2, Out: 4}
	for want, load := range map[string]func() error{
		"enc.weight is missing": func() error {
			return param.Load(filepath.Join(dir, "dec"), enc(small, "enc"))
		},
		"dec.weight is not in the model; dec.bias is not in the model": func() error { return param.Load(path, from[:2]...) },
		"enc.weight: want shape (4, 3), got (4, 2)": func() error {
			_, err := param.Loader{Partial: true}.Load(path, enc(layers.LinearConfig{In: 3, Out: 4}, "enc"))
			return err
		},
		`want parameters and buffers of different names, got "enc.weight" twice`: func() error { return param.Load(path, enc(small, "enc"), enc(small, "enc")) },
		"want a layer or model, got nil":                                         func() error { return param.Load(path, nil) },
		"no such file":                                                           func() error { return param.Load(path+"x", from...) },
		`want Rename to name tensors of the file, got "nowhere"`: func() error {
			_, err := param.Loader{Rename: map[string]string{"nowhere": "enc.weight"}}.Load(path, from...)
			return err
		},
		`got "enc.bias" and "dec.bias" both named "enc.bias"`: func() error {
			_, err := param.Loader{Rename: map[string]string{"dec.bias": "enc.bias"}}.Load(path, from...)
			return err
		},
	} {
		if strings.Contains(want, "missing") {
			if err := param.Save(filepath.Join(dir, "dec"), from[2]); err != nil {
				t.Fatal(err)
			}
		}
		before := values(from)
		if err := load(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if values(from) != before {
			t.Errorf("%s: values have changed", want)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(b); n += 97 {
		if err := os.WriteFile(path, b[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if err := param.Load(path, from...); err == nil {
			t.Fatalf("a file cut to %d bytes is no error", n)
		}
	}
	if err := param.Save(filepath.Join(dir, "none", "w"), from...); err == nil || !strings.HasPrefix(err.Error(), "param: save: ") {
		t.Errorf("got error %v", err)
	}
	if err := param.Save(path, from[0], from[0]); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got error %v", err)
	}
}

// broken is a source of what no layer makes.
type broken struct {
	params  []param.Param
	buffers []param.Buffer
}

func (b broken) Params() []param.Param   { return b.params }
func (b broken) Buffers() []param.Buffer { return b.buffers }

func TestSourcesWithoutValues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := param.Save(path, layersOf(t, tensor.Float64, 1)...); err != nil {
		t.Fatal(err)
	}
	view, err := tensor.New(tensor.WithShape(2, 4), tensor.Of(tensor.Float64)).Slice(nil, G.S(0, 2))
	if err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]broken{
		"parameter w: want a node, got nil":                             {params: []param.Param{{Name: "w"}}},
		"parameter w: want a tensor, its node holds <nil>":              {params: []param.Param{{Name: "w", Node: G.NewVector(G.NewGraph(), tensor.Float64, G.WithShape(2), G.WithName("w"))}}},
		`"v": want a value, got none`:                                   {buffers: []param.Buffer{{Name: "v"}}},
		`"v": want a row-major tensor of float32`:                       {buffers: []param.Buffer{{Name: "v", Value: view.(*tensor.Dense)}}},
		`want parameters and buffers of different names, got "v" twice`: {buffers: []param.Buffer{{Name: "v", Value: view.(*tensor.Dense)}, {Name: "v", Value: view.(*tensor.Dense)}}},
	} {
		before, _ := os.ReadFile(path)
		for what, err := range map[string]error{"save": param.Save(path, s), "load": param.Load(path, s)} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %q", what, err, want)
			}
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s: the file has changed", want)
		}
	}
}

func TestLoadAPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	from := layersOf(t, tensor.Float64, 1)
	if err := param.Save(path, from[:2]...); err != nil {
		t.Fatal(err)
	}
	into := layersOf(t, tensor.Float64, 2)
	r, err := param.Loader{Partial: true, Rename: map[string]string{"enc.weight": "enc.other"}}.Load(path, into[0], into[2])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(r.Loaded, r.Missing), "1 [enc.weight dec.weight dec.bias]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	saved := 2 + len(from[1].Params()) + len(from[1].Buffers())
	if len(r.Left) != saved-r.Loaded || !slices.Contains(r.Left, "enc.weight") || !slices.Contains(r.Left, "block.norm.running_var") {
		t.Errorf("left over: %v", r.Left)
	}
	if a, b := values(into[:1]), values(from[:1]); a == b || strings.SplitN(a, "\n", 2)[1] != strings.SplitN(b, "\n", 2)[1] {
		t.Errorf("got %s, want the bias of %s", a, b)
	}
}

// A file may lack what names begin with, and have some names besides.
func TestLoadWithPrefix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	linear := func(name string, seed uint64) param.Source {
		l, err := layers.NewLinear(G.NewGraph(), tensor.Float64, layers.LinearConfig{In: 2, Out: 4}, layers.WithName(name), layers.WithSeed(seed))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	from := linear("enc", 1)
	if err := param.Save(path, from); err != nil {
		t.Fatal(err)
	}
	into := linear("model.enc", 2)
	if _, err := (param.Loader{Prefix: "model."}).Load(path, into); err != nil {
		t.Fatal(err)
	}
	if got, want := values([]param.Source{into}), values([]param.Source{from}); got != strings.ReplaceAll(want, "enc.", "model.enc.") {
		t.Errorf("got %s, want %s", got, want)
	}
	r, err := param.Loader{Prefix: "dec.", Partial: true, Rename: map[string]string{"enc.bias": "model.enc.bias"}}.Load(path, into)
	if err != nil || r.Loaded != 1 || !slices.Equal(r.Left, []string{"enc.weight"}) {
		t.Errorf("with a name besides: %+v, %v", r, err)
	}
}

// Of what an S4 layer is tuned to and the length of that, a part is not loaded
// without the other.
func TestLoadAPartOfS4(t *testing.T) {
	const c, length = "block.layer.kernel.C", "block.layer.kernel.l_kernel"
	path := filepath.Join(t.TempDir(), "w.safetensors")
	from := layersOf(t, tensor.Float64, 1)
	if err := param.Save(path, from[1]); err != nil {
		t.Fatal(err)
	}
	for away, want := range map[string]string{
		length: length + " is missing, the length that " + c + " is tuned to",
		c:      c + " is missing, which is tuned to " + length,
	} {
		into := layersOf(t, tensor.Float64, 2)
		before := values(into)
		_, err := param.Loader{Partial: true, Rename: map[string]string{away: "other"}}.Load(path, into[1])
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if values(into) != before {
			t.Errorf("without %s: values have changed", away)
		}
	}
	into := layersOf(t, tensor.Float64, 2)
	r, err := param.Loader{Partial: true, Rename: map[string]string{c: "c", length: "l"}}.Load(path, into[1])
	if err != nil || len(r.Missing) != 2 {
		t.Errorf("without both: %v, %+v", err, r)
	}
}
