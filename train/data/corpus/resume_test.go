package corpus_test

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/corpus"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// stopping ends a run after a step.
type stopping struct {
	train.BaseHook
	step int
	stop func()
}

func (s stopping) OnStep(e train.StepEvent) error {
	if e.Step == s.step {
		s.stop()
	}
	return nil
}

// A language model that is trained on rolled streams, whose state is carried, and stopped
// in the middle of an epoch goes on bit for bit, with tokens from the cache.
func TestResumeInTheMiddleOfAnEpoch(t *testing.T) {
	const batch, length = 2, 8
	path := filepath.Join(write(t, map[string]string{"a.txt": strings.Repeat("it was the best\nof times it was\n", 6)}), "a.txt")
	cache := t.TempDir()
	run := func(dir string, seed uint64, stop int, resume bool) ([]float64, error) {
		d := load(t, path, corpus.Config{Tokenizer: tokenizer.KindChar, TestFraction: -1, ValFraction: 0.2}, data.Room{Cache: cache})
		pieces, err := d.Train.Streams(batch, length)
		if err != nil {
			t.Fatal(err)
		}
		val, err := d.Val.Streams(batch, length)
		if err != nil {
			t.Fatal(err)
		}
		block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, PreNorm: true}
		m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float64, models.LanguageModelConfig{
			Vocab: d.Tokenizer.Vocab(), Stack: layers.StackConfig{Blocks: []layers.BlockConfig{block}}, Carry: true,
		}, 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		cfg := train.Config{Epochs: 2, BatchSize: batch, LR: 0.01, InOrder: true, DType: train.Float64, CheckpointDir: dir, CheckpointEvery: 100, EvalEvery: 7}
		tr, err := train.New(cfg, m, pieces.Rolled(seed), val, train.WithHooks(stopping{step: stop, stop: cancel}))
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if resume {
			c, err := train.ReadCheckpoint(filepath.Join(dir, train.LastCheckpoint))
			if err == nil {
				err = tr.Resume(c)
			}
			if err != nil {
				return nil, err
			}
		}
		if _, err := tr.Fit(ctx); err != nil && !errors.As(err, new(*train.InterruptedError)) {
			t.Fatal(err)
		}
		var all []float64
		for _, p := range m.Params() {
			all = append(all, p.Node.Value().(*tensor.Dense).Float64s()...)
		}
		return all, nil
	}
	want, _ := run(t.TempDir(), 1, 0, false)
	if other, _ := run(t.TempDir(), 2, 0, false); reflect.DeepEqual(other, want) {
		t.Fatal("another roll trains the same model: the test is of no use")
	}
	for _, stop := range []int{3, 13} { // of 10 in an epoch
		dir := t.TempDir()
		if _, err := run(dir, 1, stop, false); err != nil {
			t.Fatal(err)
		}
		got, err := run(dir, 1, 0, true)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("stopped after step %d: the model is not that of a run in one piece, error %v", stop, err)
		}
		if _, err := run(dir, 2, 0, true); err == nil || !strings.Contains(err.Error(), "the data differ") {
			t.Errorf("another roll: got error %v", err)
		}
	}
}
