package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/npy"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/models/statespaces"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data"
)

// The files of an export, which train.py reads.
const (
	configFile = "config.json"
	startFile  = "start.safetensors" // the parameters before training, by the names of the public code
	orderFile  = "order.npy"         // (steps, batch) the training examples of each step, -1 where a row only fills
)

// exported is config.json of an export.
type exported struct {
	Features int     `json:"features"` // of a step; 0: tokens
	Vocab    int     `json:"vocab"`
	Padding  *int    `json:"padding"` // the token that reads as zero
	Classes  int     `json:"classes"`
	DModel   int     `json:"d_model"`
	DState   int     `json:"d_state"`
	Layers   int     `json:"layers"`
	Dropout  float64 `json:"dropout"`
	DtMin    float64 `json:"dt_min"`
	DtMax    float64 `json:"dt_max"`

	DType       train.DType `json:"dtype"`
	LR          float64     `json:"lr"`
	WeightDecay float64     `json:"weight_decay"`
	// Parameters are those of ours by their public names.
	Parameters map[string]parameter `json:"parameters"`
	Schedule   train.Schedule       `json:"schedule"`

	Steps         int     `json:"steps"`
	StepsPerEpoch int     `json:"steps_per_epoch"`
	Batch         int     `json:"batch"`
	EvalBatch     int     `json:"eval_batch"`
	EvalEvery     int     `json:"eval_every"`
	Seconds       float64 `json:"seconds"` // bound of the time; 0: none
}

// parameter is one of our parameters.
type parameter struct {
	Ours        string  `json:"ours"`    // its name
	Negated     bool    `json:"negated"` // the public code stores the negative
	LR          float64 `json:"lr"`
	WeightDecay float64 `json:"weight_decay"`
}

// export writes what a run of ours was trained with to a directory, for the public code:
// the data as the model reads them, the examples of every step, the parameters before
// training and the configuration.
func export(ctx context.Context, run, dir string) error {
	r, err := report.ReadRun(run)
	if err != nil {
		return err
	}
	var rec recipe
	if err := json.Unmarshal(r.Recipe, &rec); err != nil {
		return fmt.Errorf("%s: recipe: %w", run, err)
	}
	parts, err := rec.load(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	m, err := models.LoadClassifier(G.NewGraph(), filepath.Join(run, "start"))
	if err != nil {
		return err
	}
	if err := checkModel(m); err != nil {
		return fmt.Errorf("%s: %w", run, err)
	}
	l, err := statespaces.LayoutOf(m, statespaces.Example)
	if err != nil {
		return err
	}
	if err := l.Write(filepath.Join(dir, startFile), m); err != nil {
		return err
	}
	cfg := configOf(m, l, rec.Train, r.Steps)
	for i, part := range parts.All() {
		if err := writePart(filepath.Join(dir, data.SplitNames[i]), part); err != nil {
			return err
		}
	}
	if cfg.StepsPerEpoch, err = writeOrder(ctx, filepath.Join(dir, orderFile), parts.Train, rec.Train, stepsOf(r)); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, configFile), 0o666, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(cfg)
	})
}

// stepsOf is the number of steps that the public code may need: of a run whose time was
// bounded twice as many as ours had.
func stepsOf(r *report.Run) int {
	if r.End != nil {
		return min(r.Steps, 2*r.End.Steps)
	}
	return r.Steps
}

// checkModel reports what the public S4Model cannot be.
func checkModel(m *models.Classifier) error {
	c := m.Config().(models.ClassifierConfig)
	if len(c.Stack.Blocks) != 1 {
		return fmt.Errorf("want equal blocks, got %d kinds", len(c.Stack.Blocks))
	}
	b := c.Stack.Blocks[0]
	s, ok := b.Mixer.(layers.S4DConfig)
	switch {
	case !ok:
		return fmt.Errorf("want the minimal S4D, got a %T", b.Mixer)
	case !s.FixedB:
		return errors.New("want the minimal S4D, with FixedB, got one that learns B")
	case b.Norm != "" && b.Norm != layers.LayerNorm || b.PreNorm:
		return fmt.Errorf("want layer norm after the sum, got %q, PreNorm %t", b.Norm, b.PreNorm)
	case s.Dropout != b.Dropout || s.UntiedDropout || b.UntiedDropout:
		return fmt.Errorf("want one tied dropout, got %g in the layer and %g behind it, untied %t and %t", s.Dropout, b.Dropout, s.UntiedDropout, b.UntiedDropout)
	case c.Pool != "" && c.Pool != ops.PoolMean:
		return fmt.Errorf("want the mean over the steps, got pool %q", c.Pool)
	}
	return nil
}

