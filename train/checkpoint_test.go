package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/task"
)

// errCrash is what the file system says when the machine loses power.
var errCrash = errors.New("power failure")

// crashAt makes the n-th operation on files (from 0) the last: it fails before
// or after it was done, and so does everything that follows. It returns the
// number of operations seen.
func crashAt(d *checkpointDir, n int, after bool) *int {
	seen := new(int)
	real := *d
	do := func(op func() error) error {
		*seen++
		if *seen-1 < n {
			return op()
		}
		if *seen-1 == n && after {
			return errors.Join(errCrash, op())
		}
		return errCrash
	}
	d.writeTensors = func(path string, f *safetensors.File) error {
		return do(func() error { return real.writeTensors(path, f) })
	}
	d.writeJSON = func(path string, b []byte) error { return do(func() error { return real.writeJSON(path, b) }) }
	d.remove = func(path string) error { return do(func() error { return real.remove(path) }) }
	return seen
}

// A checkpoint for which the disk has room but for its last file leaves nothing behind;
// one whose last file is in its place all the same is whole.
func TestFullDiskLeavesNothing(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	for _, after := range []bool{false, true} {
		cfg.CheckpointDir = t.TempDir()
		tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val)
		write, writes := tr.dir.writeJSON, 0
		var before []string
		tr.dir.writeJSON = func(path string, b []byte) (err error) {
			if writes++; writes <= 2 { // the first checkpoint, and the next
				return write(path, b)
			}
			before = filesOf(t, cfg.CheckpointDir)
			if after {
				err = write(path, b)
			}
			return errors.Join(err, syscall.ENOSPC)
		}
		if _, err := tr.Fit(context.Background()); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got error %v, want a full disk", err)
		}
		if got := filesOf(t, cfg.CheckpointDir); len(got) >= len(before) != after {
			t.Errorf("after it was written %v: the directory has %v, and had %v when the last file was to be written", after, got, before)
		}
		if _, err := ReadCheckpoint(tr.dir.path(LastCheckpoint)); err != nil {
			t.Error(err)
		}
	}
}

// filesOf returns the names of the files in a directory.
func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// Whenever a run is killed while it saves, there is a checkpoint, and the run
// resumed from it ends like one that never stopped.
func TestCrashLeavesAWholeCheckpoint(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	want := unbroken(t, cfg, mc, train, val)
	for _, after := range []bool{false, true} {
		for n := 2; ; n++ { // the first two write the first checkpoint
			cfg.CheckpointDir = t.TempDir()
			l := &losses{}
			tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, l)
			seen := crashAt(&tr.dir, n, after)
			_, err := tr.Fit(context.Background())
			if *seen <= n {
				if err != nil {
					t.Fatal(err)
				}
				if n < 20 {
					t.Fatalf("only %d operations: the test tests little", n)
				}
				break
			}
			if !errors.Is(err, errCrash) {
				t.Fatalf("crash at operation %d (after it: %v): got error %v", n, after, err)
			}
			tr = resumed(t, cfg, mc, train, val, l)
			steps := tr.state.Step
			l.loss = l.loss[:steps]
			if n%3 > 0 { // that all checkpoints are whole is seen; to the end from some
				continue
			}
			r, err := tr.Fit(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if got := outcomeOf(t, tr, r, l.loss); !reflect.DeepEqual(got, want) {
				t.Fatalf("crash at operation %d (after it: %v):\n%+v\nunbroken:\n%+v", n, after, got, want)
			}
			if err := tr.LoadBest(); err != nil {
				t.Errorf("crash at operation %d (after it: %v): %v", n, after, err)
			}
			if files := tensorFiles(t, cfg.CheckpointDir); len(l.loss) > steps && len(files) != 2 {
				t.Errorf("crash at operation %d (after it: %v): tensor files %q are left, want one each of last and best", n, after, files)
			}
		}
	}
}

func tensorFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFullDiskNamesTheFile(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val)
	crashAt(&tr.dir, 8, false) // after the last ones of steps 0, 3 and 5
	_, err := tr.Fit(context.Background())
	want := fmt.Sprintf("train: saving %s after step 5: power failure", filepath.Join(cfg.CheckpointDir, BestCheckpoint))
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
	// When the save on interruption fails, both reasons are told.
	cfg.CheckpointDir = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	tr = newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val)
	crashAt(&tr.dir, 2, false) // after the checkpoint that the run begins with
	cancel()
	if _, err := tr.Fit(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, errCrash) {
		t.Errorf("got error %v", err)
	}
}

