package train

import (
	"context"
	"flag"
	"os"
	"reflect"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/task"
)

// What a graph leaves in the memory that it shares is NaN in all tests.
func TestMain(m *testing.M) {
	flag.Parse()
	graphop.Poison(flag.Lookup("test.bench").Value.String() == "") // it takes time
	os.Exit(m.Run())
}

// A run whose graphs share their memory is to the last bit one whose graphs have
// their own: with several lengths, evaluations, micro-batches, Gorgonia's own ops,
// and outputs that are as long as the sequence.
func TestSharedMemoryChangesNothing(t *testing.T) {
	for _, dt := range []DType{Float32, Float64} {
		for _, micro := range []int{0, 4} {
			for _, position := range []bool{false, true} {
				cfg, mc, train, val := tinyRun(t.TempDir())
				cfg.DType, cfg.MicroBatch, mc.Position = dt, micro, position
				if position {
					mc.Vocab, mc.Features = 0, 2
					train, val = train.asFeatures(tinyClasses), val.asFeatures(tinyClasses)
				}
				run := func(memory *graphop.Arena) outcome {
					cfg.CheckpointDir = t.TempDir()
					l := &losses{}
					tr := newTrainer(t, cfg, newTinyModel(mc, dt.Tensor()), train, val, l)
					tr.memory = memory
					r, err := tr.Fit(context.Background())
					if err != nil {
						t.Fatal(err)
					}
					return outcomeOf(t, tr, r, l.loss)
				}
				if got, want := run(new(graphop.Arena)), run(nil); !reflect.DeepEqual(got, want) {
					t.Errorf("%s, micro-batches of %d, a label for each position %v: want %+v, got %+v", dt, micro, position, want.History, got.History)
				}
			}
		}
	}
}

// All graphs of a run, those of the test included, need the memory of the largest.
func TestRunNeedsTheMemoryOfItsLargestGraph(t *testing.T) {
	cfg, mc, _, val := tinyRun("")
	cfg.Buckets, cfg.CheckpointEvery, cfg.Steps, mc.Hidden = []int{6, 12, 18, 24}, 0, 30, 32
	train := newTokenData(200, 3, 24, tinyVocab, tinyClasses, 3)
	tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val)
	if _, err := tr.Fit(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Evaluate(context.Background(), train); err != nil {
		t.Fatal(err)
	}
	graphs, most, sum := 0, 0, 0
	for key, s := range tr.sessions {
		if key.mode == task.Training {
			graphs++
		}
		most, sum = max(most, s.memory.Bytes()), sum+s.memory.Bytes()
	}
	if graphs != len(cfg.Buckets) || most == 0 || sum < 3*most {
		t.Fatalf("%d graphs of training, %d bytes in the largest, %d in all: the test is of no use", graphs, most, sum)
	}
	if got := tr.memory.Bytes(); got > most+most/8 {
		t.Errorf("want %d bytes, those of the largest graph, got %d", most, got)
	}
}

// And so do those of an evaluator.
func TestEvaluatorNeedsTheMemoryOfItsLargestGraph(t *testing.T) {
	_, mc, _, _ := tinyRun("")
	mc.Hidden = 32
	e, err := NewEvaluator(newTinyModel(mc, tensor.Float32), Accuracy())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ds := newTokenData(200, 3, 24, tinyVocab, tinyClasses, 3)
	cfg := LoaderConfig{BatchSize: 8, Buckets: []int{6, 12, 18, 24}}
	for range 2 { // the first run of a graph finds out what it needs
		if _, err := e.Evaluate(context.Background(), ds, cfg); err != nil {
			t.Fatal(err)
		}
	}
	most, sum := 0, 0
	for _, s := range e.t.sessions {
		most, sum = max(most, s.memory.Bytes()), sum+s.memory.Bytes()
	}
	if e.Graphs() != len(cfg.Buckets) || sum < 2*most || most == 0 {
		t.Fatalf("%d graphs, %d bytes in the largest, %d in all: the test is of no use", e.Graphs(), most, sum)
	}
	if got := e.t.memory.Bytes(); got > most+most/8 {
		t.Errorf("want %d bytes, those of the largest graph, got %d", most, got)
	}
}
