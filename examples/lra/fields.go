package main

import (
	"maps"

	"github.com/gorgonia-s4/s4/examples/internal/option"
)

// The options that set the fields of the configurations, so that what is wrong
// with one is told in their terms.
var (
	modelFields = option.Fields{
		"Repeat": "-layers", "Levels": "-layers", "Pool": "-pool", "Norm": "-norm", "PreNorm": "-prenorm", "Dropout": "-dropout",
		"DModel": "-d-model", "DState": "-d-state", "NSSM": "-n-ssm", "Channels": "-channels", "Init": "-init", "Rank": "-rank",
		"Disc": "-disc", "FixedB": "-fixed-b", "Bidirectional": "-bidirectional", "OffByOne": "-off-by-one",
		"DtMin": "-dt-min", "DtMax": "-dt-max", "Dt": "-dt", "DtTransform": "-dt-transform", "ATransform": "-a-transform",
		"Activation": "-activation", "Mixing": "-mixing", "LMax": "-buckets",
		"LR": "-lr-ssm", "LRDt": "-lr-dt", "LRA": "-lr-a", "LRB": "-lr-b", "Frozen": "-freeze", "FollowLR": "-follow-lr",
	}
	trainFields = option.Fields{
		"Steps": "-steps", "Epochs": "-epochs", "MaxDuration": "-max-time", "BatchSize": "-batch", "MicroBatch": "-micro-batch", "EvalBatchSize": "-eval-batch",
		"Buckets": "-buckets", "Seed": "-seed", "DType": "-dtype", "LR": "-lr", "WeightDecay": "-wd", "Clip": "-clip",
		"Kind": "-schedule", "WarmUp": "-warmup", "Drop": "-drop", "EvalEvery": "-eval-every", "Patience": "-patience",
		"CheckpointDir": "-out", "Overwrite": "-overwrite",
	}
	dataFields = option.Fields{
		"Config.Train": "-train-examples", "Config.Val": "-test-examples", "Config.Test": "-test-examples",
		"Config.MinLength": "-min-length", "Config.MaxLength": "-max-length", "MinLength": "-min-length", "MaxLength": "-max-length",
	}
	// resumeFields are the fields as checkpoints have them, and what is said of
	// the data.
	resumeFields = option.Fields{
		"repeat": "-layers", "stack.blocks": "-layers", "pool": "-pool", "norm": "-norm", "prenorm": "-prenorm", "dropout": "-dropout",
		"batch_size": "-batch", "micro_batch": "-micro-batch", "eval_batch_size": "-eval-batch", "buckets": "-buckets", "seed": "-seed", "dtype": "-dtype",
		"lr": "-lr", "weight_decay": "-wd", "clip": "-clip", "schedule.kind": "-schedule", "schedule.warm_up": "-warmup",
		"schedule.drop": "-drop", "schedule.patience": "-drop-patience", "eval_every": "-eval-every",
		"train.chosen.data": "-data", "val.chosen.data": "-data", "train-examples": "-train-examples", "test-examples": "-test-examples",
		"min-length": "-min-length", "max-length": "-max-length",
	}
	// layerFields are those of a layer that is not that of -mixer.
	layerFields = option.Fields{
		"d_model": "-d-model", "mixer.in": "-d-model", "mixer.out": "-d-model", "mixer.levels": "-layers", "d_state": "-d-state", "n_ssm": "-n-ssm", "channels": "-channels", "init": "-init", "rank": "-rank",
		"disc": "-disc", "fixed_b": "-fixed-b", "bidirectional": "-bidirectional", "off_by_one": "-off-by-one",
		"dt_min": "-dt-min", "dt_max": "-dt-max", "dt": "-dt", "dt_transform": "-dt-transform", "a_transform": "-a-transform",
		"activation": "-activation", "mixing": "-mixing", "l_max": "-buckets", "frozen": "-freeze", "follow_lr": "-follow-lr",
		"mixer.lr": "-lr-ssm", "lr_dt": "-lr-dt", "lr_a": "-lr-a", "lr_b": "-lr-b",
		"mixer.kind": "-layer",
	}
)

// resumed speaks of what differs from a checkpoint in the words of the command line.
func (o *options) resumed(err error) error {
	fields := maps.Clone(resumeFields)
	if o.mixer.MixerConfig == nil {
		maps.Copy(fields, layerFields)
	}
	return fields.Speak(err)
}
