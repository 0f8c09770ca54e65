package train

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
)

// turning is a data set that is another in each epoch: with the targets of its seed and
// of the epoch.
type turning struct {
	task.Dataset
	seed  float32
	epoch func(n int) task.Dataset
}

func (d turning) Epoch(n int) task.Dataset {
	if d.epoch != nil {
		return d.epoch(n)
	}
	return turned{d.Dataset, d.seed * float32(n+1)}
}

// turned is an epoch of it.
type turned struct {
	task.Dataset
	y float32
}

func (d turned) Example(i int, row *task.Row) error {
	row.Floats("x", []float32{1, 2, 3}[:d.Length(i)]...)
	row.Floats("y", d.y+float32(i%3))
	return nil
}

// A loader asks for the data of every epoch, and of the one in whose middle it begins.
func TestLoaderAsksForTheEpoch(t *testing.T) {
	l, err := NewLoader(turning{streams(t, 2), 10, nil}, LoaderConfig{BatchSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []Position{{}, {Epoch: 1}, {Epoch: 2, Batch: 5}} {
		s, err := l.Stream(context.Background(), from, 3)
		if err != nil {
			t.Fatal(err)
		}
		for n := from.Epoch*6 + from.Batch; n < 6*(from.Epoch+3); n++ {
			b, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			y, err := b.Array("y")
			if want := float64(10*(n/6+1) + b.Examples[0]%3); err != nil || y.At(0) != want {
				t.Fatalf("from %+v, batch %d: want %g, got %g, error %v", from, n, want, y.At(0), err)
			}
		}
		s.Close()
	}
}

// A run that is stopped after any step goes on with the data of its epoch.
func TestEpochsResume(t *testing.T) {
	run := func(dir string, data task.Dataset, stop int, resume bool) ([]float64, error) {
		cfg := streamConfig(dir)
		cfg.LR, cfg.Epochs = 0.05, 3
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
			if err == nil {
				err = trainer.Resume(c)
			}
			if err != nil {
				return nil, err
			}
		}
		_, err := trainer.Fit(ctx)
		if err != nil && !errors.As(err, new(*InterruptedError)) {
			t.Fatal(err)
		}
		return floats(m.w), nil
	}
	data := turning{streams(t, 4), 1, nil}
	want, _ := run(t.TempDir(), data, 0, false)
	if same, _ := run(t.TempDir(), turned{data.Dataset, 1}, 0, false); slices.Equal(same, want) {
		t.Fatal("every epoch has the same data: the test is of no use")
	}
	for stop := 1; stop < 18; stop += 2 {
		dir := t.TempDir()
		if _, err := run(dir, data, stop, false); err != nil {
			t.Fatal(err)
		}
		if got, err := run(dir, data, 0, true); err != nil || !slices.Equal(got, want) {
			t.Errorf("stopped after step %d: w %v, unbroken %v, error %v", stop, got, want, err)
		}
		if _, err := run(dir, turning{data.Dataset, 2, nil}, 0, true); err == nil || !strings.Contains(err.Error(), "the data differ") {
			t.Errorf("epochs of another seed: got error %v", err)
		}
	}
}

func TestEpochErrors(t *testing.T) {
	for want, epoch := range map[string]func(int) task.Dataset{
		"epoch 0 of the data: want a data set, got nil": func(int) task.Dataset { return nil },
		"epoch 0 of the data: want 24 examples":         func(int) task.Dataset { return streams(t, 5) },
		"epoch 0 of the data: a panic":                  func(int) task.Dataset { panic("no") },
	} {
		tr := streamTrainer(t, streamConfig(""), newLeaky(), turning{streams(t, 4), 1, epoch})
		if _, err := tr.Fit(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}
