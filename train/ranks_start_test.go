package train

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/task"
	"gorgonia.org/tensor"
)

// Ranks that are not made of the same do not start: the error, on all of them, names the
// rank and the field.
func TestRanksWantTheSame(t *testing.T) {
	r := rankRuns()["labels of sequences"]
	for want, change := range map[string]func(own *rankRun){
		"train: rank 2: want the same on all ranks: train.lr is 0.02 on rank 0, 0.03 on rank 2": func(own *rankRun) { own.cfg.LR = 0.03 },
		"train.buckets is [12,24] on rank 0, not set on rank 2":                                 func(own *rankRun) { own.cfg.Buckets = nil },
		"model.drop is 0 on rank 0, 0.5 on rank 2": func(own *rankRun) {
			own.model = newTinyModel(tinyConfig{Vocab: tinyVocab, Hidden: 8, Classes: tinyClasses, Drop: 0.5}, tensor.Float64)
		},
		`tensors.mean is not set on rank 0, "float32 (1)" on rank 2`: func(own *rankRun) { own.model = newDrifting(r.mc) },
		"data.train.contents is":                                     func(own *rankRun) { own.train = newTokenData(61, 3, 24, tinyVocab, tinyClasses, 7) },
		"data.val is {":                                              func(own *rankRun) { own.val = nil },
		`metrics.0 is "accuracy" on rank 0, "auc" on rank 2`:         func(own *rankRun) { own.metrics = []Metric{AUC()} },
		`settings. is "betas 0.9, 0.999, eps 1e-08" on rank 0, "betas 0.8, 0.999, eps 1e-08" on rank 2`: func(own *rankRun) {
			own.opts = append(own.opts, WithOptimizer(NewAdamW(ParamGroups(own.model.Params(), LR(0.02)), Betas(0.8, 0.999))))
		},
		`optimizer is "*train.AdamW" on rank 0, "train.bombOptimizer" on rank 2`: func(own *rankRun) {
			own.opts = append(own.opts, WithOptimizer(bombOptimizer{NewAdamW(ParamGroups(own.model.Params())), new(bomb)}))
		},
	} {
		r.change = func(rank int, own *rankRun) {
			if rank == 2 {
				change(own)
			}
		}
		checkEnds(t, r.on(t, 3), 2, want)
	}
	// The state that rank 0 begins with is that of all, whatever they had.
	r.cfg.Steps, r.cfg.EvalEvery, r.change = 20, 10, nil
	want := r.on(t, 1)[0]
	r.change = func(rank int, own *rankRun) {
		if rank > 0 {
			clear(own.model.(*tinyModel).w1.Float64s())
		}
		own.train = chosen{own.train.(*tokenData), map[string]string{"rank": string(rune('0' + rank))}} // is no difference
	}
	ends := r.on(t, 2)
	for rank, e := range append(ends, want) {
		if e.err != nil {
			t.Fatal(e.err)
		}
		if err := near(e.numbers(t), want.numbers(t), ranksTolerance); err != nil {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}

// A program is of a version and of modules, and where there is no version, or the source
// was changed since, a file.
func TestProgram(t *testing.T) {
	of := func(version, module, file string, vcs ...string) string {
		info := debug.BuildInfo{GoVersion: "go1", Path: "p", Main: debug.Module{Version: version}, Deps: []*debug.Module{{Path: "m", Version: module}}}
		for i := 0; i < len(vcs); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: vcs[i], Value: vcs[i+1]})
		}
		return program(&info, func() string { return file })
	}
	commit, changed := []string{"vcs.revision", "1234", "vcs.modified", "false"}, []string{"vcs.revision", "1234", "vcs.modified", "true"}
	for _, p := range []struct {
		a, b string
		same bool
	}{
		{of("(devel)", "v1", "x"), of("(devel)", "v1", "x"), true},
		{of("(devel)", "v1", "x"), of("(devel)", "v1", "y"), false},
		{of("(devel)", "v1", "x"), of("(devel)", "v2", "x"), false},
		{of("(devel)", "v1", "x"), of("(devel)", "v1", "x", commit...), false},
		{of("(devel)", "v1", "x", commit...), of("(devel)", "v1", "y", commit...), true},
		{of("(devel)", "v1", "x", changed...), of("(devel)", "v1", "y", changed...), false},
		{of("v1.0.0", "v1", "x"), of("v1.0.0", "v1", "y"), true},
	} {
		if (p.a == p.b) != p.same {
			t.Errorf("%q and %q: want the same program: %v", p.a, p.b, p.same)
		}
	}
	if sum := executable(); len(sum) != 8 {
		t.Errorf("want a sum of this program, got %q", sum)
	}
}

