package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
)

// leaky is a model with a state: h <- h/2 + w sum(x), and y = h.
type leaky struct {
	w     *tensor.Dense
	param []param.Param
	spoil func(g *task.Graph, length int)
}

func newLeaky() *leaky {
	m := &leaky{w: tensor.New(tensor.WithShape(1, 1), tensor.WithBacking([]float64{0.5}))}
	m.param = m.params(G.NewGraph())
	return m
}

func (m *leaky) params(g *G.ExprGraph) []param.Param {
	return []param.Param{{Name: "w", Node: G.NewMatrix(g, tensor.Float64, G.WithShape(1, 1), G.WithName("w"), G.WithValue(m.w))}}
}
func (m *leaky) Params() []param.Param   { return m.param }
func (m *leaky) Buffers() []param.Buffer { return nil }
func (m *leaky) Config() any             { return "leaky" }

func (m *leaky) Build(_ task.Mode, batch, length int) (*task.Graph, error) {
	g := G.NewGraph()
	ps := m.params(g)
	x := G.NewTensor(g, tensor.Float64, 3, G.WithShape(batch, length, 1), G.WithName("x"))
	y := G.NewMatrix(g, tensor.Float64, G.WithShape(batch, 1), G.WithName("y"))
	in := G.NewMatrix(g, tensor.Float64, G.WithShape(batch, 1), G.WithName("h"))
	half := G.NewConstant(0.5)
	h := G.Must(G.Add(G.Must(G.HadamardProd(in, half)), G.Must(G.Mul(G.Must(G.Sum(x, 1)), ps[0].Node))))
	gr := &task.Graph{
		G: g, Inputs: map[string]*G.Node{"x": x, "y": y},
		Loss:    G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(h, y)))))),
		Outputs: map[string]*G.Node{task.Output: h},
		States:  []task.State{{Name: "h", In: in, Out: h}}, Params: ps,
	}
	if m.spoil != nil {
		m.spoil(gr, length)
	}
	return gr, nil
}

