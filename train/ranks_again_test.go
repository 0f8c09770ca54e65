package train

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"gorgonia.org/tensor"
)

// Ranks that have been interrupted go on with the same trainers, from the states that
// they carry.
func TestFitAgainOnRanks(t *testing.T) {
	data := streams(t, 4)
	want := make([][]float64, 3)
	for _, stop := range []int{0, 1, 4, 7} {
		for rank, err := range onRanks(t, 2, func(g Group) error {
			cfg := streamConfig("")
			cfg.LR = 0.05
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			tr, err := New(cfg, newLeaky(), data, nil, WithGroup(g, GroupConfig{}), WithHooks(stopAt(stop, cancel)))
			if err != nil {
				return err
			}
			defer tr.Close()
			_, err = tr.Fit(ctx)
			if stop > 0 {
				if !errors.As(err, new(*InterruptedError)) {
					return errors.Join(errors.New("not interrupted"), err)
				}
				_, err = tr.Fit(context.Background())
			}
			if got := floats(tr.model.(*leaky).w); stop == 0 {
				want[g.Rank()] = got
			} else if !slices.Equal(got, want[0]) {
				t.Errorf("stopped after step %d, rank %d: w %v, unbroken %v", stop, g.Rank(), got, want[0])
			}
			return err
		}) {
			if err != nil {
				t.Errorf("stopped after step %d, rank %d: %v", stop, rank, err)
			}
		}
	}
}

// A step of a rank leaves little more garbage than one of a trainer alone.
func TestStepsOfRanksAllocateLittle(t *testing.T) {
	allocated := func(n, steps int) (objects, bytes int) {
		cfg := Config{Steps: steps, BatchSize: 16, LR: 0.01, DType: Float32}
		data := newTokenData(64, 3, 24, tinyVocab, tinyClasses, 1)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, err := range onRanks(t, n, func(g Group) error {
			tr, err := New(cfg, newTinyModel(tinyConfig{Vocab: tinyVocab, Hidden: 8, Classes: tinyClasses}, tensor.Float32), data, nil,
				WithGroup(g, GroupConfig{}), WithMetrics(Accuracy()))
			if err != nil {
				return err
			}
			defer tr.Close()
			_, err = tr.Fit(context.Background())
			return err
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		return int(after.Mallocs-before.Mallocs) / n, int(after.TotalAlloc-before.TotalAlloc) / n
	}
	perStep := func(n int) (objects, bytes int) {
		a, b := allocated(n, 50)
		c, d := allocated(n, 250)
		return (c - a) / 200, (d - b) / 200
	}
	objects, bytes := perStep(1)
	ofRanks, bytesOfRanks := perStep(3)
	if ofRanks > objects+30 || bytesOfRanks > bytes+2048 {
		t.Errorf("a step of a rank allocates %d times, %d bytes; of one alone %d times, %d bytes", ofRanks, bytesOfRanks, objects, bytes)
	}
}