// A checkpoint that rank 0 cannot write ends all ranks.
func TestFailedSaveEndsAll(t *testing.T) {
	for _, at := range []int{0, 1, 2, 3, 4} {
		cfg, mc, train, val := tinyRun(t.TempDir())
		full := errors.New("no space left on device")
		for rank, err := range onRanks(t, 3, func(g Group) error {
			tr, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithGroup(g, GroupConfig{}))
			if err != nil {
				return err
			}
			defer tr.Close()
			if g.Rank() == 0 {
				n, write := 0, tr.dir.writeTensors
				tr.dir.writeTensors = func(path string, f *safetensors.File) error {
					if n++; n > at {
						return full
					}
					return write(path, f)
				}
			}
			_, err = tr.Fit(context.Background())
			return err
		}) {
			if err == nil || !strings.HasPrefix(err.Error(), "train: rank 0: ") || !strings.Contains(err.Error(), full.Error()) || errors.Is(err, full) != (rank == 0) {
				t.Errorf("checkpoint %d, rank %d: got error %v", at, rank, err)
			}
		}
		if _, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, LastCheckpoint)); (err == nil) != (at > 0) {
			t.Errorf("checkpoint %d: what is left: %v", at, err)
		}
	}
}

// When an interrupted run cannot be saved all ranks say so.
func TestInterruptedAndNotSaved(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	cfg.CheckpointEvery = 100
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for rank, err := range onRanks(t, 3, func(g Group) error {
		tr, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithGroup(g, GroupConfig{}), WithHooks(stopAt(2, cancel)))
		if err != nil {
			return err
		}
		defer tr.Close()
		if g.Rank() > 0 {
			_, err = tr.Fit(context.Background())
			return err
		}
		write, n := tr.dir.writeTensors, 0
		tr.dir.writeTensors = func(path string, f *safetensors.File) error {
			if n++; n > 1 {
				return errSpoiled
			}
			return write(path, f)
		}
		_, err = tr.Fit(ctx)
		return err
	}) {
		if err == nil || !errors.Is(err, context.Canceled) || errors.As(err, new(*InterruptedError)) || !strings.Contains(err.Error(), "rank 0: saving ") {
			t.Errorf("rank %d: got error %v", rank, err)
		}
	}
}

// The end of the context of a rank, whichever, before the start or in an evaluation,
// interrupts all.
func TestInterruptedRanks(t *testing.T) {
	for at := range 3 {
		for _, when := range []string{"before", "evaluation"} {
			cfg, mc, train, val := tinyRun("")
			r := run{cfg: cfg, mc: mc, train: train, val: val}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			want := 0
			if when == "before" {
				cancel()
			} else {
				want = 5
			}
			r.change = func(rank int, own *rankRun) {
				if rank != at {
					return
				}
				own.ctx = ctx
				if n := 6; when == "evaluation" {
					own.metrics = []Metric{spoilMetric{Accuracy(), &n, func() error { cancel(); return nil }}}
				}
			}
			for rank, e := range r.on(t, 3) {
				var in *InterruptedError
				if !errors.As(e.err, &in) || in.Step != want || !errors.Is(e.err, context.Canceled) || in.Checkpoint != "" {
					t.Errorf("%s, rank %d of which %d is stopped: got error %v", when, rank, at, e.err)
				}
			}
		}
	}
}