// streams are rows of 6 pieces of 2 or 3 numbers each, side by side.
func streams(t *testing.T, rows int) task.Dataset {
	t.Helper()
	var x [][]float32
	y := make([][]float32, 6*rows)
	for i := range y {
		piece, row := i/rows, i%rows
		p := make([]float32, 2+piece%2)
		for l := range p {
			p[l] = float32(math.Sin(float64(5*i + l + row)))
		}
		x, y[i] = append(x, p), []float32{float32(math.Cos(float64(i)))}
	}
	ds, err := task.NewTable(task.Col(task.Features("x", 1), x), task.Col(task.Numbers("y", 1), y))
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// trace is a metric that keeps what a model gave, in training and evaluation.
type trace struct {
	*Mean
	seen *[][]float64
}

func (m trace) New() Metric { return trace{m.Mean.New().(*Mean), m.seen} }
func (m trace) Add(out *task.Outputs, b *task.Batch) error {
	y, err := out.Array(task.Output)
	*m.seen = append(*m.seen, slices.Clone(y.Float64s))
	return err
}

func newTrace() trace {
	return trace{NewMean("trace", Higher, nil), new([][]float64)}
}

func streamConfig(dir string) Config {
	return Config{Epochs: 2, BatchSize: 4, LR: 1e-9, DType: Float64, InOrder: true, EvalEvery: 4, CheckpointDir: dir, CheckpointEvery: 1}
}

// The state of a row goes from batch to batch, from zero at the start of every
// epoch and evaluation, in micro-batches too; an evaluation amid an epoch does
// not disturb it.
func TestStatesAreCarried(t *testing.T) {
	for _, micro := range []int{4, 2, 1} {
		cfg := streamConfig("")
		cfg.MicroBatch, cfg.EvalBatchSize = micro, 4
		m, tr, data := newLeaky(), newTrace(), streams(t, 4)
		trainer, err := New(cfg, m, data, data, WithMetrics(tr))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trainer.Fit(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := trainer.Close(); err != nil {
			t.Error(err)
		}
		// 4 steps, an evaluation of 6, the rest of the epoch and two steps of the
		// next, an evaluation, the rest, and the last evaluation.
		evaluation := []int{0, 1, 2, 3, 4, 5}
		want := slices.Concat([]int{0, 1, 2, 3}, evaluation, []int{4, 5, 0, 1}, evaluation, []int{2, 3, 4, 5}, evaluation)
		for i, rows := 0, *tr.seen; i < len(want); i++ {
			parts := 4 / micro
			if isEvaluation(i) {
				parts = 1
			}
			got := slices.Concat(rows[:parts]...)
			rows = rows[parts:]
			for row, h := range got {
				if w := leakyState(t, data, want[i], row); math.Abs(h-w) > 1e-6 {
					t.Fatalf("micro-batches of %d, batch %d, row %d: state %v, want %v", micro, i, row, h, w)
				}
			}
			*tr.seen = rows
		}
	}
}

// isEvaluation says whether batch i of TestStatesAreCarried is of an evaluation.
func isEvaluation(i int) bool { return i >= 4 && i < 10 || i >= 14 && i < 20 || i >= 24 }

// leakyState computes the state of a row behind a piece of its stream.
func leakyState(t *testing.T, data task.Dataset, piece, row int) float64 {
	t.Helper()
	b := task.NewBatch(data)
	h := 0.0
	for p := range piece + 1 {
		if err := b.Load([]int{4*p + row}, 1, 3); err != nil {
			t.Fatal(err)
		}
		x, err := b.Array("x")
		if err != nil {
			t.Fatal(err)
		}
		h /= 2
		for i := range x.Len() {
			h += 0.5 * x.At(i)
		}
	}
	return h
}

// A run that is stopped after any step goes on from the states it had.
func TestStatesResume(t *testing.T) {
	data := streams(t, 4)
	run := func(dir string, stop int, resume bool) ([]float64, *Result) {
		cfg := streamConfig(dir)
		cfg.LR, cfg.MicroBatch = 0.05, 2
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		m := newLeaky()
		trainer := streamTrainer(t, cfg, m, data, stepHook{f: func(e StepEvent) error {
			if e.Step == stop {
				cancel()
			}
			return nil
		}})
		if resume {
			c, err := ReadCheckpoint(filepath.Join(dir, LastCheckpoint))
			if err != nil {
				t.Fatal(err)
			}
			if err := trainer.Resume(c); err != nil {
				t.Fatal(err)
			}
		}
		r, err := trainer.Fit(ctx)
		if err != nil && !errors.As(err, new(*InterruptedError)) {
			t.Fatal(err)
		}
		return floats(m.w), r
	}
	want, _ := run(t.TempDir(), 0, false)
	for stop := 1; stop < 12; stop++ {
		dir := t.TempDir()
		run(dir, stop, false)
		if got, _ := run(dir, 0, true); !slices.Equal(got, want) {
			t.Errorf("stopped after step %d: w %v, unbroken %v", stop, got, want)
		}
	}
}

func streamTrainer(t *testing.T, cfg Config, m Model, data task.Dataset, hooks ...Hook) *Trainer {
	t.Helper()
	tr, err := New(cfg, m, data, nil, WithHooks(hooks...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// A step that fails leaves the states before it.
func TestFailedStepKeepsTheStates(t *testing.T) {
	cfg := streamConfig("")
	left := 3
	tr, err := New(cfg, newLeaky(), streams(t, 4), nil, WithMetrics(failing{newTrace(), &left, errors.New("no")}))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Fit(context.Background()); err == nil {
		t.Fatal("the metric did not fail")
	}
	for row, h := range tr.carries[0].now["h"].Float64s {
		if w := leakyState(t, streams(t, 4), 1, row); math.Abs(h-w) > 1e-6 {
			t.Errorf("row %d: state %v, want that after step 2, %v", row, h, w)
		}
	}
}

func TestStateErrors(t *testing.T) {
	shuffled := streamConfig("")
	shuffled.InOrder = false
	for want, c := range map[string]struct {
		cfg   Config
		spoil func(g *task.Graph, length int)
	}{
		`the graph carries the state "h" from batch to batch: want Config.InOrder`: {shuffled, nil},
		`state "h": want it to be float64 of shape (4, 1), as the batch before has left it, got float64 of shape (4, 3)`: {streamConfig(""), func(g *task.Graph, length int) {
			if length == 3 {
				wide := G.NewMatrix(g.G, tensor.Float64, G.WithShape(4, 3), G.WithName("wide"))
				g.States[0].In, g.States[0].Out = wide, G.Must(G.Sigmoid(wide))
			}
		}},
		`state "h": want a tensor, got a scalar`: {streamConfig(""), func(g *task.Graph, _ int) {
			g.States[0] = task.State{Name: "h", In: G.NewScalar(g.G, tensor.Float64), Out: g.Loss}
		}},
	} {
		m := newLeaky()
		m.spoil = c.spoil
		c.cfg.Buckets = []int{2, 3}
		tr := streamTrainer(t, c.cfg, m, streams(t, 4))
		if _, err := tr.Fit(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

// rowsOf are streams that say how many they are.
type rowsOf struct {
	task.Dataset
	rows int
}

func (r rowsOf) Rows() int { return r.rows }

// Batches that do not have a row for each stream are an error: a row would go on from the
// state of another stream.
func TestStreamsOfOtherBatches(t *testing.T) {
	ctx := context.Background()
	train := func(rows int) (*Trainer, error) {
		tr := streamTrainer(t, streamConfig(""), newLeaky(), rowsOf{streams(t, rows), rows})
		_, err := tr.Fit(ctx)
		return tr, err
	}
	tr, err := train(4)
	if err != nil {
		t.Fatal(err)
	}
	const want = `the graph carries the state "h" from batch to batch: want a batch of 8 rows, one for each stream of the data, got 4`
	if _, err := tr.Evaluate(ctx, rowsOf{streams(t, 8), 8}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("evaluation: got error %v, want one with %q", err, want)
	}
	if _, err := train(8); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("training: got error %v, want one with %q", err, want)
	}
}

func TestCarriesInCheckpoints(t *testing.T) {
	c := newCarry()
	c.now = map[string]task.Array{
		"a.b": {Shape: tensor.Shape{2}, Float32s: []float32{1, 2}},
		"c":   {Shape: tensor.Shape{1, 2}, Float64s: []float64{3, 4}},
		"n":   {Shape: tensor.Shape{2, 1}, Ints: []int{-5, 6}},
	}
	got, err := readCarries(c.tensors(1), 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(got[0].now) != 0 || !reflect.DeepEqual(got[1].now, c.now) {
		t.Errorf("got %v, want %v", fmt.Sprint(got[1].now), c.now)
	}
}
