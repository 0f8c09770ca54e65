package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/npy"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/models/statespaces"
)

// checkSaved is checkModel of the model that has been written.
func checkSaved(o *options, dt tensor.Dtype, out io.Writer) error {
	m, err := models.LoadClassifier(G.NewGraph(), o.out, models.As(dt))
	if err != nil {
		return err
	}
	return checkModel(m, o, out)
}

// checkModel runs a model on x and compares the output with y.
func checkModel(m *models.Classifier, o *options, out io.Writer) error {
	d, err := difference(m, o)
	if err != nil {
		return err
	}
	if !(d <= o.tolerance) {
		return fmt.Errorf("-check: want outputs that differ by at most %g from %s, got %.3g", o.tolerance, o.checkY, d)
	}
	_, err = fmt.Fprintf(out, "the outputs for %s are those of %s: off by %.2g at most\n", o.checkX, o.checkY, d)
	return err
}

// difference returns the largest difference between what a model makes of x and y.
func difference(m *models.Classifier, o *options) (float64, error) {
	x, err := npy.Read(o.checkX)
	if err != nil {
		return 0, err
	}
	y, err := npy.Read(o.checkY)
	if err != nil {
		return 0, err
	}
	got, shape, err := output(m, x)
	if err != nil {
		return 0, err
	}
	if !slices.Equal(shape, y.Shape) {
		return 0, fmt.Errorf("%s: want shape %v, that of the outputs, got %v", o.checkY, shape, y.Shape)
	}
	worst := 0.0
	for i, v := range got {
		if d := math.Abs(v - y.Data[i]); !(d <= worst) {
			worst = d
		}
	}
	return worst, nil
}

// output runs a model on features (B, L, F) or token ids (B, L), and returns the
// output and its shape.
func output(m *models.Classifier, x npy.Array) ([]float64, []int, error) {
	cfg := m.Config().(models.ClassifierConfig)
	if want := 3 - min(cfg.Vocab, 1); len(x.Shape) != want || slices.Contains(x.Shape, 0) {
		return nil, nil, fmt.Errorf("want an input with %d axes, features (B, L, F) or token ids (B, L), got shape %v", want, x.Shape)
	}
	g := G.NewGraph()
	c, err := m.CloneTo(g, layers.ForLength(x.Shape[1]))
	if err != nil {
		return nil, nil, err
	}
	in, err := input(g, c.Params()[0].Node.Dtype(), x, cfg)
	if err != nil {
		return nil, nil, err
	}
	y, err := c.Fwd(in, nil)
	if err != nil {
		return nil, nil, err
	}
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return nil, nil, err
	}
	switch v := y.Value().Data().(type) {
	case []float64:
		return slices.Clone(v), y.Shape(), nil
	case []float32:
		out := make([]float64, len(v))
		for i := range v {
			out[i] = float64(v[i])
		}
		return out, y.Shape(), nil
	}
	return nil, nil, fmt.Errorf("want an output of floats, got %v", y.Dtype())
}

// input puts x on a graph.
func input(g *G.ExprGraph, dt tensor.Dtype, x npy.Array, cfg models.ClassifierConfig) (*G.Node, error) {
	var data any = x.Data
	switch {
	case cfg.Vocab > 0:
		dt = tensor.Int
		ids := make([]int, len(x.Data))
		for i, v := range x.Data {
			if v != math.Trunc(v) || v < 0 || v >= float64(cfg.Vocab) {
				return nil, fmt.Errorf("input: element %d: want a token id in [0, %d), got %v", i, cfg.Vocab, v)
			}
			ids[i] = int(v)
		}
		data = ids
	case x.Shape[2] != cfg.Features:
		return nil, fmt.Errorf("input: want %d features, got shape %v", cfg.Features, x.Shape)
	case dt == tensor.Float32:
		f := make([]float32, len(x.Data))
		for i, v := range x.Data {
			f[i] = float32(v)
		}
		data = f
	}
	return G.NewTensor(g, dt, len(x.Shape), G.WithShape(x.Shape...), G.WithName("x"), G.WithValue(tensor.New(tensor.WithShape(x.Shape...), tensor.WithBacking(data)))), nil
}

// choices are the values that may be tried of an option that nothing says.
var choices = []struct {
	name   string
	values []any
}{
	{"prenorm", []any{true, false}},
	{"disc", []any{"zoh", "bilinear"}},
	{"dt_transform", []any{"exp", "softplus"}},
	{"real_transform", []any{"exp", "softplus", "relu", "sigmoid"}},
	{"version", []any{"softmax", "exp", "exp-no-scale", "clip", "clip-no-scale"}},
	{"pool", []any{"mean", "last", "first", "sum"}},
}

// fit returns the options of a training with which the outputs for x are y: those that
// are set, if they do, and else with what nothing says chosen so. If more than one
// choice does, it is the first.
func fit(c *statespaces.Checkpoint, o *options, notes io.Writer) (map[string]any, error) {
	in, err := c.Inspect(statespaces.With(o.hyper))
	if err != nil {
		return nil, err
	}
	var first error
	best := math.Inf(1)
	tries := combinations(in, o.hyper)
	for i, hyper := range tries {
		m, _, err := newModel(c, o, statespaces.With(hyper))
		var d float64
		if err == nil {
			d, err = difference(m, o)
		}
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		if d <= o.tolerance {
			return hyper, found(hyper, o.hyper, i, d, notes)
		}
		best = min(best, d)
	}
	if math.IsInf(best, 1) && first != nil {
		return nil, first
	}
	return nil, fmt.Errorf("-check: want outputs that differ by at most %g from %s, got %.3g at best in %d ways to read what nothing says of the checkpoint", o.tolerance, o.checkY, best, len(tries))
}

// found says which options were found.
func found(hyper, given map[string]any, try int, d float64, notes io.Writer) error {
	var names []string
	for _, c := range choices {
		if _, ok := given[c.name]; !ok && hyper[c.name] != nil {
			names = append(names, fmt.Sprintf("%s=%v", c.name, hyper[c.name]))
		}
	}
	if len(names) == 0 || try == 0 && hyper["prenorm"] == given["prenorm"] {
		_, err := fmt.Fprintf(notes, "the outputs fit: off by %.2g at most\n", d)
		return err
	}
	_, err := fmt.Fprintf(notes, "the outputs fit with %s: off by %.2g at most\n", strings.Join(names, ", "), d)
	return err
}

// combinations returns all choices of what nothing says, that which is assumed first.
func combinations(in *statespaces.Inspection, given map[string]any) []map[string]any {
	all := []map[string]any{given}
	_, err := in.Config()
	for _, c := range choices {
		i := slices.IndexFunc(in.Assumed, func(s string) bool {
			return strings.HasPrefix(s, c.name+":") || c.name == "real_transform" && strings.HasPrefix(s, "real_type:")
		})
		if i < 0 && (c.name != "prenorm" || err == nil) {
			continue
		}
		values := slices.Clone(c.values)
		if i >= 0 {
			_, assumed, _ := strings.Cut(in.Assumed[i], ": ")
			slices.SortStableFunc(values, func(a, b any) int {
				switch {
				case a == assumed && b != assumed:
					return -1
				case b == assumed && a != assumed:
					return 1
				}
				return 0
			})
		}
		var more []map[string]any
		for _, v := range values {
			for _, m := range all {
				m = maps.Clone(m)
				m[c.name] = v
				more = append(more, m)
			}
		}
		all = more
	}
	return all
}