func TestGroupsThatNoTrainerCanHave(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	groups, err := NewGroup(17)
	if err != nil {
		t.Fatal(err)
	}
	one, err := NewGroup(1)
	if err != nil {
		t.Fatal(err)
	}
	for want, opts := range map[string][]Option{
		"train: WithGroup: want at most one rank for each of the BatchSize = 16 rows of a batch, got 17": {WithGroup(groups[0], GroupConfig{})},
		"train: want WithGroup or WithReducer, not both":                                                 {WithGroup(groups[0], GroupConfig{}), WithReducer(brokenLine{})},
		"train: want WithGroup or WithReducer, not both ":                                                {WithGroup(one[0], GroupConfig{}), WithReducer(brokenLine{})},
		"train: WithGroup: want a rank in [0, 17), got 18":                                               {WithGroup(&replica{groups[0].(*replica).rendezvous, 18, nil}, GroupConfig{})},
		"train: GroupConfig: want BucketBytes >= 0, got -1":                                              {WithGroup(nil, GroupConfig{BucketBytes: -1})},
	} {
		if _, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, opts...); err == nil || err.Error() != strings.TrimSpace(want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// brokenGroup is a group that a sum breaks.
type brokenGroup struct {
	Group
	left int
}

func (b *brokenGroup) SumFloat32(v []float32) error {
	if b.left--; b.left < 0 {
		return errors.Join(errSpoiled, b.Group.(io.Closer).Close())
	}
	return b.Group.SumFloat32(v)
}

// When the group itself breaks, as when a rank is no more, all others end, and rank 0
// saves what has been done.
func TestBrokenGroup(t *testing.T) {
	for at := range 3 {
		cfg, mc, train, val := tinyRun(t.TempDir())
		for rank, err := range onRanks(t, 3, func(g Group) error {
			if g.Rank() == at {
				g = &brokenGroup{g, 4} // a sum for each step
			}
			tr, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithGroup(g, GroupConfig{}))
			if err != nil {
				return err
			}
			defer tr.Close()
			_, err = tr.Fit(context.Background())
			return err
		}) {
			want := "rank " + string(rune('0'+at)) + " has left"
			if rank == at {
				want = "spoiled"
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("rank %d, rank %d breaks the group: got error %v", rank, at, err)
			}
		}
		c, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, LastCheckpoint))
		if err != nil || c.State.Step != 4 {
			t.Errorf("rank %d breaks the group: saved %+v, %v, want step 4", at, c, err)
		}
	}
}

// Ranks that do not do the same find out.
func TestRanksThatDiverge(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	for rank, err := range onRanks(t, 2, func(g Group) error {
		tr, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithGroup(g, GroupConfig{}))
		if err != nil {
			return err
		}
		defer tr.Close()
		if g.Rank() == 1 {
			_, err = tr.Evaluate(context.Background(), val)
		} else {
			_, err = tr.Fit(context.Background())
		}
		return err
	}) {
		if want := "the ranks have diverged: rank "; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rank %d: got error %v, want %q", rank, err, want)
		}
	}
}

