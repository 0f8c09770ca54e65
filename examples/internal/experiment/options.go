package experiment

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/train"
)

// options is what the command line of a training sets.
type options struct {
	*Recipe
	p       *Program
	t       *Task
	shape   Shape // of the task before its data are loaded
	codec   Codec // of the trained model that the data are for; nil: of none
	starts  bool  // codec is that of -init-from
	fields  []*fieldFlag
	ofTask  []string // the names of the task's own options
	freeze  []string
	rates   rateList
	mixer   mixerFlag
	dModel  int
	ahead   bool
	model   string
	base    string // the kind of layer of the preset
	dropout float64

	config, cache, out  string
	resume, overwrite   bool
	print               bool
	report, tensorboard bool
	cpuProfile          string

	replicas int // ranks in this process
	mpi      bool
	bucket   int // bytes of gradients that are summed over processes at a time, in MiB
	bfloat16 bool
	timeout  time.Duration // of a wait for other processes; 0: none

	set, zero map[string]bool // the options that the command line has, and those with 0
}

// parse reads the command line of a training. -h prints the options with the
// defaults of the chosen task, preset and model, and gives flag.ErrHelp.
func (p *Program) parse(args []string, out io.Writer) (*options, error) {
	o, err := p.defaults(args)
	if err != nil {
		return nil, err
	}
	fs, err := o.flags()
	if err != nil {
		return nil, err
	}
	if err := option.Parse(fs, args, func() { o.usage(fs, out) }); err != nil {
		return nil, err
	}
	o.set, o.zero = make(map[string]bool), make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { o.set[f.Name], o.zero[f.Name] = true, f.Value.String() == "0" })
	if o.config != "" && (o.set["task"] || o.set["preset"]) {
		return nil, errors.New("-config says which task it is: want no -task and no -preset with it")
	}
	if err := checkPositive(fs); err != nil {
		return nil, err
	}
	if err := o.apply(); err != nil {
		return nil, err
	}
	o.bend()
	return o, o.finish()
}

// defaults returns the options before the command line is read. What decides the
// defaults of all others is read first: the recipe, and the layer.
func (p *Program) defaults(args []string) (*options, error) {
	o := &options{p: p}
	var err error
	if path := find(args, "config", ""); path != "" {
		o.Recipe, err = p.readRecipe(path)
	} else {
		name := find(args, "task", p.Task)
		def := p.Preset
		if all := p.presets(name); len(all) > 0 && !slices.Contains(all, def) {
			def = all[0]
		}
		o.Recipe, err = p.preset(name, find(args, "preset", def))
	}
	if err != nil {
		return nil, err
	}
	if o.t, err = p.find(o.Task); err != nil {
		return nil, err
	}
	o.shape, o.base = o.Data.Shape(), o.Model.Mixer.kind
	kind := find(args, "model", o.base)
	if !slices.Contains(kindNames(), kind) {
		return nil, fmt.Errorf("-model: want one of %s, got %q", strings.Join(kindNames(), ", "), kind)
	}
	if text := find(args, "mixer", ""); text != "" {
		if given := new(Mixer); given.UnmarshalJSON([]byte(text)) == nil {
			kind = given.kind
		}
	}
	// What a kind of layer starts with depends on the number of features.
	if n, err := strconv.Atoi(find(args, "d-model", "")); err == nil && kind != o.base {
		o.Model.Mixer.setFeatures(n)
	}
	if err := o.switchKind(kind, o.shape); err != nil {
		return nil, err
	}
	o.model, o.dModel, o.dropout = kind, o.Model.Mixer.features(), o.Model.Dropout
	_, o.ahead = o.Model.Mixer.looksAhead()
	o.mixer.m = new(Mixer)
	return o, nil
}

// positive are the options that cannot be 0. In a configuration 0 stands for a
// default, which is not what someone who writes 0 here has in mind.
var positive = []string{"layers", "d-model", "d-state", "channels", "dt-min", "dt-max", "lr-ssm", "train-examples", "test-examples", "min-length", "max-length"}

