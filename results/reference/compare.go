package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

// check holds both sides to each other in float64: without dropout the loss and the
// gradients of one step, the losses of 20 and the parameters behind them, and the law of
// the parameters before training; and with much dropout, at a rate of almost 0, losses and
// gradients on average.
func check(ctx context.Context, o options) error {
	stages := []struct {
		name    string
		dropout float64
		lr      float64
		steps   int
		args    []string
	}{
		{"one", 0, rate, 1, []string{"-schedule=constant", "-warmup=0"}},
		{"some", 0, rate, 20, []string{"-schedule=cosine", "-warmup=5"}},
		{"dropout", 0.5, 1e-30, 100, []string{"-schedule=constant", "-warmup=0", "-wd=0", "-init-from=" + o.dir("check-some") + "/model"}},
	}
	var failed error
	for _, s := range stages {
		dir := o.dir("check-" + s.name)
		args := o.arguments(s.dropout, s.lr, "-dtype=float64", "-limit=100", "-batch=10", fmt.Sprint("-steps=", s.steps), fmt.Sprint("-eval-every=", s.steps))
		if _, err := o.ours(ctx, dir, append(args, s.args...)); err != nil {
			return err
		}
		if err := export(ctx, dir, dir+"-export"); err != nil {
			return err
		}
		if err := o.script(ctx, "check.py", "--threads="+strconv.Itoa(o.threads), "--code="+o.code, "--data="+dir+"-export", "--run="+dir); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return failed
}

// pair is a run of ours and one of the public code with the same batches.
type pair struct {
	seed         int
	ours, public outcome
}

// alike trains both for as many steps from parameters of their own, for some seeds, and
// compares the accuracies.
func alike(ctx context.Context, o options) error {
	var pairs []pair
	for seed := range o.seeds {
		p, err := o.pair(ctx, "alike", seed, fmt.Sprint("-steps=", o.steps))
		if err != nil {
			return err
		}
		pairs = append(pairs, p)
	}
	if err := o.write("alike", table(pairs)); err != nil {
		return err
	}
	return o.draw("alike", pairs, bySteps)
}

// hours trains both for the same time, one after the other, and draws their accuracies
// against it.
func hours(ctx context.Context, o options) error {
	const most = 1 << 20 // steps: the time ends before
	p, err := o.pair(ctx, "hours", 0, fmt.Sprint("-steps=", most), "-max-time="+o.time.String())
	if err != nil {
		return err
	}
	if err := o.write("hours", table([]pair{p})); err != nil {
		return err
	}
	return o.draw("hours", []pair{p}, byHours)
}

// pair trains both sides with a seed.
func (o options) pair(ctx context.Context, command string, seed int, more ...string) (p pair, err error) {
	name := fmt.Sprintf("%s-%d", o.dir(command), seed)
	args := o.arguments(o.of.dropout, rate, append(more,
		"-schedule=cosine", fmt.Sprint("-warmup=", o.warmUp), fmt.Sprint("-eval-every=", o.evalEvery), fmt.Sprint("-seed=", seed))...)
	p.seed = seed
	if p.ours, err = o.ours(ctx, name+"-ours", args); err != nil {
		return p, err
	}
	p.public, err = o.public(ctx, name+"-public", name+"-ours", seed)
	return p, err
}

// table shows the accuracies in Markdown, with their means and deviations.
func table(pairs []pair) []byte {
	var b bytes.Buffer
	b.WriteString("| seed | ours, test | public, test | steps | seconds of training |\n|--:|--:|--:|--:|--:|\n")
	var ours, public []float64
	for _, p := range pairs {
		fmt.Fprintf(&b, "| %d | %.2f %% | %.2f %% | %d and %d | %.0f and %.0f |\n", p.seed, 100*p.ours.test, 100*p.public.test, p.ours.steps, p.public.steps, p.ours.seconds, p.public.seconds)
		ours, public = append(ours, 100*p.ours.test), append(public, 100*p.public.test)
	}
	if len(pairs) > 1 {
		m1, d1 := meanDeviation(ours)
		m2, d2 := meanDeviation(public)
		fmt.Fprintf(&b, "| mean | %.2f ± %.2f %% | %.2f ± %.2f %% | | |\n", m1, d1, m2, d2)
	}
	return b.Bytes()
}

// meanDeviation returns the mean of at least two numbers and their standard deviation.
func meanDeviation(v []float64) (mean, deviation float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		deviation += (x - mean) * (x - mean) / float64(len(v)-1)
	}
	return mean, math.Sqrt(deviation)
}

// write prints a table, and writes it to a file of a command.
func (o options) write(command string, table []byte) error {
	if _, err := os.Stdout.Write(table); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.result(command)), 0o777); err != nil {
		return err
	}
	return os.WriteFile(o.result(command)+".md", table, 0o666)
}
