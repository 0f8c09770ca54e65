package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
)

// run trains and tests a model as the arguments say.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	began := time.Now()
	data, err := o.load(ctx, out)
	if err != nil {
		return explain(ctx, err, "before the training began")
	}
	if err := o.bendTo(data.Train.Len(), data.longest()); err != nil {
		return err
	}
	model, err := models.NewClassifier(G.NewGraph(), o.train.DType.Tensor(), o.model, o.seed)
	if err != nil {
		return modelFields.Speak(err)
	}
	fmt.Fprintf(out, "\n%s\n", model.Summary())
	dir := filepath.Join(o.out, "model")
	tr, err := train.New(o.train, model, data.Train, data.Val, train.WithMetrics(train.Accuracy()),
		train.WithHooks(train.NewProgress(out), train.NewMetricsFile(filepath.Join(o.out, "metrics.jsonl")), earlierModel{dir: dir}))
	if err != nil {
		return trainFields.Speak(err)
	}
	defer tr.Close()
	if o.resume {
		if err := o.goOn(tr, out); err != nil {
			return err
		}
	}
	stopProfile, err := startProfile(o.cpuProfile)
	if err != nil {
		return err
	}
	result, err := tr.Fit(ctx)
	err = errors.Join(err, stopProfile())
	if err != nil {
		return trainFields.Speak(explain(ctx, err, "in the training"))
	}
	if result.Best == nil {
		fmt.Fprintf(out, "\n%s after %s, before the first step: nothing is trained; -resume with a longer -max-time goes on from the start\n", result.Reason, result.Elapsed)
		return nil
	}
	if err := tr.LoadBest(); err != nil {
		return err
	}
	test, err := tr.Evaluate(ctx, data.Test)
	if err != nil {
		return explain(ctx, err, "in the test; the training is finished and saved, and -resume repeats the test")
	}
	if err := model.Save(dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s after %d steps; best validation accuracy %.2f %% at step %d\n", result.Reason, result.Steps, 100*result.Best.Val.Value("accuracy"), result.Best.Step)
	fmt.Fprintf(out, "test accuracy %.2f %% (%d examples), loss %.4f; always guessing the commonest class: %.2f %%\n", 100*test.Value("accuracy"), int(test.Count), test.Loss, 100*data.commonest)
	fmt.Fprintf(out, "model in %s, %s in all\n", dir, time.Since(began).Round(time.Second))
	return nil
}

// earlierModel removes the trained model of a run that a new one replaces: it
// would be taken for that of the new one. By then the new run has a checkpoint.
type earlierModel struct {
	train.BaseHook
	dir string
}

// OnStart implements train.Hook.
func (m earlierModel) OnStart(e train.StartEvent) error {
	if e.Resumed {
		return nil
	}
	for _, f := range []string{"config.json", "model.safetensors"} {
		if err := os.Remove(filepath.Join(m.dir, f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// goOn makes the trainer go on from the last checkpoint, or from the start if
// the run was killed before there was one.
func (o *options) goOn(tr *train.Trainer, out io.Writer) error {
	path := filepath.Join(o.out, train.LastCheckpoint)
	c, err := train.ReadCheckpoint(path)
	if _, missing := os.Lstat(path); errors.Is(missing, fs.ErrNotExist) {
		if _, err := os.Stat(o.out); err != nil {
			return fmt.Errorf("-resume: there is no run in -out: %w", err)
		}
		fmt.Fprintf(out, "there is no checkpoint in %s: starting from the beginning\n", o.out)
		return nil
	}
	if err != nil {
		return err
	}
	return o.resumed(tr.Resume(c))
}

// explain says of an error that the end of ctx caused where that was, and how
// to go on.
func explain(ctx context.Context, err error, where string) error {
	var stop *train.InterruptedError
	switch {
	case errors.As(err, &stop):
		return fmt.Errorf("%w; go on with the same options and -resume", err)
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return fmt.Errorf("interrupted (%w) %s", context.Cause(ctx), where)
	}
	return err
}

// startProfile writes a CPU profile to a file until the function it returns is
// called. Without a name it does nothing.
func startProfile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
