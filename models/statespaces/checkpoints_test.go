package statespaces_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/npy"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/models/statespaces"
)

// moreFile is an archive of more checkpoints, which testdata/checkpoints.py makes.
const moreFile = "testdata/more.tar.gz"

var checkpointsDir = flag.String("checkpoints", "testdata/checkpoints", "`directory` of checkpoints: each a directory of model.pt, model.ckpt or model.safetensors, x.npy, y.npy and meta.json")

// meta is what meta.json of a checkpoint says of its model.
type meta struct {
	PreNorm *bool          `json:"prenorm"`
	Layer   string         `json:"layer"`   // in words
	Options map[string]any `json:"options"` // others
}

// changed says that C of the model is not that of the checkpoint: states beyond a
// bandlimit have been taken out, or C that was not tuned has been.
func (m meta) changed(c *statespaces.Checkpoint) bool {
	_, limited := m.Options["bandlimit"]
	return limited || slices.ContainsFunc(c.Tensors, func(t statespaces.Tensor) bool {
		n, ok := t.Data.([]int64)
		return ok && len(n) == 1 && n[0] == 0
	})
}

// options are the options that a description makes.
func (m meta) options() []statespaces.Option {
	return []statespaces.Option{statespaces.With(m.hyper())}
}

func (m meta) hyper() map[string]any {
	hyper := map[string]any{}
	for _, word := range []string{"bilinear", "zoh"} {
		if strings.Contains(m.Layer, word) {
			hyper["disc"] = word
		}
	}
	if strings.Contains(m.Layer, "softplus") {
		hyper["dt_transform"] = "softplus"
	}
	if m.PreNorm != nil {
		hyper["prenorm"] = *m.PreNorm
	}
	for k, v := range m.Options {
		hyper[k] = v
	}
	return hyper
}

// readings are all descriptions that say what m says in so many words, itself first,
// with what it may leave open: whether blocks normalise before their layer, and
// what nothing says of S4 and S4D.
func (m meta) readings() []meta {
	all := []meta{m}
	if m.PreNorm == nil {
		for _, yes := range []bool{true, false} {
			n := m
			n.PreNorm = &yes
			all = append(all, n)
		}
	}
	for _, open := range []struct {
		name   string
		values []string
	}{{"disc", []string{"zoh", "bilinear"}}, {"dt_transform", []string{"exp", "softplus"}}, {"real_transform", []string{"exp", "softplus", "relu", "sigmoid"}}} {
		if m.Options[open.name] != nil {
			continue
		}
		for _, n := range slices.Clone(all) {
			for _, v := range open.values {
				r := n
				r.Options = maps.Clone(n.Options)
				if r.Options == nil {
					r.Options = map[string]any{}
				}
				r.Options[open.name] = v
				all = append(all, r)
			}
		}
	}
	return all
}

// read returns the description by which the checkpoint is read: of those that testdata
// has it is what they say, and of others the first reading of it with the outputs.
func (e example) read(t *testing.T, c *statespaces.Checkpoint) meta {
	t.Helper()
	if !foreign() {
		return e.meta
	}
	for _, m := range e.meta.readings() {
		model, err := c.ModelAs(G.NewGraph(), tensor.Float64, m.options()...)
		if err == nil && off(logits(t, model, tensor.Float64, e.x), e.y.Data) <= 1e-5 {
			return m
		}
	}
	return e.meta
}

// foreign says whether the checkpoints are not those of testdata.
func foreign() bool { return *checkpointsDir != flag.Lookup("checkpoints").DefValue }

// example is a checkpoint with an input and the output for it.
type example struct {
	dir  string
	path string
	meta meta
	x, y npy.Array
}

// examples returns the checkpoints of a directory.
func examples(t *testing.T, root string) []example {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, "*", "meta.json"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("%s: want directories with meta.json, got none, %v", root, err)
	}
	var es []example
	for _, name := range dirs {
		e := example{dir: filepath.Dir(name)}
		text, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(text, &e.meta)
		}
		if err != nil {
			t.Fatal(err)
		}
		paths, err := filepath.Glob(filepath.Join(e.dir, "model.*"))
		if err != nil || len(paths) != 1 {
			t.Fatalf("%s: want one file model.*, got %v, %v", e.dir, paths, err)
		}
		e.path = paths[0]
		if e.x, err = npy.Read(filepath.Join(e.dir, "x.npy")); err != nil {
			t.Fatal(err)
		}
		if e.y, err = npy.Read(filepath.Join(e.dir, "y.npy")); err != nil {
			t.Fatal(err)
		}
		es = append(es, e)
	}
	return es
}

