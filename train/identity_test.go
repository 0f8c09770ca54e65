package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/task"
)

// fit trains until the end, from a checkpoint if there is one.
func fit(t *testing.T, cfg Config, mc tinyConfig, train, val task.Dataset, from string, hooks ...Hook) (*Trainer, *Result, error) {
	t.Helper()
	tr := newTrainer(t, cfg, newTinyModel(mc, cfg.DType.Tensor()), train, val, hooks...)
	if from != "" {
		c, err := ReadCheckpoint(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Resume(c); err != nil {
			return tr, nil, err
		}
	}
	r, err := tr.Fit(context.Background())
	return tr, r, err
}

// copyDir copies the files of a directory to a new one: what a run that is
// killed now leaves behind.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestResumeWantsTheSameData(t *testing.T) {
	cfg, mc, train, val, path := saved(t)
	other := newTokenData(61, 3, 24, tinyVocab, tinyClasses, 1)
	other.examples[60].Label = (other.examples[60].Label + 1) % tinyClasses
	otherVal := newTokenData(33, 3, 24, tinyVocab, tinyClasses, 3)
	for want, data := range map[string][2]task.Dataset{
		"the data differ: train.contents is ":                                                {other, val},
		"the data differ: val.contents is ":                                                  {train, otherVal},
		`train.chosen is not set in the checkpoint, {"min-length":"5"} here; train.contents`: {chosen{other, map[string]string{"min-length": "5"}}, val},
		"train.examples is 61 in the checkpoint, 33 here":                                    {val, val},
		"the data differ: val is {":                                                          {train, nil},
	} {
		if _, _, err := fit(t, cfg, mc, data[0], data[1], path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	// What it says of the same data is no difference.
	cfg.Steps++
	if _, _, err := fit(t, cfg, mc, chosen{train, map[string]string{"seed": "1"}}, val, path); err != nil {
		t.Error(err)
	}
}

// Validation data that were at fault may be mended, and the run is the one that
// it would have been.
func TestResumeAfterAFailedFirstValidation(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	want := unbroken(t, cfg, mc, train, val)
	broken := &tokenData{examples: val.examples, fail: map[int]error{3: os.ErrNotExist}}
	cfg.CheckpointDir = t.TempDir()
	first, rest := &losses{}, &losses{}
	if _, _, err := fit(t, cfg, mc, train, broken, "", first); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got error %v", err)
	}
	tr, r, err := fit(t, cfg, mc, train, val, filepath.Join(cfg.CheckpointDir, LastCheckpoint), rest)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.loss) != cfg.EvalEvery || len(rest.loss) != tinySteps-cfg.EvalEvery {
		t.Errorf("%d steps, then %d, want %d in all", len(first.loss), len(rest.loss), tinySteps)
	}
	if got := outcomeOf(t, tr, r, append(first.loss, rest.loss...)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// A hook that fails does not lose what has been done, nor the best checkpoint.
func TestResumeAfterAHookFailed(t *testing.T) {
	for _, in := range []string{"step", "eval", "checkpoint"} {
		cfg, mc, train, val := tinyRun("")
		want := unbroken(t, cfg, mc, train, val)
		cfg.CheckpointDir = t.TempDir()
		first, rest := &losses{}, &losses{}
		full := errors.New("disk full")
		if _, _, err := fit(t, cfg, mc, train, val, "", first, failingHook{in: in, err: full}); !errors.Is(err, full) {
			t.Fatalf("%s: got error %v", in, err)
		}
		tr, r, err := fit(t, cfg, mc, train, val, filepath.Join(cfg.CheckpointDir, LastCheckpoint), rest)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		if got := outcomeOf(t, tr, r, append(first.loss, rest.loss...)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v\nwant %+v", in, got, want)
		}
		if err := tr.LoadBest(); err != nil {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// spoiledRun is a finished run whose best evaluation is not its last.
func spoiledRun(t *testing.T) (Config, tinyConfig, *tokenData, *tokenData, *Result) {
	t.Helper()
	cfg, mc, train, val := tinyRun(t.TempDir())
	cfg.Monitor = Loss
	m := newTinyModel(mc, tensor.Float32)
	tr := newTrainer(t, cfg, m, train, val, stepHook{f: func(e StepEvent) error {
		if e.Step > 5 {
			for i := range m.w2.Float32s() {
				m.w2.Float32s()[i] *= -1.5
			}
		}
		return nil
	}})
	r, err := tr.Fit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.Best.Step != 5 {
		t.Fatalf("the best evaluation is of step %d, want 5", r.Best.Step)
	}
	return cfg, mc, train, val, r
}

func TestResumeElsewhereTakesTheBestAlong(t *testing.T) {
	cfg, mc, train, val, first := spoiledRun(t)
	from := filepath.Join(cfg.CheckpointDir, LastCheckpoint)
	before := copyDir(t, cfg.CheckpointDir)
	for name, prepare := range map[string]func(dir string){
		"new": func(dir string) { _ = os.Remove(dir) },
		"of another run": func(dir string) {
			other := cfg
			other.CheckpointDir, other.Steps, other.Seed = dir, 19, 99
			if _, _, err := fit(t, other, mc, train, val, ""); err != nil {
				t.Fatal(err)
			}
		},
	} {
		cfg := cfg
		cfg.CheckpointDir = filepath.Join(t.TempDir(), "b")
		if err := os.Mkdir(cfg.CheckpointDir, 0o755); err != nil {
			t.Fatal(err)
		}
		prepare(cfg.CheckpointDir)
		cfg.Overwrite = name != "new"
		cfg.Steps++ // no later evaluation is better
		tr, r, err := fit(t, cfg, mc, train, val, from)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Best.equal(first.Best) {
			t.Fatalf("%s: the best is %+v, want still %+v", name, r.Best, first.Best)
		}
		if err := tr.LoadBest(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, BestCheckpoint))
		if err != nil || !c.isBest(first.Best) {
			t.Errorf("%s: the best checkpoint is of step %d, %v", name, c.State.Step, err)
		}
		if files := tensorFiles(t, cfg.CheckpointDir); len(files) != 2 {
			t.Errorf("%s: tensor files %q, want one each of last and best", name, files)
		}
	}
	if got, want := tensorFiles(t, filepath.Dir(from)), tensorFiles(t, before); len(got) != len(want) {
		t.Errorf("the first directory has %q, had %q", got, want)
	}
	// Without the best checkpoint the run cannot go on as it would have.
	if err := os.Remove(filepath.Join(filepath.Dir(from), BestCheckpoint)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Dir(from), t.TempDir()} {
		cfg.CheckpointDir = dir
		if _, _, err := fit(t, cfg, mc, train, val, from); err == nil || !strings.Contains(err.Error(), "want the best checkpoint of the run, of step 5, beside") {
			t.Errorf("got error %v", err)
		}
	}
}

// A directory is the same one by whatever name: the run in it is gone on with,
// and nothing of it is deleted, even if it may be replaced.
func TestOneDirectoryOfManyNames(t *testing.T) {
	for name, rename := range map[string]func(dir string) (resume, save string){
		"as it is": func(dir string) (string, string) { return dir, dir },
		"a symbolic link": func(dir string) (string, string) {
			link := dir + "-link"
			if err := os.Symlink(dir, link); err != nil {
				t.Fatal(err)
			}
			return dir, link
		},
		"a link to resume from": func(dir string) (string, string) {
			link := dir + "-link"
			if err := os.Symlink(dir, link); err != nil {
				t.Fatal(err)
			}
			return link, dir
		},
		"a link to the file": func(dir string) (string, string) {
			links := t.TempDir()
			if err := os.Symlink(filepath.Join(dir, LastCheckpoint), filepath.Join(links, LastCheckpoint)); err != nil {
				t.Fatal(err)
			}
			return links, dir
		},
		"a relative path": func(dir string) (string, string) {
			t.Chdir(filepath.Dir(dir))
			return dir, filepath.Base(dir)
		},
		"dots": func(dir string) (string, string) {
			return dir, filepath.Dir(dir) + "/../" + filepath.Base(filepath.Dir(dir)) + "/./" + filepath.Base(dir) + "/"
		},
		"moved": func(dir string) (string, string) {
			if err := os.Rename(dir, dir+"-moved"); err != nil {
				t.Fatal(err)
			}
			return dir + "-moved", dir + "-moved"
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, mc, train, val, first := spoiledRun(t)
			dir := filepath.Join(t.TempDir(), "run")
			if err := os.Rename(cfg.CheckpointDir, dir); err != nil {
				t.Fatal(err)
			}
			from, to := rename(dir)
			cfg.CheckpointDir = to
			for _, cfg.Overwrite = range []bool{false, true} {
				cfg.Steps++
				tr, r, err := fit(t, cfg, mc, train, val, filepath.Join(from, LastCheckpoint))
				if err != nil {
					t.Fatal(err)
				}
				if err := tr.LoadBest(); err != nil || !r.Best.equal(first.Best) {
					t.Errorf("best %+v, want %+v; %v", r.Best, first.Best, err)
				}
			}
		})
	}
}

// Whenever a run that replaces or takes over another is killed as it starts,
// there is a whole checkpoint of one of them, and the same command works again.
func TestKilledAsItStarts(t *testing.T) {
	cfg, mc, train, val, first := spoiledRun(t)
	old := cfg.CheckpointDir
	// Another run, whose files have the same names.
	other := cfg
	other.CheckpointDir, other.Seed = t.TempDir(), 99
	if _, _, err := fit(t, other, mc, train, val, ""); err != nil {
		t.Fatal(err)
	}
	whole, err := ReadCheckpoint(filepath.Join(other.CheckpointDir, LastCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from     string // what is resumed
		occupied bool   // the directory holds another run
	}{
		"replaced":                   {"", true},
		"new":                        {"", false},
		"moved":                      {filepath.Join(old, LastCheckpoint), false},
		"moved to where another was": {filepath.Join(old, LastCheckpoint), true},
	} {
		for _, after := range []bool{false, true} {
			for n := 0; ; n++ {
				cfg := cfg
				cfg.CheckpointDir = t.TempDir()
				if c.occupied {
					cfg.CheckpointDir = copyDir(t, other.CheckpointDir)
				}
				cfg.Overwrite = c.occupied
				cfg.Steps++
				if c.from == "" {
					cfg.Steps = 4
				}
				begin := func(from string) *Trainer {
					tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val)
					if from != "" {
						ck, err := ReadCheckpoint(from)
						if err != nil {
							t.Fatal(err)
						}
						if err := tr.Resume(ck); err != nil {
							t.Fatal(err)
						}
					}
					return tr
				}
				tr := begin(c.from)
				seen := crashAt(&tr.dir, n, after)
				if err := tr.start(); err == nil {
					if *seen > n {
						t.Fatalf("%s: crash %d is not reported", name, n)
					}
					break
				}
				left, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, LastCheckpoint))
				if err != nil && c.occupied {
					t.Fatalf("%s, crash %d (after it: %v): %v", name, n, after, err)
				}
				if err == nil && left.Train.Seed == other.Seed && !reflect.DeepEqual(left.tensors, whole.tensors) {
					t.Fatalf("%s, crash %d (after it: %v): the other run has got tensors of this one", name, n, after)
				}
				again := c.from
				if here := filepath.Join(cfg.CheckpointDir, LastCheckpoint); again != "" && !cfg.Overwrite && exists(here) {
					again = here // the copy is complete: go on from it
				}
				tr = begin(again)
				r, err := tr.Fit(context.Background())
				if err == nil {
					err = tr.LoadBest()
				}
				if err != nil || c.from != "" && !r.Best.equal(first.Best) {
					t.Fatalf("%s, crash %d (after it: %v): again: %+v, %v", name, n, after, r, err)
				}
			}
		}
	}
}

// A run without validation data that replaces one with them has no best
// checkpoint, nor the other's.
func TestReplacedRunLeavesNoBest(t *testing.T) {
	cfg, mc, train, _, _ := saved(t)
	cfg.Overwrite = true
	if _, _, err := fit(t, cfg, mc, train, nil, ""); err != nil {
		t.Fatal(err)
	}
	if files := tensorFiles(t, cfg.CheckpointDir); exists(filepath.Join(cfg.CheckpointDir, BestCheckpoint)) || len(files) != 1 {
		t.Errorf("left: %s and %q", BestCheckpoint, files)
	}
}

// What a run leaves that is killed before its first checkpoint can be resumed,
// from the start, and replaced without being told to.
func TestKilledBeforeTheFirstCheckpoint(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	cfg.CheckpointEvery = 10
	cfg.EvalEvery = 10
	want := unbroken(t, cfg, mc, train, val)
	cfg.CheckpointDir = t.TempDir()
	metrics := func() Hook { return NewMetricsFile(filepath.Join(cfg.CheckpointDir, "metrics.jsonl")) }
	var left []string
	kill := stepHook{f: func(e StepEvent) error {
		if e.Step == 7 {
			left = append(left, copyDir(t, cfg.CheckpointDir), copyDir(t, cfg.CheckpointDir))
		}
		return nil
	}}
	if _, _, err := fit(t, cfg, mc, train, val, "", metrics(), kill); err != nil {
		t.Fatal(err)
	}
	if n := len(metricsLines(t, filepath.Join(left[0], "metrics.jsonl"))); n != 7 {
		t.Fatalf("%d lines of metrics, want 7", n)
	}
	for i, from := range []string{filepath.Join(left[0], LastCheckpoint), ""} {
		cfg.CheckpointDir = left[i]
		l := &losses{}
		tr, r, err := fit(t, cfg, mc, train, val, from, metrics(), l)
		if err != nil {
			t.Fatalf("from %q: %v", from, err)
		}
		if got := outcomeOf(t, tr, r, l.loss); !reflect.DeepEqual(got, want) {
			t.Errorf("from %q: got %+v\nwant %+v", from, got, want)
		}
		lines := metricsLines(t, filepath.Join(left[i], "metrics.jsonl"))
		steps := slices.DeleteFunc(lines, func(l MetricsLine) bool { return l.Kind != StepLine })
		if len(steps) != tinySteps {
			t.Errorf("from %q: metrics of %d steps, want %d", from, len(steps), tinySteps)
		}
	}
	// One that has saved something is not replaced.
	if _, _, err := fit(t, cfg, mc, train, val, ""); err == nil || !strings.Contains(err.Error(), "is a checkpoint of an earlier run") {
		t.Errorf("got error %v", err)
	}
}

// The metrics of a run that goes on elsewhere do not mix with those of another.
func TestMetricsFileOfAMovedRun(t *testing.T) {
	cfg, mc, train, val, _ := spoiledRun(t)
	from := filepath.Join(cfg.CheckpointDir, LastCheckpoint)
	cfg.CheckpointDir = t.TempDir()
	path := filepath.Join(cfg.CheckpointDir, "metrics.jsonl")
	if err := os.WriteFile(path, []byte("{\"kind\":\"step\",\"step\":1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Steps++
	if _, _, err := fit(t, cfg, mc, train, val, from, NewMetricsFile(path)); err == nil || !strings.Contains(err.Error(), path+" exists") {
		t.Errorf("got error %v", err)
	}
	cfg.Overwrite = true
	if _, _, err := fit(t, cfg, mc, train, val, from, NewMetricsFile(path)); err != nil {
		t.Fatal(err)
	}
	if lines := metricsLines(t, path); len(lines) == 0 || lines[0].Step != tinySteps+1 {
		t.Errorf("got lines %+v", lines)
	}
}

func TestTemporaryFilesOfAKilledRunAreSwept(t *testing.T) {
	cfg, mc, train, val, path := saved(t)
	for _, name := range []string{".last.json.tmp1x", ".best-5.safetensors.tmpzz", ".last-500.safetensors.tmp9", "keep.tmp1", "last-notes.safetensors"} {
		if err := os.WriteFile(filepath.Join(cfg.CheckpointDir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg.Steps++
	if _, _, err := fit(t, cfg, mc, train, val, path); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(cfg.CheckpointDir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if len(names) != 6 || !slices.Contains(names, "keep.tmp1") || !slices.Contains(names, "last-notes.safetensors") {
		t.Errorf("left: %q", names)
	}
}

// A run whose time is up before its first step leaves what it can be resumed
// from.
func TestNoTimeForAStep(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	cfg.MaxDuration = 1
	tr, r, err := fit(t, cfg, mc, train, val, "")
	if err != nil || r.Reason != TimeUp || r.Steps != 0 || r.Best != nil {
		t.Fatalf("got %+v, %v", r, err)
	}
	if err := tr.LoadBest(); err == nil || !strings.Contains(err.Error(), "no evaluation") {
		t.Errorf("got error %v", err)
	}
	cfg.MaxDuration = 0
	if _, r, err = fit(t, cfg, mc, train, val, filepath.Join(cfg.CheckpointDir, LastCheckpoint)); err != nil || r.Steps != tinySteps {
		t.Errorf("got %+v, %v", r, err)
	}
}
