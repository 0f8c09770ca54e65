package train

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/task"
)

// An evaluator says of a model what its trainer says, and shows every example once.
func TestEvaluatorIsTheTrainers(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	m := newTinyModel(mc, tensor.Float32)
	tr := newTrainer(t, cfg, m, train, val)
	defer tr.Close()
	want, err := tr.Evaluate(context.Background(), val)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEvaluator(m, Accuracy())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	seen := map[int]int{}
	got, err := e.Evaluate(context.Background(), val, LoaderConfig{BatchSize: 3}, func(out *task.Outputs, b *task.Batch) error {
		if _, err := out.Array(task.Logits); err != nil {
			return err
		}
		for _, i := range b.Examples {
			seen[i]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Value("accuracy") != want.Value("accuracy") || got.Count != want.Count {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for i := range val.Len() {
		if seen[i] != 1 {
			t.Errorf("example %d was shown %d times", i, seen[i])
		}
	}
	if e.Graphs() == 0 || e.Close() != nil || e.Graphs() != 0 {
		t.Errorf("%d graphs after Close", e.Graphs())
	}
	own := errors.New("enough")
	if _, err := e.Evaluate(context.Background(), val, LoaderConfig{BatchSize: 3}, func(*task.Outputs, *task.Batch) error { return own }); !errors.Is(err, own) {
		t.Errorf("got error %v", err)
	}
}

func TestEvaluatorErrors(t *testing.T) {
	_, mc, _, val := tinyRun("")
	m := newTinyModel(mc, tensor.Float32)
	if _, err := NewEvaluator(nil); err == nil || !strings.Contains(err.Error(), "want a model, got nil") {
		t.Errorf("got error %v", err)
	}
	if _, err := NewEvaluator(m, Accuracy(), Accuracy()); err == nil || !strings.Contains(err.Error(), "want a name of its own") {
		t.Errorf("got error %v", err)
	}
	e, err := NewEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Evaluate(context.Background(), val, LoaderConfig{}); err == nil || !strings.Contains(err.Error(), "want BatchSize >= 1") {
		t.Errorf("got error %v", err)
	}
	if _, err := e.Evaluate(context.Background(), nil, LoaderConfig{BatchSize: 1}); err == nil || !strings.Contains(err.Error(), "want a data set, got nil") {
		t.Errorf("got error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Evaluate(ctx, val, LoaderConfig{BatchSize: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}