// saved makes the checkpoint of a run in a new directory.
func saved(t *testing.T) (Config, tinyConfig, *tokenData, *tokenData, string) {
	t.Helper()
	cfg, mc, train, val := tinyRun(t.TempDir())
	if _, err := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val).Fit(context.Background()); err != nil {
		t.Fatal(err)
	}
	return cfg, mc, train, val, filepath.Join(cfg.CheckpointDir, LastCheckpoint)
}

func TestReadCheckpointRejects(t *testing.T) {
	_, _, _, _, path := saved(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tensors := filepath.Join(filepath.Dir(path), fmt.Sprintf("last-%d.safetensors", tinySteps))
	data, err := os.ReadFile(tensors)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) func() error {
		return func() error {
			if !strings.Contains(string(text), old) {
				return fmt.Errorf("%q is not in the checkpoint", old)
			}
			return os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644)
		}
	}
	writeTensors := func(b []byte) func() error {
		return func() error { return os.WriteFile(tensors, b, 0o644) }
	}
	step := fmt.Sprintf(`"step": %d`, tinySteps)
	for want, spoil := range map[string]func() error{
		"no such file":                                 func() error { return os.Remove(path) },
		"last-19.safetensors: no such file":            func() error { return os.Remove(tensors) },
		"truncated after 0 bytes":                      func() error { return os.WriteFile(path, nil, 0o644) },
		"truncated after 100 bytes":                    func() error { return os.WriteFile(path, text[:100], 0o644) },
		"behind the end":                               func() error { return os.WriteFile(path, append(slices.Clone(text), "{}"...), 0o644) },
		`want format "gorgonia-s4 checkpoint", got "x`: replace(checkpointFormat, "x"),
		"want version 3, got 7":                        replace(`"version": 3`, `"version": 7`),
		`unknown field "stride"`:                       replace(`"version"`, `"stride": 1, "version"`),
		`got "../last-19.safetensors"`:                 replace("last-19.safetensors", "../last-19.safetensors"),
		"want BatchSize >= 1, got 0":                   replace(`"batch_size": 16`, `"batch_size": 0`),
		"want a step and position >= 0":                replace("\"position\": {\n      \"epoch\": ", "\"position\": {\n      \"epoch\": -"),
		`want the tensors of step 18, but last-19.safetensors has those of step "19"`: replace(step, `"step": 18`),
		"last-19.safetensors: ": writeTensors(data[:len(data)-1]),
		"tensors: ":             writeTensors(append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, data[8:]...)),
	} {
		if err := errors.Join(os.WriteFile(path, text, 0o644), os.WriteFile(tensors, data, 0o644), spoil()); err != nil {
			t.Fatal(err)
		}
		_, err := ReadCheckpoint(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "train: checkpoint "+path+": ") {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

// otherModel is a model of another make with parameters of other names.
type otherModel struct{ *tinyModel }

func (m otherModel) Config() any { return struct{ Depth int }{3} }

func TestLoadModelNamesWhatDiffers(t *testing.T) {
	_, mc, _, _, path := saved(t)
	c, err := ReadCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	wide := mc
	wide.Hidden, wide.Drop = 9, 0.5
	renamed := newTinyModel(mc, tensor.Float32)
	renamed.nodes[0].Name = "encoder.weight"
	for _, f := range []struct {
		m    Model
		want []string
	}{
		{newTinyModel(wide, tensor.Float32), []string{"it is of another model", "drop is 0.2 in the checkpoint, 0.5 here", "hidden is 8 in the checkpoint, 9 here"}},
		{otherModel{newTinyModel(mc, tensor.Float32)}, []string{"Depth is not set in the checkpoint, 3 here", "vocab is 12 in the checkpoint, not set here"}},
		{renamed, []string{"encoder.weight is missing", "hidden.weight is not in the model"}},
	} {
		before := slices.Clone(floats(f.m.Params()[2].Node.Value()))
		err := c.LoadModel(f.m)
		for _, want := range append(f.want, "train: checkpoint "+path) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want one with %q", err, want)
			}
		}
		if !slices.Equal(floats(f.m.Params()[2].Node.Value()), before) {
			t.Error("a refused checkpoint changed the model")
		}
	}
	m, wide64 := newTinyModel(mc, tensor.Float32), newTinyModel(mc, tensor.Float64)
	if err := errors.Join(c.LoadModel(m), c.LoadModel(wide64)); err != nil {
		t.Fatal(err)
	}
	if m.counter.Int64s()[0] != tinySteps {
		t.Errorf("the buffer is %d, want %d", m.counter.Int64s()[0], tinySteps)
	}
	if !slices.Equal(floats(m.w2), floats(wide64.w2)) {
		t.Error("a model of float64 has other weights than one of float32")
	}
}

