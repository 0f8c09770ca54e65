package train

import (
	"context"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/param"
)

// No run has memory in common with the configuration it is given.
func TestRunsShareNoMemoryWithTheirCaller(t *testing.T) {
	testutil.CheckConfigs(t, map[string][]func() (given, kept any, out []any){
		"Config": {func() (given, kept any, out []any) {
			cfg, mc, train, val := tinyRun(t.TempDir())
			cfg.Rules = param.Rules{param.Rate("*", 0.01)}
			return cfg, newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val), nil
		}},
		"LoaderConfig": {func() (given, kept any, out []any) {
			cfg := LoaderConfig{BatchSize: 2, Buckets: []int{12, 24}}
			l, err := NewLoader(newTokenData(8, 3, 24, tinyVocab, tinyClasses, 1), cfg)
			if err != nil {
				t.Fatal(err)
			}
			return cfg, l, []any{l.Lengths(), l.Lengths()}
		}},
		"GroupConfig": {func() (given, kept any, out []any) {
			cfg := GroupConfig{BucketBytes: 8}
			_, mc, train, _ := tinyRun("")
			tr, err := New(Config{Steps: 1, BatchSize: 2, LR: 1}, newTinyModel(mc, tensor.Float32), train, nil, WithGroup(nil, cfg))
			if err != nil {
				t.Fatal(err)
			}
			return cfg, tr, nil
		}},
		"TextConfig": {func() (given, kept any, out []any) {
			cfg := TextConfig{Window: 8, Unknown: []int{1}}
			_, mc, _, _ := tinyRun("")
			e, err := NewEvaluator(newTinyModel(mc, tensor.Float32))
			if err != nil {
				t.Fatal(err)
			}
			r, err := e.EvaluateText(context.Background(), nil, cfg) // the call alone has it
			if r != nil || err == nil {
				t.Errorf("got %v of no text, error %v", r, err)
			}
			return cfg, e, nil
		}},
	})
}

// spoiler is a hook that overwrites all it is given.
type spoiler struct {
	BaseHook
	buckets []int
	scores  []float64
	results []*Result
}

func (s *spoiler) OnStart(e StartEvent) error {
	s.buckets = slices.Clone(e.Config.Buckets)
	clear(e.Config.Buckets)
	clear(e.Metrics)
	return nil
}

func (s *spoiler) OnStep(e StepEvent) error {
	s.scores = append(s.scores, e.Train.Value("accuracy"))
	clear(e.Batch.Scores)
	clear(e.Train.Scores)
	return nil
}

func (s *spoiler) OnEval(e EvalEvent) error {
	s.scores = append(s.scores, e.Val.Value("accuracy"))
	clear(e.Train.Scores)
	clear(e.Val.Scores)
	return nil
}

func (s *spoiler) OnEnd(e EndEvent) error {
	s.results = append(s.results, &Result{Best: &Record{Step: e.Result.Best.Step}, History: slices.Clone(e.Result.History)})
	e.Result.Best.Step = -1
	clear(e.Result.History)
	return nil
}

// What a caller or a hook does to the settings, the hooks, the results and the
// state of the optimiser that it has in hand reaches neither the run, nor its
// checkpoints, nor another hook.
func TestWhatIsHandedOutDoesNotReachTheRun(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	want := unbroken(t, cfg, mc, train, val)
	first, second := &spoiler{}, &spoiler{}
	l := &losses{}
	hooks := []Hook{first, second, l}
	tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, hooks...)
	clear(hooks)
	buckets := slices.Clone(cfg.Buckets)
	clear(cfg.Buckets)
	r, err := tr.Fit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomeOf(t, tr, r, l.loss); !reflect.DeepEqual(got, want) {
		t.Errorf("want %+v, got %+v", want.History, got.History)
	}
	for _, s := range []*spoiler{first, second} {
		if !slices.Equal(s.buckets, buckets) || s.results[0].Best.Step != r.Best.Step || !reflect.DeepEqual(s.results[0].History, r.History) {
			t.Errorf("a hook saw %v and %+v", s.buckets, s.results[0])
		}
	}
	if !slices.Equal(first.scores, second.scores) || slices.ContainsFunc(first.scores, math.IsNaN) {
		t.Errorf("the hooks saw accuracies %v and %v", first.scores, second.scores)
	}
	if shared := testutil.SharedMemory(r, tr); shared != nil {
		t.Errorf("the result shares memory with the run: %q", shared)
	}
	c, err := ReadCheckpoint(tr.dir.path(LastCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Train.Buckets, buckets) || !reflect.DeepEqual(c.State.History, r.History) {
		t.Errorf("the checkpoint has buckets %v and history %+v", c.Train.Buckets, c.State.History)
	}
	cfg.Buckets = buckets
	again := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val)
	if err := again.Resume(c); err != nil {
		t.Fatal(err)
	}
	if shared := testutil.SharedMemory(c.State, again); shared != nil {
		t.Errorf("a checkpoint shares memory with the run that it was put into: %q", shared)
	}
}

// A state of the optimiser is that of one moment: the step and the moments both
// stay what they were while the solver goes on.
func TestAdamWStateIsOfOneMoment(t *testing.T) {
	b := newBench(t, tensor.Float64, nil, tensor.Shape{3})
	opt := NewAdamW(ParamGroups(b.params))
	step := func() {
		if err := opt.Step(b.grads(t, func(i, j int) float64 { return float64(j + 1) })); err != nil {
			t.Fatal(err)
		}
	}
	step()
	saved := stateOf(t, opt)
	before, err := json.Marshal(saved)
	if err != nil {
		t.Fatal(err)
	}
	step()
	if after, err := json.Marshal(saved); err != nil || string(after) != string(before) {
		t.Errorf("want %s, got %s (%v)", before, after, err)
	}
	if shared := testutil.SharedMemory(saved, opt); shared != nil {
		t.Errorf("it shares memory with the solver: %q", shared)
	}
}
