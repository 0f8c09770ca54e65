package statespaces

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/param"
)

// Dtype returns the type of a model that has all numbers of the checkpoint:
// tensor.Float64 if it has any of that, and else tensor.Float32.
func (c *Checkpoint) Dtype() tensor.Dtype {
	if slices.ContainsFunc(c.Tensors, func(t Tensor) bool { _, ok := t.Data.([]float64); return ok }) {
		return tensor.Float64
	}
	return tensor.Float32
}

// Model makes the classifier that Config describes, of the type Dtype, and loads it.
func (c *Checkpoint) Model(g *G.ExprGraph, opts ...Option) (*models.Classifier, error) {
	return c.ModelAs(g, c.Dtype(), opts...)
}

// ModelAs is Model with parameters of type dt.
func (c *Checkpoint) ModelAs(g *G.ExprGraph, dt tensor.Dtype, opts ...Option) (*models.Classifier, error) {
	cfg, err := c.Config(opts...)
	if err != nil {
		return nil, err
	}
	m, err := models.NewClassifier(g, dt, cfg, 0)
	if err != nil {
		return nil, fmt.Errorf("statespaces: %w", err)
	}
	if _, err := c.Load(m, opts...); err != nil {
		return nil, err
	}
	return m, nil
}

// Load copies the checkpoint into the parameters and buffers of a model, as
// param.Loader does that of a file: all of them are there and nothing is left over,
// but see Partial. The random states of dropouts, which a checkpoint does not have,
// stay what they are. A model whose layers are known to compute something else, such
// as those of another discretisation, is an error.
func (c *Checkpoint) Load(into param.Source, opts ...Option) (*param.Report, error) {
	r, err := c.load(into, opts)
	if err != nil {
		return nil, fmt.Errorf("statespaces: load: %w", err)
	}
	return r, nil
}