func TestResumeRejects(t *testing.T) {
	cfg, mc, train, val, path := saved(t)
	for want, change := range map[string]func(*Config, *Checkpoint) (task.Dataset, task.Dataset){
		"the settings differ: batch_size is 16 in the checkpoint, 8 here; lr is 0.05 in the checkpoint, 0.1 here": func(c *Config, _ *Checkpoint) (task.Dataset, task.Dataset) {
			c.BatchSize, c.LR = 8, 0.1
			return train, val
		},
		`dtype is "float32" in the checkpoint, "float64" here`: func(c *Config, _ *Checkpoint) (task.Dataset, task.Dataset) {
			c.DType = Float64
			return train, val
		},
		"seed is 4 in the checkpoint, 9007199254740993 here": func(c *Config, _ *Checkpoint) (task.Dataset, task.Dataset) {
			c.Seed = 1<<53 + 1
			return train, val
		},
		`the data differ: val is {"contents":`: func(c *Config, _ *Checkpoint) (task.Dataset, task.Dataset) { return train, nil },
		"want a position of at most 4 batches, got 5": func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			c.State.Position.Batch = 5
			return train, val
		},
		`parameter "out.weight": want both moments and the number of steps, got some of them`: func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			c.tensors.Tensors = slices.DeleteFunc(c.tensors.Tensors, func(t safetensors.Tensor) bool { return t.Name == "train:optimizer.v.out.weight" })
			return train, val
		},
		`no parameter is named "b"`: func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			c.tensors.Tensors = append(c.tensors.Tensors, safetensors.Tensor{Name: "train:optimizer.step.b", Shape: []int{1}, Data: []int64{1}})
			return train, val
		},
		`parameter "out.weight": want a step >= 1, got [0]`: func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			step, _ := c.tensors.Lookup("train:optimizer.step.out.weight")
			step.Data.([]int64)[0] = 0
			return train, val
		},
		`the metrics are ["loss2"] in the checkpoint, ["accuracy"] here`: func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			c.Metrics = []string{"loss2"}
			return train, val
		},
		`metric "accuracy": want a state of 2 numbers, got 1`: func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			for i := range c.tensors.Tensors {
				if s := &c.tensors.Tensors[i]; s.Name == "train:metric.accuracy" {
					s.Shape, s.Data = []int{1}, []float64{1}
				}
			}
			return train, val
		},
		"the optimiser is a *gorgonia.AdamSolver in the checkpoint, a *train.AdamW here": func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			c.Optimizer = "*gorgonia.AdamSolver"
			return train, val
		},
		`want states of 1 micro-batches, got tensor "train:state.1.h"`: func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			c.tensors.Tensors = append(c.tensors.Tensors, safetensors.Tensor{Name: "train:state.1.h", Shape: []int{1}, Data: []float32{1}})
			return train, val
		},
		"out.weight: element 2: want a finite number, got NaN": func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			tensorOf(c, "out.weight")[2] = float32(math.NaN())
			return train, val
		},
		"m.out.weight: element 1: want a finite number, got -Inf": func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			tensorOf(c, "train:optimizer.m.out.weight")[1] = float32(math.Inf(-1))
			return train, val
		},
		"v.out.weight: element 0: want a finite number >= 0, got -1": func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			tensorOf(c, "train:optimizer.v.out.weight")[0] = -1
			return train, val
		},
		"out.weight is missing": func(_ *Config, c *Checkpoint) (task.Dataset, task.Dataset) {
			c.tensors.Tensors = slices.DeleteFunc(c.tensors.Tensors, func(t safetensors.Tensor) bool { return t.Name == "out.weight" })
			return train, val
		},
	} {
		changed := cfg
		c, err := ReadCheckpoint(path)
		if err != nil {
			t.Fatal(err)
		}
		a, b := change(&changed, c)
		m := newTinyModel(mc, changed.DType.Tensor())
		before := floats(m.w1)
		tr := newTrainer(t, changed, m, a, b)
		err = tr.Resume(c)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "train: resume from "+path+": ") {
			t.Errorf("got error %v, want one with %q", err, want)
		}
		if tr.state.Step != 0 || len(stateOf(t, tr.opt)) != 0 || !slices.Equal(floats(m.w1), before) {
			t.Errorf("%s: the refused checkpoint changed the trainer", want)
		}
	}
}

