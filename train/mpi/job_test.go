//go:build mpi && cgo && linux

package mpi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// job is what all ranks do: they train a small model. It is handed to them in the
// environment.
type job struct {
	Dir    string // of the checkpoints
	Steps  int
	Batch  int           // rows of all ranks; 0: 8
	Pause  time.Duration // of rank 0 after each step
	Resume bool          // from Dir
	Fault  string        // of a rank; "" for none
	Rank   int           // the rank of the fault
}

// jobVariable holds the job.
const jobVariable = "S4_MPI_JOB"

// steps are those of a whole run: four epochs.
const steps = 24

// Faults.
const (
	faultKilled = "killed"        // by the kernel, say, which has run out of memory
	faultMemory = "out of memory" // of the process
	faultDisk   = "full disk"
	faultConfig = "other configuration"
	faultData   = "other data"
)

const (
	faultStep = 6        // after which the disk is full
	filler    = "filler" // the file that fills it
)

func init() { cases["job"] = runJob }

// runJob does the job on a rank.
func runJob() error {
	var j job
	if err := json.Unmarshal([]byte(os.Getenv(jobVariable)), &j); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGUSR1)
	defer stop()
	return Run(func(c *Comm) error {
		if c.Rank() != j.Rank {
			j.Fault = ""
		}
		if c.Rank() != 0 { // which alone has the disk
			j.Dir, j.Resume = "", false
		}
		_, err := j.train(ctx, train.WithGroup(c, train.GroupConfig{}))
		if err != nil { // before mpirun ends who is late
			fmt.Fprintf(os.Stderr, "rank %d: %v\n", c.Rank(), err)
		}
		return err
	})
}

// train trains the model, and returns it.
func (j job) train(ctx context.Context, opts ...train.Option) (train.Model, error) {
	cfg := train.Config{
		Steps: j.Steps, BatchSize: cmp.Or(j.Batch, 8), Seed: 1, DType: train.Float64, LR: 0.01, WeightDecay: 0.05, Clip: 1,
		Schedule: train.Schedule{Kind: train.Cosine}, EvalEvery: 1000, CheckpointDir: j.Dir, CheckpointEvery: 1,
	}
	data := &parity{count: 45, seed: 1, dies: j.dies()}
	switch j.Fault {
	case faultConfig:
		cfg.LR = 0.02
	case faultData:
		data.seed = 2
	}
	m, err := newModel()
	if err != nil {
		return nil, err
	}
	tr, err := train.New(cfg, m, data, nil, append(opts, train.WithHooks(after{j: j}))...)
	if err != nil {
		return nil, err
	}
	defer tr.Close()
	if j.Resume {
		c, err := train.ReadCheckpoint(j.checkpoint())
		if err != nil {
			return nil, err
		}
		if err := tr.Resume(c); err != nil {
			return nil, err
		}
	}
	_, err = tr.Fit(ctx)
	return m, err
}

func (j job) checkpoint() string { return filepath.Join(j.Dir, train.LastCheckpoint) }

func newModel() (*models.Classifier, error) {
	return models.NewClassifier(G.NewGraph(), tensor.Float64, models.ClassifierConfig{
		Vocab: 4, Classes: 2, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4, DState: 4}}}},
	}, 3)
}

// after is what happens after a step.
type after struct {
	train.BaseHook
	j job
}

func (h after) OnStep(train.StepEvent) error {
	time.Sleep(h.j.Pause)
	return nil
}

// OnCheckpoint fills the disk.
func (h after) OnCheckpoint(e train.CheckpointEvent) error {
	if h.j.Fault != faultDisk || e.Step != faultStep {
		return nil
	}
	return fill(filepath.Join(h.j.Dir, filler))
}

// fill writes a file until there is no room for more.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 2*diskSize)); err == nil {
		return fmt.Errorf("want a disk of %d bytes, got a larger one", diskSize)
	}
	return nil
}

// dies returns what ends a rank while it reads an example; nil if nothing does.
func (j job) dies() func() {
	switch j.Fault {
	case faultKilled:
		return func() { syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	case faultMemory:
		return exhaust
	}
	return nil
}

// exhaust takes more memory than there is, once it has left the process little more than
// it has.
func exhaust() {
	var pages uint64
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &pages)
	}
	if err != nil {
		panic(err)
	}
	room := pages*uint64(os.Getpagesize()) + 64<<20
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: room, Max: room}); err != nil {
		panic(err)
	}
	clear(make([]byte, 1<<30))
}

// parity is a data set: sequences of tokens, and whether the token 3 is in them an odd
// number of times.
type parity struct {
	count int
	seed  uint64
	dies  func() // some steps after the data have been read for their fingerprint
	reads atomic.Int64
}

func (*parity) Fields() []task.Field {
	return []task.Field{task.Tokens(task.X, 0), task.Label(task.Target)}
}
func (d *parity) Len() int         { return d.count }
func (d *parity) Length(i int) int { return 3 + i%6 }

func (d *parity) Example(i int, row *task.Row) error {
	if d.reads.Add(1) == int64(d.count+10) && d.dies != nil {
		d.dies()
	}
	rng := rand.New(rand.NewPCG(d.seed, uint64(i)))
	x, y := make([]int, d.Length(i)), 0
	for l := range x {
		x[l] = rng.IntN(4)
		if x[l] == 3 {
			y ^= 1
		}
	}
	row.Ints(task.X, x...)
	row.Ints(task.Target, y)
	return nil
}

// saved says whether a job has left a checkpoint.
func (j job) saved() bool {
	_, err := os.Stat(j.checkpoint())
	return err == nil
}

// stepOf reads the checkpoint of a job, which has to be whole, and returns its step.
func stepOf(t *testing.T, j job) int {
	t.Helper()
	c, err := train.ReadCheckpoint(j.checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	return c.State.Step
}

// awaitStep waits for a checkpoint of a step or a later one.
func awaitStep(t *testing.T, r running, j job, step int) {
	t.Helper()
	for {
		if c, err := train.ReadCheckpoint(j.checkpoint()); err == nil && c.State.Step >= step {
			return
		}
		if r.ctx.Err() != nil {
			t.Fatalf("want a checkpoint of step %d, got none after %v:\n%s", step, patience, r.output)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// sameAsAlone compares the last checkpoint of a job with the model that one process
// trains.
func sameAsAlone(t *testing.T, j job) {
	t.Helper()
	const tol = 1e-12
	want, err := job{Steps: j.Steps}.train(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := newModel()
	if err != nil {
		t.Fatal(err)
	}
	c, err := train.ReadCheckpoint(j.checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.LoadModel(got); err != nil {
		t.Fatal(err)
	}
	if c.State.Step != j.Steps {
		t.Fatalf("want a checkpoint of step %d, got %d", j.Steps, c.State.Step)
	}
	for i, p := range want.Params() {
		if d := testutil.RelErr(numbers(got.Params()[i]), numbers(p)); d > tol {
			t.Errorf("%s: relative distance %g to what one process learns, want at most %g", p.Name, d, tol)
		}
	}
}

func numbers(p param.Param) []float64 { return p.Node.Value().Data().([]float64) }