// logits runs a model on x (B, L, F) or, of tokens, (B, L).
func logits(t *testing.T, m *models.Classifier, dt tensor.Dtype, x npy.Array) []float64 {
	t.Helper()
	g := G.NewGraph()
	c, err := m.CloneTo(g, layers.ForLength(x.Shape[1]))
	if err != nil {
		t.Fatal(err)
	}
	var in *G.Node
	if len(x.Shape) == 2 {
		ids := make([]int, len(x.Data))
		for i, v := range x.Data {
			ids[i] = int(v)
		}
		in = G.NewTensor(g, tensor.Int, 2, G.WithShape(x.Shape...), G.WithName("x"), G.WithValue(tensor.New(tensor.WithShape(x.Shape...), tensor.WithBacking(ids))))
	} else {
		in = G.NewTensor(g, dt, 3, G.WithShape(x.Shape...), G.WithName("x"), G.WithValue(testutil.Dense(dt, x.Data, x.Shape...)))
	}
	y, err := c.Fwd(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return testutil.Floats(y.Value())
}

// off returns the largest difference, NaN where there is one.
func off(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	worst := 0.0
	for i := range a {
		if d := math.Abs(a[i] - b[i]); !(d <= worst) {
			worst = d
		}
	}
	return worst
}

// The outputs of PyTorch are those of the models that checkpoints are read as, in both
// types, and the way back gives the numbers of the checkpoint.
func TestCheckpoints(t *testing.T) { checkAll(t, *checkpointsDir) }

// And so are those that were made for what the public ones do not have: version 3, DSS,
// models in other wrappings, types and layouts of memory.
func TestMoreCheckpoints(t *testing.T) { checkAll(t, unpack(t)) }

// unpack unpacks the archive of more checkpoints and returns the directory.
func unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Open(moreFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return dir
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		var b []byte
		if err == nil {
			b, err = io.ReadAll(r)
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func checkAll(t *testing.T, root string) {
	for _, e := range examples(t, root) {
		t.Run(filepath.Base(e.dir), func(t *testing.T) {
			c, err := statespaces.Read(e.path)
			if err != nil {
				t.Fatal(err)
			}
			e.meta = e.read(t, c)
			for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
				m, err := c.ModelAs(G.NewGraph(), dt, e.meta.options()...)
				if err != nil {
					t.Fatal(err)
				}
				d := off(logits(t, m, dt, e.x), e.y.Data)
				t.Logf("%v: off by %.2g at most", dt, d)
				if !(d <= 1e-5) {
					t.Errorf("%v: off by %.3g, want at most 1e-5", dt, d)
				}
				if dt == c.Dtype() {
					backAgain(t, c, m, e)
				}
			}
		})
	}
}

// backAgain checks that what is written for PyTorch is what was read.
func backAgain(t *testing.T, c *statespaces.Checkpoint, m *models.Classifier, e example) {
	t.Helper()
	l, err := c.Layout(e.meta.options()...)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := l.Save(dir); err != nil {
		t.Fatal(err)
	}
	if l, err = statespaces.SavedLayout(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "back.safetensors")
	if err := l.Write(path, m); err != nil {
		t.Fatal(err)
	}
	back, err := statespaces.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if e.meta.changed(c) {
		again, err := back.Model(G.NewGraph(), e.meta.options()...)
		if err != nil {
			t.Fatal(err)
		}
		if d := off(logits(t, again, back.Dtype(), e.x), e.y.Data); !(d <= 1e-5) {
			t.Errorf("back again: off by %.3g", d)
		}
		return
	}
	if len(back.Tensors) != len(c.Tensors) {
		t.Fatalf("%d tensors come back as %d", len(c.Tensors), len(back.Tensors))
	}
	for i, want := range c.Tensors {
		got := back.Tensors[i]
		if got.Name != want.Name || !slices.Equal(got.Shape, want.Shape) || fmt.Sprint(got.Data) != fmt.Sprint(want.Data) {
			t.Errorf("%s %v comes back as %s %v, or with other numbers", want.Name, want.Shape, got.Name, got.Shape)
		}
	}
}
