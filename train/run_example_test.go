package train_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/train"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		panic(err)
	}
}

// temporary makes a directory for an Example, which removes it.
func temporary() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "run")
	check(err)
	return dir, func() { check(os.RemoveAll(dir)) }
}

// power is a hook that fails after some steps: it cuts the power off.
type power struct {
	train.BaseHook // what is not of interest
	steps          int
	cut            func()
}

func (p *power) OnStep(e train.StepEvent) error {
	if e.Step == p.steps {
		p.cut()
	}
	return nil
}

// A run is interrupted, and goes on where it was. Its best model is loaded at the end.
func ExampleTrainer_Resume() {
	dir, remove := temporary()
	defer remove()
	cfg := train.Config{
		Epochs: 10, BatchSize: 16, LR: 0.02, DType: train.Float64, Buckets: []int{longest},
		CheckpointDir: dir, MaxDuration: train.Duration(time.Hour),
	}
	ctx, cut := context.WithCancel(context.Background())
	tr, err := train.New(cfg, newRoom(), heating{200, 1}, heating{50, 2}, train.WithHooks(&power{steps: 40, cut: cut}))
	check(err)
	_, err = tr.Fit(ctx)
	var stopped *train.InterruptedError
	if errors.As(err, &stopped) {
		fmt.Println("stopped at step", stopped.Step, filepath.Base(stopped.Checkpoint))
	}
	check(tr.Close())

	// Another process: the same configuration, data and kind of model.
	c, err := train.ReadCheckpoint(filepath.Join(dir, train.LastCheckpoint))
	check(err)
	was := c.State
	fmt.Println(was.Step, "steps,", was.Position.Epoch, "epochs,", len(was.History), "evaluations of", c.Data.Val.Examples, "examples")
	var window train.Tally = was.Window // of the loss since the last evaluation
	fmt.Println("one step of the next epoch, of", window.Count, "temperatures")
	model := newRoom()
	if tr, err = train.New(cfg, model, heating{200, 1}, heating{50, 2}); err != nil {
		fmt.Println(err)
		return
	}
	defer tr.Close()
	check(tr.Resume(c))
	result, err := tr.Fit(context.Background())
	check(err)
	check(tr.LoadBest())
	fmt.Println(result.Reason == train.Finished, "after", result.Steps, "steps")

	// Only the weights, for something else.
	best, err := train.ReadCheckpoint(filepath.Join(dir, train.BestCheckpoint))
	check(err)
	other := newRoom()
	check(best.LoadModel(other))
	fmt.Println("the same weights:", other.a.Float64s()[0] == model.a.Float64s()[0])
	// Output:
	// stopped at step 40 last.json
	// 40 steps, 3 epochs, 3 evaluations of 50 examples
	// one step of the next epoch, of 114 temperatures
	// true after 130 steps
	// the same weights: true
}

// evaluations is a hook that looks at every event of a run.
type evaluations struct{ w io.Writer }

func (h evaluations) OnStart(e train.StartEvent) error {
	_, err := fmt.Fprintln(h.w, "a run of", e.Steps, "steps,", e.StepsPerEpoch, "for an epoch")
	return err
}
func (h evaluations) OnStep(train.StepEvent) error { return nil }
func (h evaluations) OnEval(e train.EvalEvent) error {
	_, err := fmt.Fprintf(h.w, "step %d: loss %.2f, best so far: %t\n", e.Step, e.Val.Value(train.Loss), e.Best)
	return err
}
func (h evaluations) OnCheckpoint(e train.CheckpointEvent) error {
	_, err := fmt.Fprintln(h.w, "saved", filepath.Base(e.Path))
	return err
}
func (h evaluations) OnEnd(e train.EndEvent) error {
	_, err := fmt.Fprintln(h.w, "end:", e.Result.Reason, e.Err)
	return err
}

// What can be seen of a run: a bar on a terminal, or lines; files of all its numbers;
// and what one's own hook makes of the events.
func ExampleHook() {
	dir, remove := temporary()
	defer remove()
	cfg := train.Config{Steps: 26, BatchSize: 16, LR: 0.02, DType: train.Float64, Buckets: []int{longest}, CheckpointDir: dir}
	metrics := filepath.Join(dir, "metrics.jsonl")
	var lines bytes.Buffer // os.Stderr, as a rule
	hooks := []train.Hook{train.NewProgress(&lines), train.NewMetricsFile(metrics), evaluations{os.Stdout}}
	var model train.Model = newRoom()
	tr, err := train.New(cfg, model, heating{200, 1}, heating{50, 2}, train.WithHooks(hooks...))
	check(err)
	defer tr.Close()
	_, err = tr.Fit(context.Background())
	check(err)
	fmt.Println("lines of progress:", strings.Contains(lines.String(), "step 1/26"))

	f, err := os.Open(metrics)
	check(err)
	defer f.Close()
	count := map[string]int{}
	check(train.ReadMetrics(f, func(l train.MetricsLine) error {
		count[l.Kind]++
		return nil
	}))
	fmt.Println(count[train.StepLine], "steps,", count[train.EvalLine], "evaluations")
	// Output:
	// a run of 26 steps, 13 for an epoch
	// step 13: loss 0.06, best so far: true
	// saved last.json
	// saved best.json
	// step 26: loss 0.02, best so far: true
	// saved last.json
	// saved best.json
	// end: finished <nil>
	// lines of progress: true
	// 26 steps, 2 evaluations
}

