package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/recall"
)

// The tasks.
var (
	selective = taskOf(recall.SelectiveCopying, "tokens at random steps, to be told in their order")
	induction = taskOf(recall.InductionHeads, "the token that followed the last one when that was there before")
	delay     = taskOf(recall.DelayedRecall, "tokens at the first steps, to be told at the last")
	adding    = taskOf(recall.Adding, "the sum of the two numbers that are marked")
)

// taskOf returns a task.
func taskOf(t recall.Task, about string) experiment.Task {
	return experiment.Task{
		Name: string(t), About: about,
		Options: func() experiment.Options { return &options{task: t} },
		Codec: func() experiment.Codec {
			if t == recall.Adding {
				return new(addingCodec)
			}
			return new(tokenCodec)
		},
	}
}

// options say what the examples are.
type options struct {
	Length     int `json:"length"`
	Tokens     int `json:"tokens,omitempty"`
	Vocabulary int `json:"vocabulary,omitempty"`
	// TrainExamples are those of a pass, TestExamples as many for validation and test.
	TrainExamples int `json:"train_examples"`
	TestExamples  int `json:"test_examples"`
	// TestLengths are other lengths at which the trained model is tested too.
	TestLengths []int `json:"test_lengths,omitempty"`

	task recall.Task
}

// Flags implements experiment.Options.
func (o *options) Flags(fs *flag.FlagSet) {
	fs.IntVar(&o.Length, "length", o.Length, "steps of a sequence, without the markers at which tokens are told")
	if o.copies() {
		fs.IntVar(&o.Tokens, "tokens", o.Tokens, "tokens to be told")
	}
	if o.task != recall.Adding {
		fs.IntVar(&o.Vocabulary, "vocabulary", o.Vocabulary, "token ids, those that are a rest, a marker or another sign included")
	}
	fs.IntVar(&o.TrainExamples, "train-examples", o.TrainExamples, "training sequences of a pass; every pass has others")
	fs.IntVar(&o.TestExamples, "test-examples", o.TestExamples, "sequences of the test, and as many others for validation")
	option.Ints(fs, "test-lengths", &o.TestLengths, "comma-separated `lengths` at which the trained model is tested too; empty: none")
}

// copies says whether the task is one of copying.
func (o *options) copies() bool {
	return o.task == recall.SelectiveCopying || o.task == recall.DelayedRecall
}

// fields are the options by the fields that they set.
var fields = option.Fields{"Config.Length": "-length", "Config.Tokens": "-tokens", "Config.Vocabulary": "-vocabulary"}

// Validate implements experiment.Options.
func (o *options) Validate() error {
	if err := o.config(0).Validate(); err != nil {
		return fields.Speak(err)
	}
	for _, n := range o.TestLengths {
		cfg := o.config(0)
		cfg.Length = n
		if err := cfg.Validate(); err != nil {
			return option.Fields{"Config.Length": "-test-lengths"}.Speak(err)
		}
	}
	const most = 1 << 24
	for _, n := range []struct {
		name string
		v    int
	}{{"train", o.TrainExamples}, {"test", o.TestExamples}} {
		if n.v < 1 || n.v > most {
			return fmt.Errorf("-%s-examples: want 1 to %d, got %d", n.name, most, n.v)
		}
	}
	return nil
}

// config describes the task.
func (o *options) config(seed uint64) recall.Config {
	return recall.Config{Task: o.task, Length: o.Length, Tokens: o.Tokens, Vocabulary: o.Vocabulary, Seed: seed}
}

// Shape implements experiment.Options.
func (o *options) Shape() experiment.Shape {
	c := o.config(0)
	if o.task == recall.Adding {
		return experiment.Shape{Kind: experiment.Forecaster, Features: 2, Length: c.Steps(), Horizon: 1, Outputs: 1, Loss: models.LossMSE}
	}
	return experiment.Shape{Kind: experiment.LanguageModel, Vocab: o.Vocabulary, Length: c.Steps(), Answers: c.Answers()}
}

// Load implements experiment.Options.
func (o *options) Load(_ context.Context, src experiment.Source) (*experiment.Data, error) {
	if src.Path != "" {
		return nil, fmt.Errorf("-data: want none, or for eval a file of examples as predict reads it: the task %s is drawn, got %s", o.task, src.Path)
	}
	c := o.config(src.Seed)
	d := &experiment.Data{Title: string(o.task), Model: o.Shape(), Codec: &tokenCodec{Vocabulary: o.Vocabulary, Answers: c.Answers()}}
	d.Metrics = []train.Metric{train.Accuracy(), train.SequenceAccuracy()}
	d.Floor = &report.Floor{What: "guessing", Value: c.Chance()}
	if o.task == recall.Adding {
		d.Codec, d.Metrics = new(addingCodec), []train.Metric{train.MSE()}
		d.Floor.What = "always 1"
	}
	var err error
	if d.Splits, err = recall.Splits(c, o.TrainExamples, o.TestExamples, o.TestExamples); err != nil {
		return nil, fields.Speak(err)
	}
	for _, n := range o.TestLengths {
		c.Length = n
		longer, err := recall.Splits(c, o.TrainExamples, o.TestExamples, o.TestExamples)
		if err != nil {
			return nil, fields.Speak(err)
		}
		d.Lengths = append(d.Lengths, longer.Test)
	}
	return d, nil
}
