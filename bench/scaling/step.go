package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// architecture is a classifier of S4 layers whose steps are measured.
type architecture struct {
	name          string
	depth, dModel int
	batch         float64 // of the projection
	share         int     // a rank by itself has so many times fewer rows than of the first
}

const dState, classes = 64, 10

// architectures are the models of -models. The second is that of the Image task of the
// Long Range Arena.
var architectures = []architecture{{"small", 4, 128, 64, 1}, {"image", 6, 512, 50, 2}}

// architectureOf returns that of a name.
func architectureOf(name string) (architecture, bool) {
	i := slices.IndexFunc(architectures, func(a architecture) bool { return a.name == name })
	if i < 0 {
		return architecture{}, false
	}
	return architectures[i], true
}

// String returns "small, 4 x 128".
func (a architecture) String() string { return fmt.Sprintf("%s, %d x %d", a.name, a.depth, a.dModel) }

// train measures steps of training. A rank by itself makes them with several numbers of
// rows, to which a line is fitted. Of ranks that there are processors for each has its
// rows, or all have those of two; and only with the first model.
func (m *meter) train(ctx context.Context) error {
	n := m.group.Size()
	if n > runtime.NumCPU() {
		return nil
	}
	batches, names := []int{n * m.rows}, m.models[:min(1, len(m.models))]
	switch {
	case n == 1:
		batches, names = []int{m.rows / 2, m.rows, 2 * m.rows}, m.models
	case n > 2:
		batches = append(batches, 2*m.rows)
	}
	for _, name := range names {
		a, _ := architectureOf(name)
		for _, rows := range batches {
			if err := m.step(ctx, a, rows/a.share); err != nil {
				return err
			}
		}
	}
	return nil
}

// step measures steps of batches of so many rows.
func (m *meter) step(ctx context.Context, a architecture, rows int) error {
	const warm = 2
	model, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{
		Features: 1, Classes: classes, Stack: layers.StackConfig{Repeat: a.depth, Blocks: []layers.BlockConfig{{
			Mixer:   layers.S4Config{DModel: a.dModel, DState: dState, LMax: m.length, SSM: layers.SSM{Dropout: 0.1}},
			Dropout: 0.1,
		}}},
	}, 1)
	if err != nil {
		return err
	}
	data, err := waves(rows, m.length)
	if err != nil {
		return err
	}
	watch := &stopwatch{}
	t, err := train.New(train.Config{Steps: warm + m.steps, BatchSize: rows, LR: 1e-3}, model, data, nil,
		train.WithGroup(m.group, train.GroupConfig{BucketBytes: int(m.bucket * (1 << 20))}), train.WithHooks(watch))
	if err != nil {
		return err
	}
	defer t.Close()
	if _, err := t.Fit(ctx); err != nil {
		return err
	}
	if m.group.Rank() == 0 {
		m.keep(sample{kind: stepKind, model: a.name, wire: "float32", parameters: sizeOf(model), rows: rows}, watch.times[warm:])
	}
	return nil
}

func sizeOf(m train.Model) int {
	n := 0
	for _, p := range m.Params() {
		n += p.Node.Shape().TotalSize()
	}
	return n
}

// stopwatch keeps the times of steps.
type stopwatch struct {
	train.BaseHook
	times []time.Duration
}

// OnStep implements train.Hook.
func (s *stopwatch) OnStep(e train.StepEvent) error {
	s.times = append(s.times, e.Duration)
	return nil
}

// waves are sequences whose class is their frequency.
func waves(rows, length int) (task.Dataset, error) {
	x, y := make([][]float32, rows), make([]int, rows)
	for i := range x {
		x[i], y[i] = make([]float32, length), i%classes
		for t := range x[i] {
			x[i][t] = float32(math.Sin(float64(t*(1+y[i])) / 50))
		}
	}
	return task.NewTable(task.Col(task.Features(task.X, 1), x), task.Col(task.Label(task.Target), y))
}
