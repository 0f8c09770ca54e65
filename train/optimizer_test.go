package train

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
)

// momentum is an optimiser with a state of its own. It fails at one of its
// steps, when it has updated the first parameter.
type momentum struct {
	v    map[string][]float64
	fail int // steps left
	err  error
}

func (o *momentum) Update(ps []Learned, factor float64) error {
	o.fail--
	for i, p := range ps {
		if o.fail == 0 && i > 0 {
			return o.err
		}
		v := slices.Clone(o.v[p.Name])
		if v == nil {
			v = make([]float64, p.Value.Len())
		}
		for j := range v {
			v[j] = 0.9*v[j] + p.Grad.At(j)
			if p.Value.Float32s != nil {
				p.Value.Float32s[j] -= float32(0.1 * factor * v[j])
			} else {
				p.Value.Float64s[j] -= 0.1 * factor * v[j]
			}
		}
		if o.fail != 0 {
			o.v[p.Name] = v
		}
	}
	return nil
}

func (o *momentum) State() (ts []Tensor, err error) {
	for name, v := range o.v {
		ts = append(ts, Tensor{Name: name, Shape: []int{len(v)}, Data: slices.Clone(v)})
	}
	slices.SortFunc(ts, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	return ts, nil
}

func (o *momentum) SetState(ts []Tensor) error {
	o.v = make(map[string][]float64)
	for _, t := range ts {
		o.v[t.Name] = slices.Clone(t.Data.([]float64))
	}
	return nil
}

func newMomentum(fail int, err error) *momentum {
	return &momentum{v: make(map[string][]float64), fail: fail, err: err}
}

// An optimiser that fails amid a step ends the run with what was before the
// step, and the run that is resumed from there is the one that it would have
// been.
func TestFailingOptimizer(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	full := errors.New("out of range")
	run := func(o Optimizer, l *losses, from string) (*Trainer, *Result, error) {
		tr, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithOptimizer(o), WithMetrics(Accuracy()), WithHooks(l))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tr.Close() })
		if from != "" {
			c, err := ReadCheckpoint(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.Resume(c); err != nil {
				t.Fatal(err)
			}
		}
		r, err := tr.Fit(context.Background())
		return tr, r, err
	}
	cfg.CheckpointDir = t.TempDir()
	l := &losses{}
	tr, r, err := run(newMomentum(0, nil), l, "")
	if err != nil {
		t.Fatal(err)
	}
	want := outcomeOf(t, tr, r, l.loss)
	if _, ok := want.Tensors["train:optimizer.out.weight"]; !ok {
		t.Error("the optimiser's state is not in the checkpoint")
	}
	for _, at := range []int{1, 8, tinySteps} {
		cfg.CheckpointDir = t.TempDir()
		first, rest := &losses{}, &losses{}
		_, _, err := run(newMomentum(at, full), first, "")
		if !errors.Is(err, full) || !strings.Contains(err.Error(), "in the batch of examples ") || !strings.Contains(err.Error(), ": optimiser: out of range (the latest checkpoint, ") {
			t.Fatalf("step %d: got error %v", at, err)
		}
		tr, r, err := run(newMomentum(0, nil), rest, filepath.Join(cfg.CheckpointDir, LastCheckpoint))
		if err != nil {
			t.Fatal(err)
		}
		if got := outcomeOf(t, tr, r, append(first.loss, rest.loss...)); len(first.loss) != at-1 || !reflect.DeepEqual(got, want) {
			t.Errorf("failed in step %d:\n%+v\nunbroken:\n%+v", at, got, want)
		}
	}
}

// An optimiser that refuses its saved state leaves the model as it was.
type refusing struct{ *momentum }

func (refusing) SetState([]Tensor) error { return errors.New("unknown state") }

func TestRefusedStateChangesNothing(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	cfg.Steps = 4
	m := newTinyModel(mc, tensor.Float32)
	before := floats(m.w1)
	var o Optimizer = refusing{newMomentum(0, nil)}
	tr, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithOptimizer(o))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Fit(context.Background()); err != nil {
		t.Fatal(err)
	}
	c, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, LastCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(cfg, m, train, val, WithOptimizer(o))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Resume(c); err == nil || !strings.HasSuffix(err.Error(), "the optimiser's state: unknown state") {
		t.Errorf("got error %v", err)
	}
	if !slices.Equal(floats(m.w1), before) || other.state.Step != 0 {
		t.Error("the refused checkpoint changed the model")
	}
}