// configOf returns the configuration of a model, which the layout names, and of its
// training.
func configOf(m *models.Classifier, l statespaces.Layout, t train.Config, steps int) exported {
	c := m.Config().(models.ClassifierConfig)
	b := c.Stack.Blocks[0]
	s := m.Blocks()[0].Mixer().(*layers.S4D).Config() // with its defaults
	e := exported{
		Features: c.Features, Vocab: c.Vocab, Padding: c.Padding, Classes: c.Classes,
		DModel: s.DModel, DState: s.DState, Layers: c.Stack.Len(), Dropout: b.Dropout, DtMin: s.DtMin, DtMax: s.DtMax,
		DType: cmp.Or(t.DType, train.Float32), LR: t.LR, WeightDecay: t.WeightDecay, Parameters: map[string]parameter{}, Schedule: t.Schedule,
		Steps: steps, Batch: t.BatchSize, EvalBatch: cmp.Or(t.EvalBatchSize, t.BatchSize), EvalEvery: t.EvalEvery,
		Seconds: time.Duration(t.MaxDuration).Seconds(),
	}
	groups := map[string]train.ParamGroup{}
	for _, g := range train.ParamGroups(m.Params(), train.LR(t.LR), train.WeightDecay(t.WeightDecay)) {
		groups[g.Name] = g
	}
	for _, n := range l.Names {
		g := groups[n.Ours]
		e.Parameters[n.Theirs[0].Name] = parameter{n.Ours, n.Negated, g.LR, g.WeightDecay}
	}
	return e
}

// writePart writes the examples of a part: NAME_x.npy has their steps one behind the
// other, (steps of all, features) or token ids (steps of all), NAME_length.npy their
// lengths, and NAME_y.npy their classes.
func writePart(name string, ds task.Dataset) error {
	b := task.NewBatch(ds)
	var features []float32
	var tokens, lengths, classes []int32
	width := 0
	for i := range ds.Len() {
		n := ds.Length(i)
		if err := b.Load([]int{i}, 1, n); err != nil {
			return err
		}
		x, err := b.Array(task.X)
		if err != nil {
			return err
		}
		y, err := b.Array(task.Target)
		if err != nil {
			return err
		}
		lengths, classes = append(lengths, int32(n)), append(classes, int32(y.Ints[0]))
		features = append(features, x.Float32s...)
		width = len(x.Float32s) / max(n, 1)
		for _, v := range x.Ints {
			tokens = append(tokens, int32(v))
		}
	}
	var err error
	if tokens != nil {
		err = npy.Write(name+"_x.npy", []int{len(tokens)}, tokens)
	} else {
		err = npy.Write(name+"_x.npy", []int{len(features) / width, width}, features)
	}
	if err == nil {
		err = npy.Write(name+"_length.npy", []int{len(lengths)}, lengths)
	}
	if err == nil {
		err = npy.Write(name+"_y.npy", []int{len(classes)}, classes)
	}
	return err
}

// writeOrder writes the examples of every step as the trainer takes them, and returns
// the number of steps of an epoch.
func writeOrder(ctx context.Context, path string, ds task.Dataset, t train.Config, steps int) (perEpoch int, err error) {
	l, err := train.NewLoader(ds, train.LoaderConfig{BatchSize: t.BatchSize, Buckets: t.Buckets, Shuffle: !t.InOrder, Seed: t.Seed, DropLast: t.DropLast})
	if err != nil {
		return 0, err
	}
	s, err := l.Stream(ctx, train.Position{}, 0)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	order := make([]int32, 0, steps*t.BatchSize)
	for range steps {
		b, err := s.Next()
		if err != nil {
			return 0, err
		}
		for row := range t.BatchSize {
			example := int32(-1)
			if row < len(b.Examples) {
				example = int32(b.Examples[row])
			}
			order = append(order, example)
		}
	}
	return l.Batches(), npy.Write(path, []int{steps, t.BatchSize}, order)
}