func (c *Checkpoint) load(into param.Source, opts []Option) (*param.Report, error) {
	if into == nil {
		return nil, errors.New("want a model, got nil")
	}
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	in, err := c.inspect(o)
	if err != nil {
		return nil, err
	}
	if len(in.Unknown) > 0 && !o.partial {
		return nil, fmt.Errorf("want tensors of a model that is known, got %q", short(in.Unknown))
	}
	if m, ok := into.(interface{ Blocks() []*layers.Block }); ok && !o.partial {
		if err := in.agrees(m.Blocks()); err != nil {
			return nil, err
		}
	}
	ts, err := in.tensors(c)
	if err != nil {
		return nil, err
	}
	all, err := variables(into)
	if err != nil {
		return nil, err
	}
	ts, left := kept(o, ts, func(t safetensors.Tensor) string { return t.Name })
	vars, missing := kept(o, all, func(v weights.Var) string { return v.Name })
	m, err := weights.Compare(ts, vars)
	if err != nil {
		return nil, err
	}
	check := m.Err
	if o.partial {
		check = m.Torn
	}
	if err := check(); err != nil {
		return nil, err
	}
	err = weights.OrAsBefore(vars, func() error {
		err := m.Copy()
		if s, ok := into.(interface{ Settle() error }); ok && err == nil {
			err = s.Settle()
		}
		if err == nil {
			err = in.limitBand(all)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &param.Report{Loaded: len(vars) - len(m.Missing), Missing: append(missing, m.Missing...), Left: append(in.theirs(append(left, m.Left...)), in.Unknown...)}, nil
}

// kept returns those that Without does not leave out, and the names of the others.
func kept[T any](o *options, all []T, name func(T) string) (some []T, without []string) {
	for _, x := range all {
		if o.leaves(name(x)) {
			without = append(without, name(x))
		} else {
			some = append(some, x)
		}
	}
	return some, without
}

// variables lists the parameters and buffers of a model but for the random states of
// its dropouts.
func variables(m param.Source) ([]weights.Var, error) {
	var vars []weights.Var
	for _, p := range m.Params() {
		v, err := p.Value()
		if err != nil {
			return nil, err
		}
		vars = append(vars, weights.Var{Name: p.Name, Value: v})
	}
	for _, b := range m.Buffers() {
		if !isRandom(b.Name) {
			vars = append(vars, weights.Var{Name: b.Name, Value: b.Value})
		}
	}
	return vars, nil
}

// isRandom says whether a buffer is the random state of a dropout.
func isRandom(name string) bool { return strings.HasSuffix(name, ".rng") }

// theirs returns the names in the checkpoint of tensors of ours.
func (in *Inspection) theirs(ours []string) []string {
	var names []string
	for _, n := range in.Layout.Names {
		if slices.Contains(ours, n.Ours) {
			for _, p := range n.Theirs {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

// tensors returns the tensors of a model here.
func (in *Inspection) tensors(c *Checkpoint) ([]safetensors.Tensor, error) {
	byName := make(map[string]Tensor, len(c.Tensors))
	for _, t := range c.Tensors {
		byName[t.Name] = t
	}
	ts := make([]safetensors.Tensor, len(in.Layout.Names))
	for i, n := range in.Layout.Names {
		var err error
		if ts[i], err = n.ours(byName); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", n.Theirs[0].Name, err)
		}
	}
	return ts, nil
}

// blocks returns the configuration of every block.
func (in *Inspection) blocks() []layers.BlockConfig {
	s := in.cfg.Stack
	var all []layers.BlockConfig
	for i := range s.Len() {
		all = append(all, s.Blocks[i%len(s.Blocks)])
	}
	return all
}

// limitBand sets C of those states to zero whose frequency, dt |Im A|/2 pi, is half
// the bandlimit or more, as the public code does in every kernel: of S4, once C is tuned.
func (in *Inspection) limitBand(vars []weights.Var) error {
	if in.bandlimit == 0 {
		return nil
	}
	at := make(map[string]any, len(vars))
	for _, v := range vars {
		var err error
		if at[v.Name], err = weights.Elements(v.Value); err != nil {
			return err
		}
	}
	for i, b := range in.blocks() {
		name := fmt.Sprintf("blocks.%d.layer.kernel.", i)
		dt, im, c := doubles(at[name+"log_dt"]), doubles(at[name+"A_imag"]), at[name+"C"]
		if dt == nil || im == nil || c == nil {
			return fmt.Errorf("option bandlimit: want S4 or S4D in all blocks, got another layer in block %d", i)
		}
		n, transform := states(b.Mixer)
		h := b.DModel()
		cols, matrices := len(dt)/h, len(im)/n
		for j := range len(doubles(c)) / 2 {
			f, state := j/n%h, j%n
			step, _ := transform.Eval(dt[f*cols+state%cols])
			if step*math.Abs(im[f%matrices*n+state])/(2*math.Pi) >= in.bandlimit/2 {
				clearPair(c, j)
			}
		}
	}
	return nil
}

// states returns the number of states that a layer stores for each feature, and the
// transform of its step sizes.
func states(m layers.MixerConfig) (int, ssm.Transform) {
	switch m := m.(type) {
	case layers.S4Config:
		return m.DState / 2, m.DtTransform
	case layers.S4DConfig:
		return m.DState / 2, m.DtTransform
	}
	return 1, ssm.Exp
}

// doubles returns floats as float64.
func doubles(data any) []float64 {
	switch d := data.(type) {
	case []float64:
		return d
	case []float32:
		out := make([]float64, len(d))
		for i, v := range d {
			out[i] = float64(v)
		}
		return out
	}
	return nil
}

// clearPair sets a complex number to zero.
func clearPair(data any, i int) {
	switch d := data.(type) {
	case []float64:
		clear(d[2*i : 2*i+2])
	case []float32:
		clear(d[2*i : 2*i+2])
	}
}

// agrees reports the first layer of a model that computes something else with the
// tensors of the checkpoint than the public module. What is only assumed of the
// checkpoint is not held against it.
func (in *Inspection) agrees(blocks []*layers.Block) error {
	known := func(option string) bool {
		return !slices.ContainsFunc(in.Assumed, func(s string) bool { return strings.HasPrefix(s, option+":") })
	}
	for i, want := range in.blocks() {
		if i >= len(blocks) {
			return nil // names say it
		}
		got := blocks[i].Config()
		w, g := meaningOf(want.Mixer), meaningOf(got.Mixer)
		var diff error
		switch {
		case w.kind != g.kind:
			diff = fmt.Errorf("want a layer %s, got %s", w.kind, g.kind)
		case w.bidirectional && (!g.bidirectional || !g.offByOne):
			diff = errors.New("want Bidirectional and OffByOne, got a layer without")
		case known("disc") && w.disc != g.disc:
			diff = fmt.Errorf("want Disc %q, got %q", w.disc, g.disc)
		case known("dt_transform") && w.dt != g.dt:
			diff = fmt.Errorf("want DtTransform %q, got %q", w.dt, g.dt)
		case known("real_transform") && known("real_type") && w.a != g.a:
			diff = fmt.Errorf("want ATransform %q, got %q", w.a, g.a)
		case known("version") && w.version != g.version:
			diff = fmt.Errorf("want Version %q, got %q", w.version, g.version)
		case in.err == nil && want.Norm != layers.NoNorm && want.PreNorm != got.PreNorm:
			diff = fmt.Errorf("want PreNorm %t, got %t", want.PreNorm, got.PreNorm)
		}
		if diff != nil {
			return fmt.Errorf("block %d: %w, as the checkpoint is", i, diff)
		}
	}
	return nil
}

// meaning is what the tensors of a layer mean.
type meaning struct {
	kind                    string
	disc, dt, a, version    string
	bidirectional, offByOne bool
}

// meaningOf returns that of a configuration, with its defaults filled in.
func meaningOf(m layers.MixerConfig) meaning {
	def := func(s, d string) string {
		if s == "" {
			return d
		}
		return s
	}
	switch m := m.(type) {
	case layers.S4Config:
		return meaning{kind: "S4", dt: def(string(m.DtTransform), "exp"), a: def(string(m.ATransform), "exp"), bidirectional: m.Bidirectional, offByOne: m.OffByOne}
	case layers.S4DConfig:
		return meaning{kind: "S4D", disc: def(string(m.Disc), "zoh"), dt: def(string(m.DtTransform), "exp"), a: def(string(m.ATransform), "exp"), bidirectional: m.Bidirectional, offByOne: m.OffByOne}
	case layers.DSSConfig:
		return meaning{kind: "DSS", version: def(string(m.Version), "softmax"), bidirectional: m.Bidirectional, offByOne: m.OffByOne}
	}
	return meaning{kind: fmt.Sprintf("%T", m)}
}