// checkPositive reports an option that is set to 0 and cannot be.
func checkPositive(fs *flag.FlagSet) (err error) {
	fs.Visit(func(f *flag.Flag) {
		zero := f.Value.String() == "0"
		if slices.Contains(positive, f.Name) && zero && err == nil {
			err = fmt.Errorf("invalid value 0 for flag -%s: want another number (-h lists the options)", f.Name)
		}
	})
	return err
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

// flags declares the options with the present values as defaults.
func (o *options) flags() (*flag.FlagSet, error) {
	fs := flag.NewFlagSet(o.p.Name, flag.ContinueOnError)
	o.runFlags(fs)
	o.modelFlags(fs)
	o.trainFlags(fs)
	o.rankFlags(fs)
	own := flag.NewFlagSet("", flag.ContinueOnError)
	o.Data.Flags(own)
	var clash error
	own.VisitAll(func(f *flag.Flag) {
		if fs.Lookup(f.Name) != nil {
			clash = fmt.Errorf("the task %s has an option -%s, which is another's", o.Task, f.Name)
			return
		}
		o.ofTask = append(o.ofTask, f.Name)
	})
	if clash != nil {
		return nil, clash
	}
	o.Data.Flags(fs)
	var err error
	o.fields, err = fieldFlags(&o.Model.Mixer, func(name string) bool { return fs.Lookup(name) != nil })
	if err != nil {
		return nil, err
	}
	for _, f := range o.fields {
		f.declare(fs)
	}
	return fs, nil
}

// runFlags declares what to train, and where its files are.
func (o *options) runFlags(fs *flag.FlagSet) {
	option.Choice(fs, "task", &o.Task, "the task", o.p.taskNames())
	option.Choice(fs, "preset", &o.Preset, "defaults of the options below (quick: for two cores and ten minutes; small: for two cores, under an hour; paper: the published configuration; smoke: ends in seconds and learns nothing)", o.p.presets(o.Task))
	fs.StringVar(&o.config, "config", "", "defaults of the options below from a `file`, as -print-config prints one, in the place of -task and -preset")
	fs.BoolVar(&o.print, "print-config", false, "print all that the options say as JSON, and end")
	fs.StringVar(&o.Path, "data", o.Path, o.paths())
	fs.StringVar(&o.cache, "cache", "", "`directory` where generated and converted data are kept (default: the user's cache)")
	fs.IntVar(&o.Limit, "limit", o.Limit, "read no more than so many `examples` of each part, for a quick look; 0: all")
	fs.StringVar(&o.out, "out", o.Train.CheckpointDir, "`directory` of checkpoints, metrics and the trained model (default runs/TASK-PRESET, or the name of the -config, with -MODEL behind it for another than the preset's)")
	fs.BoolVar(&o.resume, "resume", false, "go on from the last checkpoint in -out")
	fs.BoolVar(&o.overwrite, "overwrite", o.Train.Overwrite, "replace an earlier run in -out")
	fs.Uint64Var(&o.Train.Seed, "seed", o.Train.Seed, "seed of the data, the initial parameters, and the order of the examples")
	fs.BoolVar(&o.report, "report", false, "write a page, report.html, into -out at the end")
	fs.BoolVar(&o.tensorboard, "tensorboard", false, "write event files for TensorBoard into -out/tensorboard")
	fs.StringVar(&o.cpuProfile, "cpuprofile", "", "write a CPU profile of the training to this `file`")
}

// paths says what -data can be.
func (o *options) paths() string {
	var all []string
	for _, t := range o.p.Tasks {
		if t.Path != "" {
			all = append(all, t.Name+": "+t.Path)
		}
	}
	if all == nil {
		return "not for a training: the examples are drawn"
	}
	return "published data. " + strings.Join(all, ". ")
}

// modelFlags declares the options that are about all models.
func (o *options) modelFlags(fs *flag.FlagSet) {
	m, norms := &o.Model, layers.NormKinds()
	option.Choice(fs, "model", &o.model, "the sequence layer of the blocks", kindNames())
	fs.Var(&o.mixer, "mixer", "in place of -model: the whole configuration of any sequence layer of the library in `JSON`, as config.json of a trained model has it: {\"kind\": \"s4d\", \"d_model\": 64}")
	fs.IntVar(&m.Layers, "layers", m.Layers, "number of blocks; of tcn levels")
	fs.IntVar(&m.Mixers, "mixers", m.Mixers, "layers in each of -layers, of those that have no residuals of their own; 0: 1")
	fs.IntVar(&m.FeedForward, "feed-forward", m.FeedForward, "width of a feed-forward network behind each -mixers layers, of those that have no residuals of their own; 0: none")
	fs.IntVar(&o.dModel, "d-model", o.dModel, "features (H)")
	fs.BoolVar(&o.ahead, "bidirectional", o.ahead, "see the future too: by a second kernel or recurrence, or by not being causal")
	option.Choice(fs, "norm", &m.Norm, "normalisation", norms)
	fs.BoolVar(&m.PreNorm, "prenorm", m.PreNorm, "normalise before the layer, not after the sum with its input")
	option.Choice(fs, "last-norm", &m.LastNorm, "normalisation after the last block; if not given, that of -norm with -prenorm, and none without", norms)
	fs.Float64Var(&o.dropout, "dropout", o.dropout, "dropout in a block and, where it has one, before its mixing")
	option.Choice(fs, "pool", &m.Pool, "pooling over the steps", ops.PoolModes())
	fs.StringVar(&o.InitFrom, "init-from", o.InitFrom, "start from the parameters of a trained `model`: its directory, that of a run, or a checkpoint")
	option.Strings(fs, "freeze", &o.freeze, "comma-separated `list` of what is not learned: dt, A, B, C, D of a state space layer (of longconv kernel, D), or names of parameters, where * is anything: 'encoder.*'")
	fs.Var(&o.rates, "rate", "a learning rate for the parameters that a pattern fits, `PATTERN=RATE`, as '*kernel.A_*=1e-4'; may be repeated, the last that fits holds")
}

// trainFlags declares the options of the training.
func (o *options) trainFlags(fs *flag.FlagSet) {
	t := &o.Train
	fs.IntVar(&t.Steps, "steps", t.Steps, "optimiser steps; 0: as many as -epochs give")
	fs.IntVar(&t.Epochs, "epochs", t.Epochs, "passes over the data; 0: as many as -steps give")
	fs.TextVar(&t.MaxDuration, "max-time", t.MaxDuration, "end in this `time` (9m30s), with fewer steps if need be; 0s: no bound")
	fs.IntVar(&t.BatchSize, "batch", t.BatchSize, "sequences per step")
	fs.IntVar(&t.MicroBatch, "micro-batch", t.MicroBatch, "sequences in memory at a time: a step adds up the gradients of -batch/-micro-batch parts, and is the same to rounding but for -norm batch, which normalises part by part; 0: -batch")
	fs.IntVar(&t.EvalBatchSize, "eval-batch", t.EvalBatchSize, "sequences per step of an evaluation; 0: -batch, or as many times -micro-batch as fit in the memory of training")
	option.Ints(fs, "buckets", &t.Buckets, "comma-separated `lengths` that batches are padded to, and one more where the data are longer than those of the preset; empty: that of the longest sequence")
	fs.Float64Var(&t.LR, "lr", t.LR, "peak learning rate")
	fs.Float64Var(&t.WeightDecay, "wd", t.WeightDecay, "weight decay, of all but dt, A and B")
	fs.Float64Var(&t.Clip, "clip", t.Clip, "bound of the gradient's norm; 0: none")
	option.Choice(fs, "schedule", &t.Schedule.Kind, "of the learning rate after the warm-up", []train.ScheduleKind{train.Constant, train.Cosine, train.Plateau})
	fs.IntVar(&t.Schedule.WarmUp, "warmup", t.Schedule.WarmUp, "steps of linear warm-up; if not given, fewer where the run is shorter")
	fs.Float64Var(&t.Schedule.Drop, "drop", t.Schedule.Drop, "factor of a fall of -schedule plateau (0.2 if not given)")
	fs.IntVar(&t.Schedule.Patience, "drop-patience", t.Schedule.Patience, "evaluations without improvement before a fall of -schedule plateau (5 if not given)")
	fs.IntVar(&t.EvalEvery, "eval-every", t.EvalEvery, "steps between evaluations; 0: one for each epoch")
	fs.IntVar(&t.Patience, "patience", t.Patience, "stop after so many evaluations without improvement; 0: never")
	option.Choice(fs, "dtype", &t.DType, "type of the numbers", []train.DType{train.Float32, train.Float64})
}

// rankFlags declares what is about several ranks that train together. Their number is no
// part of a recipe: the run is the same for any.
func (o *options) rankFlags(fs *flag.FlagSet) {
	fs.IntVar(&o.replicas, "replicas", 1, "train with so many `copies` of the model in this process, each on its part of every batch: for many cores that one graph does not fill. Each takes the memory of a run with as much smaller a -batch, and they share the data")
	fs.BoolVar(&o.mpi, "mpi", false, "train with all processes that mpirun or srun has started, each on its part of every batch: mpirun -np 4 "+o.p.Name+" -mpi ..., built with -tags mpi. The first prints, and reads and writes the files of -out")
	fs.BoolVar(&o.Train.SyncNorm, "sync-norm", o.Train.SyncNorm, "with -norm batch, normalise over the rows of all ranks, as one process does, not over those of each; with -micro-batch over those that all run at a time; part of a recipe")
	fs.IntVar(&o.bucket, "mpi-bucket", 0, "`MiB` of gradients that are summed over the processes at a time; 0: 4")
	fs.DurationVar(&o.timeout, "mpi-timeout", 0, "end all processes if one waits for the others longer than this `time` (10m), which is to be more than a save and what is shown at the end take: a network may be cut without a word; 0s: never")
	fs.BoolVar(&o.bfloat16, "mpi-bfloat16", false, "sum the gradients as bfloat16, with what is lost added to the next step: half the bytes, for slow networks; the run is another to rounding")
}

// wire says how gradients are summed.
func (o *options) wire() train.GroupConfig {
	return train.GroupConfig{BucketBytes: o.bucket << 20, BFloat16: o.bfloat16}
}

// checkRanks reports options about several ranks that do not go together.
func (o *options) checkRanks() error {
	const most = 1 << 10 // MiB of a bucket
	switch {
	case o.replicas < 1:
		return fmt.Errorf("-replicas: want >= 1, got %d", o.replicas)
	case o.mpi && o.set["replicas"]:
		return errors.New("-replicas are ranks in one process, -mpi makes one of each process: want one of them")
	case !o.mpi && (o.set["mpi-bucket"] || o.set["mpi-timeout"] || o.bfloat16):
		return errors.New("-mpi-bucket, -mpi-bfloat16 and -mpi-timeout are about -mpi: want none without it")
	case o.timeout < 0:
		return fmt.Errorf("-mpi-timeout: want >= 0, got %v", o.timeout)
	case o.bucket < 0 || o.bucket > most:
		return fmt.Errorf("-mpi-bucket: want 0 to %d, got %d", most, o.bucket)
	}
	return nil
}

// apply puts the options that are about the layer into its configuration.
func (o *options) apply() error {
	if o.mixer.given != "" {
		if cfg, err := o.mixer.m.Config(); err != nil {
			return fmt.Errorf("-mixer: %w", err)
		} else if err := cfg.Validate(); err != nil && !o.mixer.m.has("l_max") {
			return fmt.Errorf("-mixer: %w", err)
		}
	}
	if err := o.checkLayer(); err != nil {
		return err
	}
	if o.mixer.given != "" {
		o.Model.Mixer = *o.mixer.m
	}
	m := &o.Model.Mixer
	for name, do := range map[string]func(){
		"d-model":       func() { m.setFeatures(o.dModel) },
		"bidirectional": func() { m.lookAhead(o.ahead) },
		"norm":          func() { m.put("norm", o.Model.Norm) },
		"prenorm":       func() { m.put("prenorm", o.Model.PreNorm) },
		"dropout":       func() { o.setDropout(o.dropout, o.isSet) },
		"layers":        o.setDepth,
	} {
		if o.set[name] {
			do()
		}
	}
	return o.checkSense()
}

// isSet says whether the command line sets a field of the layer.
func (o *options) isSet(key string) bool {
	return slices.ContainsFunc(o.fields, func(f *fieldFlag) bool { return f.key == key && o.set[f.flag] })
}

// setDepth sets the depth of a layer that is the whole stack.
func (o *options) setDepth() {
	if key := specialOf(o.Model.Mixer.kind).depth; key != "" && o.mixer.given == "" {
		o.Model.Mixer.put(key, o.Model.Layers)
		o.Model.Layers = 1
	}
}

// bend makes what the preset sets, and the command line does not, go with what
// the command line sets: no preset keeps an option from being used.
func (o *options) bend() {
	m := &o.Model.Mixer
	if _, ahead := m.looksAhead(); !ahead {
		m.put("off_by_one", false)
	}
	if n := m.integer("n_ssm"); n > 0 && !o.set["n-ssm"] && o.mixer.given == "" {
		m.put("n_ssm", gcd(n, m.features()))
	}
	for key, whole := range map[string]int{"heads": max(m.integer("inner"), m.features())} {
		if m.integer(key) > 0 && m.integer("inner") == 0 && !o.isSet(key) && o.mixer.given == "" {
			m.put(key, gcd(m.integer(key), whole))
		}
	}
	o.bendSchedule()
	set := func(name string) bool { return o.set[name] }
	if b, ok := o.Data.(Bender); ok {
		b.Bend(set)
	}
	if b, ok := o.Data.(ModelBender); ok {
		b.BendTo(&o.Model, set)
	}
}

// bendSchedule gives a schedule what belongs to it and nothing else.
func (o *options) bendSchedule() {
	s := &o.Train.Schedule
	switch {
	case s.Kind != train.Plateau:
		s.Drop, s.Patience = 0, 0
	case o.set["schedule"]:
		if !o.set["drop"] {
			s.Drop = cmp.Or(s.Drop, 0.2)
		}
		if !o.set["drop-patience"] {
			s.Patience = cmp.Or(s.Patience, 5)
		}
	}
}

// finish fills in what follows from other options and checks the result.
func (o *options) finish() error {
	if err := o.checkRanks(); err != nil {
		return err
	}
	t := &o.Train
	t.Overwrite = o.overwrite
	if o.out == "" {
		o.out = o.defaultOut()
	}
	t.CheckpointDir = o.out
	o.addRules()
	switch {
	case o.set["warmup"] && t.Steps > 0 && t.Schedule.WarmUp >= t.Steps:
		return fmt.Errorf("-warmup: want fewer than the %d of -steps, got %d", t.Steps, t.Schedule.WarmUp)
	case o.resume && o.overwrite:
		return errors.New("-resume goes on with the run in -out, -overwrite deletes it: want one of them")
	case o.Limit < 0:
		return fmt.Errorf("-limit: want >= 0, got %d", o.Limit)
	}
	o.shape = o.Data.Shape()
	t.InOrder = o.shape.Carry
	if err := o.checkModel(); err != nil {
		return o.speak(err)
	}
	if err := t.Validate(); err != nil {
		return o.speak(err)
	}
	if err := o.Data.Validate(); err != nil {
		return err
	}
	return errors.Join(o.checkMade(), o.checkRules())
}

// checkMade reports an option that is about data that are made, where -data names
// others. 0 says that none are.
func (o *options) checkMade() error {
	m, ok := o.Data.(Maker)
	if !ok || o.Path == "" {
		return nil
	}
	for _, name := range m.Making() {
		if o.set[name] && !o.zero[name] {
			return fmt.Errorf("-%s is about data that are made: want none with -data", name)
		}
	}
	return nil
}

// checkRules checks that -freeze and -rate fit some parameters, before the data are
// loaded.
func (o *options) checkRules() error {
	if len(o.Train.Rules) == 0 {
		return nil
	}
	s := known(o.shape)
	m, err := o.newModel(s, o.longest(s))
	if err != nil {
		return o.speak(err)
	}
	ps := m.Params()
	if err := o.Train.Rules.Apply(ps); err != nil {
		return fmt.Errorf("-freeze and -rate: %w", err)
	}
	if !slices.ContainsFunc(ps, func(p param.Param) bool { return !p.Frozen }) {
		return errors.New("-freeze: want some parameters that are learned, got all of them")
	}
	return nil
}

// checkModel checks the model as far as it is known before the data are.
func (o *options) checkModel() error {
	s := known(o.shape)
	_, err := o.modelConfig(s, o.longest(s))
	return err
}

// known returns a shape with something in the place of what only the data say.
func known(s Shape) Shape {
	switch {
	case s.Vocab > 0 || s.Features > 0:
	case s.Kind == LanguageModel:
		s.Vocab = 2
		for _, n := range s.Cutoffs {
			s.Vocab = max(s.Vocab, n+1)
		}
	default:
		s.Features, s.Padding = 1, nil
	}
	switch s.Kind {
	case Forecaster:
		s.Horizon = max(s.Horizon, 1)
	case LanguageModel:
	default:
		s.Classes = max(s.Classes, 2)
	}
	return s
}

// defaultOut returns the directory of a run that -out does not name.
func (o *options) defaultOut() string {
	name := cmp.Or(o.Preset, "own")
	if o.config != "" {
		name = strings.TrimSuffix(filepath.Base(o.config), filepath.Ext(o.config))
	}
	name = o.Task + "-" + name
	if kind := o.Model.Mixer.kind; kind != o.base {
		name += "-" + kind
	}
	return filepath.Join("runs", name)
}
