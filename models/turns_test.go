package models_test

import (
	"context"
	"flag"
	"math"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// What a graph leaves in the memory that it shares is NaN in all tests.
func TestMain(m *testing.M) {
	flag.Parse()
	graphop.Poison(flag.Lookup("test.bench").Value.String() == "") // it takes time
	os.Exit(m.Run())
}

// lengthened is a data set of n examples whose lengths are those given, by turns.
type lengthened struct {
	n       int
	lengths []int
}

func (d lengthened) Fields() []task.Field {
	return []task.Field{task.Tokens(task.X, 0), task.Label(task.Target)}
}
func (d lengthened) Len() int         { return d.n }
func (d lengthened) Length(i int) int { return d.lengths[i%len(d.lengths)] }
func (d lengthened) Example(i int, row *task.Row) error {
	tokens := make([]int, d.Length(i))
	for t := range tokens {
		tokens[t] = (i*t + i) % 5
	}
	row.Ints(task.X, tokens...)
	row.Ints(task.Target, i%2)
	return nil
}

// heapOf returns the memory, in bytes, of the trainer of a run of steps of 64 sequences,
// micro of them at a time, that has been evaluated too.
func heapOf(t *testing.T, cfg models.ClassifierConfig, data lengthened, micro int, buckets ...int) uint64 {
	t.Helper()
	before := heap()
	m := classifierOf(t, cfg)
	c := train.Config{DType: train.Float32, Steps: data.n / 64, BatchSize: 64, MicroBatch: micro, LR: 0.001, Buckets: buckets, EvalEvery: 2}
	tr, err := train.New(c, m, data, data)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Fit(context.Background()); err != nil {
		t.Fatal(err)
	}
	after := heap()
	runtime.KeepAlive(tr)
	return after - min(before, after)
}

// heap returns the memory in use, in bytes, when nothing more of it can be collected:
// what has a finalizer, or is referred to by what has one, outlives a collection.
func heap() uint64 {
	least := uint64(math.MaxUint64)
	for range 20 {
		runtime.GC()
		time.Sleep(time.Millisecond) // for the finalizers
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		if s.HeapAlloc >= least {
			break
		}
		least = s.HeapAlloc
	}
	return least
}

// A run with several lengths, and its evaluations, takes the memory of its largest
// graph.
func TestRunTakesTheMemoryOfItsLargestGraph(t *testing.T) {
	block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 32, DState: 4}}
	cfg := models.ClassifierConfig{Vocab: 5, Classes: 2, Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{block}}}
	for _, micro := range []int{0, 32} {
		one := heapOf(t, cfg, lengthened{256, []int{256}}, micro, 256)
		four := heapOf(t, cfg, lengthened{256, []int{256, 128, 160, 224}}, micro, 128, 160, 224, 256)
		if four > one+one/4 {
			t.Errorf("micro-batches of %d: one length takes %d bytes, four take %d", micro, one, four)
		}
	}
}

// built is a classifier that records the batches that it is built for.
type built struct {
	*models.Classifier
	rows map[task.Mode][]int
}

func (m built) Build(mode task.Mode, batch, length int) (*task.Graph, error) {
	m.rows[mode] = append(m.rows[mode], batch)
	return m.Classifier.Build(mode, batch, length)
}

// An evaluation has several micro-batches at a time, where they fit in the memory of
// training, and gives what it gives with one.
func TestEvaluationFollowsWhatFits(t *testing.T) {
	block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 8, DState: 4}}
	data := lengthened{32, []int{64, 40}}
	run := func(depth, micro, eval int) (float64, int) {
		m := built{classifierOf(t, models.ClassifierConfig{Vocab: 5, Classes: 2, Stack: layers.StackConfig{Repeat: depth, Blocks: []layers.BlockConfig{block}}}), map[task.Mode][]int{}}
		c := train.Config{DType: train.Float32, Steps: 2, BatchSize: 16, MicroBatch: micro, EvalBatchSize: eval, LR: 0.001, Buckets: []int{40, 64}}
		tr, err := train.New(c, m, data, data)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		r, err := tr.Fit(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		rows := m.rows[task.Evaluation]
		return r.Best.Val.Loss, rows[len(rows)-1]
	}
	want, _ := run(6, 1, 1)
	for _, c := range []struct{ depth, micro, eval, low, high int }{
		{6, 1, 0, 3, 15},  // more than one
		{6, 8, 0, 16, 16}, // no more than a batch
		{6, 2, 4, 4, 4},   // as it was told
		{6, 0, 0, 16, 16}, // whole batches stay what they are
		{1, 1, 0, 1, 2},   // there is no room
	} {
		loss, rows := run(c.depth, c.micro, c.eval)
		if rows < c.low || rows > c.high {
			t.Errorf("%d blocks, micro-batches of %d, EvalBatchSize %d: %d rows, want %d to %d", c.depth, c.micro, c.eval, rows, c.low, c.high)
		}
		if c.depth == 6 && !(math.Abs(loss-want) <= 1e-5*want) {
			t.Errorf("micro-batches of %d, %d rows: loss %v, want %v", c.micro, rows, loss, want)
		}
	}
}