// A solver of Gorgonia's steps at the rates of the schedule, on all graphs of the
// model.
func TestSolverFollowsTheSchedule(t *testing.T) {
	shapes := []tensor.Shape{{4}, {3, 2}}
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		a := newBench(t, dt, nil, shapes...)
		other := newBench(t, dt, a, shapes...)
		want := slices.Concat(a.value(0), a.value(1))
		o := FromSolver(G.NewVanillaSolver(G.WithLearnRate(77)), 0.1)
		var g Gradients
		for step, on := range []*bench{a, other, other, a} {
			grad := func(i, j int) float64 { return float64(1 + step + 4*i + j) }
			on.grads(t, grad)
			factor := 1 / float64(1+step)
			if err := g.Step(on.params, 1, o, factor); err != nil {
				t.Fatal(err)
			}
			for i := range shapes {
				for j := range a.value(i) {
					want[i*4+j] -= 0.1 * factor * grad(i, j)
				}
			}
		}
		if d := distance(slices.Concat(a.value(0), a.value(1)), want); d > 1e-6 {
			t.Errorf("%v: got %v and %v, want %v", dt, a.value(0), a.value(1), want)
		}
	}
}

// A solver whose state is known not to be read learns, saves the parameters, and
// says that no run can be resumed from them.
func TestSolverWithoutState(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	var told strings.Builder
	m := newTinyModel(mc, tensor.Float32)
	run := func(m *tinyModel, ctx context.Context, hooks ...Hook) (*Trainer, error) {
		tr, err := New(cfg, m, train, val, WithOptimizer(FromSolver(G.NewAdamSolver(), 0.05)), WithMetrics(Accuracy()), WithHooks(hooks...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tr.Close() })
		_, err = tr.Fit(ctx)
		return tr, err
	}
	tr, err := run(m, context.Background(), NewProgress(&told))
	if err != nil {
		t.Fatal(err)
	}
	if h := tr.state.History; h[len(h)-1].Val.Loss >= h[0].Val.Loss {
		t.Errorf("the loss went from %v to %v", h[0].Val.Loss, h[len(h)-1].Val.Loss)
	}
	why := "*gorgonia.AdamSolver: the optimiser's state cannot be saved"
	if n := strings.Count(told.String(), "saved, but no run can be resumed from it: "+why+"\n"); n != 1 {
		t.Errorf("told %d times that no run can be resumed:\n%s", n, told.String())
	}
	c, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, LastCheckpoint))
	if err != nil || c.NotSaved != why {
		t.Fatalf("%q, %v", c.NotSaved, err)
	}
	loaded := newTinyModel(mc, tensor.Float32)
	if err := c.LoadModel(loaded); err != nil || !slices.Equal(floats(loaded.w1), floats(m.w1)) {
		t.Errorf("the parameters are not those of the run: %v", err)
	}
	again, err := New(cfg, loaded, train, val, WithOptimizer(FromSolver(G.NewAdamSolver(), 0.05)), WithMetrics(Accuracy()))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Resume(c); err == nil || !strings.HasSuffix(err.Error(), why+": its parameters are for Checkpoint.LoadModel, and a new run") {
		t.Errorf("got error %v", err)
	}
	cfg.CheckpointDir = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := run(newTinyModel(mc, tensor.Float32), ctx); err == nil || !strings.Contains(err.Error(), "saved in "+filepath.Join(cfg.CheckpointDir, LastCheckpoint)+", but no run can be resumed from it: "+why) {
		t.Errorf("got error %v", err)
	}
}

