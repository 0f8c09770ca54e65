package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/cifar"
	"github.com/gorgonia-s4/s4/train/data/listops"
)

// defaults returns the options of a task, a preset and a layer.
func defaults(task, preset, layer string) (*options, error) {
	k := findKind(layer)
	if k == nil {
		return nil, fmt.Errorf("-layer: want one of %s, got %q", strings.Join(layerNames(), ", "), layer)
	}
	if !slices.Contains(taskNames, task) {
		return nil, fmt.Errorf("-task: want one of %s, got %q", strings.Join(taskNames, ", "), task)
	}
	if !slices.Contains(presetNames, preset) {
		return nil, fmt.Errorf("-preset: want one of %s, got %q", strings.Join(presetNames, ", "), preset)
	}
	o := base(task, preset)
	switch task + "/" + preset {
	case "listops/quick":
		o.listopsQuick()
	case "listops/paper":
		o.listopsPaper()
	case "listops/smoke":
		o.listopsSmoke()
	case "image/quick":
		o.imageQuick()
	case "image/paper":
		o.imagePaper()
	case "image/smoke":
		o.imageSmoke()
	}
	o.layer = layer
	if k.start != nil {
		k.start(o)
	}
	return o, nil
}

// base is what all presets have in common.
func base(task, preset string) *options {
	o := &options{task: task, preset: preset}
	o.s4d = layers.S4DConfig{Init: hippo.InitLegS, Disc: ssm.ZOH, Dt: layers.DtPerFeature, DtMin: 0.001, DtMax: 0.1, DtTransform: ssm.Exp, ATransform: ssm.Exp, SSM: layers.SSM{Channels: 1, LR: 0.001, Activation: ops.ActGELU, Mixing: layers.MixGLU}}
	o.model = models.ClassifierConfig{Pool: ops.PoolMean}
	o.block = layers.BlockConfig{Norm: layers.BatchNorm}
	o.train = train.Config{DType: train.Float32, WeightDecay: 0.05, Schedule: train.Schedule{Kind: train.Cosine, Drop: 0.2, Patience: 5}}
	switch task {
	case "listops":
		o.model.Vocab, o.model.Classes = listops.VocabSize, listops.Classes
		padding := listops.Pad
		o.model.Padding = &padding
		o.trainExamples, o.testExamples = 96000, 2000
		o.minLen, o.maxLen = 500, 2000
		// One graph for each length; the mean length is half the longest.
		o.train.Buckets = []int{768, 1024, 1408, 2048}
	case "image":
		o.model.Features, o.model.Classes = 1, cifar.Classes
	}
	return o
}

// listopsQuick learns the published task as far as two cores get in ten
// minutes.
func (o *options) listopsQuick() {
	o.depth, o.s4d.DModel, o.s4d.DState = 4, 64, 32
	o.train.Steps, o.train.BatchSize, o.train.LR = 6000, 32, 0.01
	o.train.Schedule.WarmUp, o.train.EvalEvery = 200, 500
	o.train.MaxDuration = train.Duration(9 * time.Minute)
}

// listopsPaper is S4D-LegS on ListOps: Gu et al. 2022 (S4D), appendix.
func (o *options) listopsPaper() {
	o.depth, o.s4d.DModel, o.s4d.DState = 8, 128, 64
	o.s4d.Bidirectional, o.s4d.OffByOne = true, true
	o.train.Epochs, o.train.BatchSize, o.train.LR = 40, 50, 0.01
	o.train.Schedule.WarmUp = 1920 // one epoch
}

// listopsSmoke runs every part on a toy data set.
func (o *options) listopsSmoke() {
	o.depth, o.s4d.DModel, o.s4d.DState = 2, 16, 8
	o.trainExamples, o.testExamples, o.minLen, o.maxLen = 200, 50, 10, 60
	o.train.Buckets = []int{32, 64}
	o.train.Steps, o.train.BatchSize, o.train.LR, o.train.EvalEvery = 20, 16, 0.01, 10
	o.train.Schedule.WarmUp = 2
}

// imageQuick is a small model for a few epochs on two cores.
func (o *options) imageQuick() {
	o.depth, o.s4d.DModel, o.s4d.DState = 4, 64, 64
	o.block.Norm, o.block.Dropout = layers.LayerNorm, 0.1
	o.s4d.Init = hippo.InitLin
	o.train.Epochs, o.train.BatchSize, o.train.LR, o.train.WeightDecay = 5, 50, 0.01, 0.01
	o.train.Schedule.WarmUp = 100
}

// imagePaper is S4D-LegS on Image (grey CIFAR-10): Gu et al. 2022 (S4D),
// appendix.
func (o *options) imagePaper() {
	o.depth, o.s4d.DModel, o.s4d.DState, o.s4d.NSSM = 6, 512, 64, 2
	o.block.Norm, o.block.Dropout = layers.LayerNorm, 0.1
	o.s4d.Bidirectional, o.s4d.OffByOne = true, true
	o.train.Epochs, o.train.BatchSize, o.train.LR = 200, 50, 0.01
	o.train.Schedule.WarmUp = 900 // one epoch
}

// imageSmoke runs every part for a few steps.
func (o *options) imageSmoke() {
	o.depth, o.s4d.DModel, o.s4d.DState = 2, 8, 8
	o.train.Steps, o.train.BatchSize, o.train.LR, o.train.EvalEvery = 4, 4, 0.01, 2
	o.train.Schedule.WarmUp = 1
}