// tensorOf returns the elements of a tensor of a checkpoint.
func tensorOf(c *Checkpoint, name string) []float32 {
	t, _ := c.tensors.Lookup(name)
	return t.Data.([]float32)
}

func TestResumeNamesWhatDiffersInTheModel(t *testing.T) {
	cfg, mc, train, val, path := saved(t)
	c, err := ReadCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	mc.Hidden = 9 // and so are the moments of other shapes
	err = newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val).Resume(c)
	if want := "train: resume from " + path + ": it is of another model: hidden is 8 in the checkpoint, 9 here"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func TestRunDoesNotReplaceAnother(t *testing.T) {
	cfg, mc, train, val, path := saved(t)
	fit := func(c Config) error {
		_, err := newTrainer(t, c, newTinyModel(mc, tensor.Float32), train, val).Fit(context.Background())
		return err
	}
	if err := fit(cfg); err == nil || !strings.Contains(err.Error(), path+" is a checkpoint of an earlier run") {
		t.Errorf("got error %v", err)
	}
	// Nor does a run that is resumed from elsewhere.
	elsewhere, _, _, _, other := saved(t)
	elsewhere.CheckpointDir = cfg.CheckpointDir
	elsewhere.Steps += 2
	tr := newTrainer(t, elsewhere, newTinyModel(mc, tensor.Float32), train, val)
	c, err := ReadCheckpoint(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Resume(c); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Fit(context.Background()); err == nil || !strings.Contains(err.Error(), "is a checkpoint of an earlier run") {
		t.Errorf("got error %v", err)
	}
	foreign := filepath.Join(cfg.CheckpointDir, "last-model.safetensors")
	if err := os.WriteFile(foreign, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg.Overwrite, cfg.Steps = true, 4
	cfg.EvalEvery = 0
	if err := fit(cfg); err != nil {
		t.Fatal(err)
	}
	if c, err = ReadCheckpoint(path); err != nil || c.State.Step != 4 {
		t.Errorf("checkpoint of step %d, error %v", c.State.Step, err)
	}
	if files := tensorFiles(t, cfg.CheckpointDir); len(files) != 3 || !slices.Contains(files, foreign) {
		t.Errorf("tensor files %q, want two and %q, which is none of the run's", files, foreign)
	}
	// A directory that cannot be made.
	cfg.CheckpointDir = filepath.Join(path, "below a file")
	if err := fit(cfg); err == nil || !strings.Contains(err.Error(), "train: checkpoint directory: ") {
		t.Errorf("got error %v", err)
	}
}

// settled is a model that has the last word on what is loaded into it.
type settled struct {
	*tinyModel
	settle func() error
}

func (m settled) Settle() error { return m.settle() }

func TestLoadModelSettles(t *testing.T) {
	_, mc, _, _, path := saved(t)
	c, err := ReadCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	m := settled{tinyModel: newTinyModel(mc, tensor.Float32)}
	weight := func() []float64 { return floats(m.Params()[2].Node.Value()) }
	fresh := slices.Clone(weight())
	m.settle = func() error {
		if slices.Equal(weight(), fresh) {
			t.Error("Settle was called before the values were loaded")
		}
		return errors.New("they do not fit")
	}
	if err := c.LoadModel(m); err == nil || !strings.Contains(err.Error(), "train: checkpoint "+path+": they do not fit") {
		t.Errorf("got error %v", err)
	}
	if !slices.Equal(weight(), fresh) || m.counter.Int64s()[0] != 0 {
		t.Error("a refused checkpoint changed the model")
	}
	m.settle = func() error { m.counter.Int64s()[0]++; return nil }
	if err := c.LoadModel(m); err != nil {
		t.Fatal(err)
	}
	if m.counter.Int64s()[0] != tinySteps+1 {
		t.Errorf("the buffer is %d, want %d", m.counter.Int64s()[0], tinySteps+1)
	}
}