// A solver without a state is resumed bit for bit.
func TestVanillaSolverResumes(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	run := func(steps int, from string) []float64 {
		cfg.Steps, cfg.Schedule = steps, Schedule{}
		m := newTinyModel(mc, tensor.Float32)
		tr, err := New(cfg, m, train, val, WithOptimizer(FromSolver(G.NewVanillaSolver(), 0.5)))
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if from != "" {
			c, err := ReadCheckpoint(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.Resume(c); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := tr.Fit(context.Background()); err != nil {
			t.Fatal(err)
		}
		return floats(m.w2)
	}
	cfg.CheckpointDir = t.TempDir()
	want := run(9, "")
	cfg.CheckpointDir = t.TempDir()
	run(4, "")
	if got := run(9, filepath.Join(cfg.CheckpointDir, LastCheckpoint)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// ownSolver is a solver that Gorgonia does not know.
type ownSolver struct{ err error }

func (s ownSolver) Step([]G.ValueGrad) error { return s.err }

func TestOptimizersRejected(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	m := newTinyModel(mc, tensor.Float32)
	for want, o := range map[string]Optimizer{
		"train: FromSolver: want a solver, got nil":            FromSolver(nil, 1),
		"train: FromSolver: want a learning rate > 0, got NaN": FromSolver(G.NewAdamSolver(), math.NaN()),
		"gorgonia.AdamW never changes a parameter":             FromSolver(G.NewAdamW(), 1),
		"want Config.Clip in the place of the option Clip":     NewAdamW(ParamGroups(m.Params()), Clip(1)),
		"train: AdamW: want betas in [0, 1)":                   NewAdamW(ParamGroups(m.Params()), Betas(2, 0)),
	} {
		if _, err := New(cfg, m, train, val, WithOptimizer(o)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	lost := errors.New("lost")
	for want, o := range map[string]Optimizer{
		"train.ownSolver: want a constant learning rate, for this solver's cannot be changed, got 0.33": FromSolver(ownSolver{}, 1),
		"*gorgonia.AdaGradSolver: want a constant learning rate":                                        FromSolver(G.NewAdaGradSolver(), 1),
		`optimiser: AdamW: parameter "out.weight" is in none of the groups`:                             NewAdamW(ParamGroups(m.Params()[:1])),
	} {
		tr, err := New(cfg, m, train, val, WithOptimizer(o))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Fit(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
		tr.Close()
	}
	if err := FromSolver(ownSolver{lost}, 1).Update(nil, 1); !errors.Is(err, lost) {
		t.Errorf("got error %v", err)
	}
	if err := FromSolver(ownSolver{}, 1).Update(nil, 1); err != nil {
		t.Error(err)
	}
	if err := FromSolver(G.NewVanillaSolver(), 1).SetState([]Tensor{{Name: "m.w"}}); err == nil || !strings.Contains(err.Error(), `want no state, got tensor "m.w"`) {
		t.Errorf("got error %v", err)
	}
}

// ParamGroups of plain nodes go by the nodes' names.
func TestNodeGroups(t *testing.T) {
	b := newBench(t, tensor.Float64, nil, tensor.Shape{2}, tensor.Shape{3})
	groups := NodeParamGroups(b.nodes(), LR(0.5), WeightDecay(0.25))
	for i, g := range groups {
		if g != (ParamGroup{Name: b.params[i].Name, Node: b.params[i].Node, LR: 0.5, WeightDecay: 0.25}) {
			t.Errorf("got %+v", g)
		}
	}
	o := NewAdamW(groups)
	if err := o.Step(b.grads(t, func(i, j int) float64 { return 1 })); err != nil {
		t.Error(err)
	}
}

// A solver gets a gradient that does not lie in row-major order as one that does.
func TestSolverOfTransposedGradient(t *testing.T) {
	grad := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float64{1, 2, 3, 4, 5, 6}))
	if err := grad.T(); err != nil {
		t.Fatal(err)
	}
	value := tensor.New(tensor.WithShape(3, 2), tensor.WithBacking(make([]float64, 6)))
	n := G.NewMatrix(G.NewGraph(), tensor.Float64, G.WithShape(3, 2), G.WithName("w"), G.WithValue(value), G.WithGrad(grad))
	var g Gradients
	if err := g.Step([]param.Param{{Name: "w", Node: n}}, 1, FromSolver(G.NewVanillaSolver(), 1), 1); err != nil {
		t.Fatal(err)
	}
	if got := floats(value); !slices.Equal(got, []float64{-1, -4, -2, -5, -3, -6}) {
		t.Errorf("got %v", got)
	}
}