// A learning rate by hand: a warm-up, and a fall when evaluations do not get better.
func ExampleScheduler() {
	s, err := train.NewScheduler(train.Schedule{Kind: train.Plateau, WarmUp: 2, Drop: 0.5, Patience: 2}, 100)
	check(err)
	for step := range 3 {
		fmt.Print(s.Factor(step), " ")
	}
	for _, improved := range []bool{true, false, false, false} {
		s.Observe(improved)
	}
	fmt.Println(s.Factor(50))
	var saved train.ScheduleState = s.State() // of a checkpoint of one's own
	again, err := train.NewScheduler(train.Schedule{Kind: train.Plateau, WarmUp: 2, Drop: 0.5, Patience: 2}, 100)
	check(err)
	again.SetState(saved)
	fmt.Println(saved.Falls, "fall;", again.Factor(50))
	// Output:
	// 0.5 1 1 0.5
	// 1 fall; 0.5
}

// The configuration of a run is a file: times are text, and the type of the numbers is
// what the model is made with.
func ExampleConfig() {
	var cfg train.Config
	check(json.Unmarshal([]byte(`{"epochs": 3, "batch_size": 8, "lr": 0.001, "max_duration": "9m30s", "dtype": "float64"}`), &cfg))
	fmt.Println(cfg.Validate(), cfg.MaxDuration, cfg.DType.Tensor())
	cfg.BatchSize = 0
	fmt.Println(cfg.Validate())
	// Output:
	// <nil> 9m30s float64
	// train: Config: want BatchSize >= 1, got 0
}

// A plain Gorgonia model, two of whose parameters learn at rates of their own, with the
// gradients of a step bounded together.
func ExampleNodeParamGroups() {
	g := G.NewGraph()
	w := G.NewVector(g, tensor.Float64, G.WithShape(2), G.WithName("w"), G.WithInit(G.Ones()))
	b := G.NewVector(g, tensor.Float64, G.WithShape(2), G.WithName("b"), G.WithInit(G.Ones()))
	loss := G.Must(G.Sum(G.Must(G.Square(G.Must(G.Add(w, b))))))
	_, err := G.Grad(loss, w, b)
	check(err)
	vm := G.NewTapeMachine(g, G.BindDualValues(w, b))
	defer vm.Close()

	groups := train.NodeParamGroups(G.Nodes{w}, train.LR(0.1), train.WeightDecay(0))
	groups = append(groups, train.ParamGroup{Name: "b", Node: b, LR: 0.01})
	solver := train.NewAdamW(groups, train.Betas(0.9, 0.95), train.Eps(1e-6), train.Clip(1))
	check(solver.Err()) // of the arguments
	solver.SetFactor(0.5)
	check(vm.RunAll(), solver.Step(G.NodesToValueGrads(G.Nodes{w, b})))
	fmt.Printf("w %.3f b %.3f gradient %.1f\n", w.Value().Data(), b.Value().Data(), solver.GradNorm())
	fmt.Println(train.NewAdamW(train.NodeParamGroups(G.Nodes{w, w})).Err())
	// Output:
	// w [0.950 0.950] b [0.995 0.995] gradient 8.0
	// train: AdamW: two parameters are named "w"
}

// A solver whose state cannot be read still trains, but no run goes on from its
// checkpoints.
func ExampleFromSolver() {
	o := train.FromSolver(G.NewAdamSolver(), 0.02)
	_, err := o.State()
	fmt.Println(errors.Is(err, train.ErrNotSaved))
	// Output: true
}

// A number that is none ends a run: the error says where.
func ExampleNonFiniteError() {
	model := newRoom()
	model.b.SetAt(math.NaN(), 2, 3)
	cfg := train.Config{Steps: 5, BatchSize: 16, LR: 0.02, DType: train.Float64, Buckets: []int{longest}}
	tr, err := train.New(cfg, model, heating{200, 1}, nil)
	if err == nil {
		defer tr.Close()
		_, err = tr.Fit(context.Background())
	}
	var bad *train.NonFiniteError
	if errors.As(err, &bad) {
		fmt.Println(bad.Param, bad.Gradient, bad.Element, bad.Value)
	}
	// Output: b false 19 NaN
}