// An evaluation on ranks is that of one process; what fails on one fails on all.
func TestEvaluateOnRanks(t *testing.T) {
	r := rankRuns()["labels of steps"]
	var want Metrics
	for n := 1; n <= 4; n++ {
		got := make([]Metrics, n)
		seen := make([]int, n)
		for rank, err := range onRanks(t, n, func(g Group) error {
			tr, err := New(r.cfg, newTinyModel(r.mc, tensor.Float64), r.train, nil, WithGroup(g, GroupConfig{}), WithMetrics(Accuracy()))
			if err == nil {
				defer tr.Close()
				got[g.Rank()], err = tr.Evaluate(context.Background(), r.val, func(_ *task.Outputs, b *task.Batch) error {
					seen[g.Rank()] += len(b.Examples)
					return nil
				})
			}
			if err != nil {
				return err
			}
			_, err = tr.Evaluate(context.Background(), r.val, func(*task.Outputs, *task.Batch) error {
				if g.Rank() == n-1 {
					return errSpoiled
				}
				return nil
			})
			if err == nil || n > 1 && !strings.Contains(err.Error(), "train: Evaluate: rank ") {
				t.Errorf("rank %d of %d: got error %v", g.Rank(), n, err)
			}
			return nil
		}) {
			if err != nil {
				t.Fatal(err)
			}
			if n == 1 {
				want = got[0]
			}
			if !reflect.DeepEqual(got[rank], got[0]) || near([]float64{got[rank].Loss, got[rank].Scores[0].Value, got[rank].Count}, []float64{want.Loss, want.Scores[0].Value, want.Count}, ranksTolerance) != nil {
				t.Errorf("rank %d of %d: got %+v, want %+v", rank, n, got[rank], want)
			}
		}
		all := 0
		for _, s := range seen {
			all += s
		}
		if all != 33 {
			t.Errorf("%d ranks have seen %d examples, want 33", n, all)
		}
	}
}

func TestReplicas(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	want := unbroken(t, cfg, mc, train, val)
	makes := func(g Group) (*Trainer, error) {
		own := cfg
		return New(own, newTinyModel(mc, tensor.Float32), train, val, WithGroup(g, GroupConfig{}), WithMetrics(Accuracy()))
	}
	for n := 1; n <= 3; n++ {
		r, err := Replicas(context.Background(), n, makes)
		if err != nil {
			t.Fatal(err)
		}
		h := slices.Clone(r.History)
		for i := range h {
			h[i].Elapsed = 0
		}
		if r.Steps != tinySteps || n == 1 && !reflect.DeepEqual(h, want.History) {
			t.Errorf("%d replicas: got %+v, want %+v", n, r, want)
		}
	}
	for want, f := range map[string]func(g Group) (*Trainer, error){
		"train: Replicas: rank 1: file does not exist": func(g Group) (*Trainer, error) {
			if g.Rank() == 1 {
				return nil, os.ErrNotExist
			}
			return makes(g)
		},
		"train: Replicas: all ranks: a panic at ranks_start_test.go:": func(Group) (*Trainer, error) { panic("boom") },
		"all ranks: want a trainer, got nil":                          func(Group) (*Trainer, error) { return nil, nil },
		"all ranks: want a trainer WithGroup of the group that is given": func(Group) (*Trainer, error) {
			return makes(nil)
		},
	} {
		if _, err := Replicas(context.Background(), 3, f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	for n, want := range map[int]string{
		-1: "want at least one rank, got -1", 0: "want at least one rank, got 0", 1e6: "want at most 1024 ranks, got 1000000",
		17: "all ranks: WithGroup: want at most one rank for each of the BatchSize = 16 rows",
	} {
		if _, err := Replicas(context.Background(), n, makes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d replicas: got error %v, want %q", n, err, want)
		}
	}
}

// Runs of one process, at the same time and one after the other, do not touch each other.
func TestReplicasAtTheSameTime(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	loss := func() float64 {
		r, err := Replicas(context.Background(), 2, func(g Group) (*Trainer, error) {
			return New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithGroup(g, GroupConfig{}), WithMetrics(Accuracy()))
		})
		if err != nil {
			t.Error(err)
			return 0
		}
		return r.Best.Val.Loss
	}
	want := loss()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 2 {
				if got := loss(); got != want {
					t.Errorf("a loss of %v, want %v", got, want)
				}
			}
		})
	}
	wg.Wait()
}

// A context that has ended before the start stops all ranks, before a step.
func TestReplicasWithoutTime(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Replicas(ctx, 3, func(g Group) (*Trainer, error) {
		return New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithGroup(g, GroupConfig{}))
	})
	if e := new(InterruptedError); !errors.As(err, &e) || e.Step != 0 {
		t.Errorf("want an *InterruptedError after step 0, got %v", err)
	}
}
