package experiment

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/train"
)

// takers lists the kinds of layers that an option is about; nil if it is about all.
func (o *options) takers(name string) []string {
	if i := slices.IndexFunc(o.fields, func(f *fieldFlag) bool { return f.flag == name }); i >= 0 {
		return o.fields[i].takers
	}
	var takes func(m *Mixer, own bool) bool
	switch name {
	case "last-norm":
		takes = func(_ *Mixer, own bool) bool { return !own }
	case "norm", "prenorm":
		takes = func(m *Mixer, own bool) bool { return !own || m.has(name) }
	case bidirectional:
		takes = func(m *Mixer, _ bool) bool { can, _ := m.looksAhead(); return can }
	default:
		return nil
	}
	var names []string
	for _, kind := range kindNames() {
		m, err := newMixer(kind)
		if err != nil {
			continue
		}
		cfg, err := m.Config()
		if err == nil && takes(&m, layers.HasResidual(cfg)) {
			names = append(names, kind)
		}
	}
	return names
}

// checkLayer reports an option that is set and is not about the layer.
func (o *options) checkLayer() error {
	kind := o.model
	if o.mixer.given != "" {
		kind = o.mixer.m.kind
	}
	for _, name := range slices.Sorted(maps.Keys(o.set)) {
		of := o.takers(name)
		switch {
		case o.mixer.given != "" && !o.allowed(name, of, kind):
			return fmt.Errorf("-mixer is the whole configuration of the layer: want no -%s with it", name)
		case len(of) > 0 && !slices.Contains(of, kind):
			return fmt.Errorf("-%s is about -model %s: want none with -model %s", name, strings.Join(of, ", "), kind)
		}
	}
	return nil
}

// allowed says whether an option goes with -mixer: one about a residual block only
// around a layer that has no residuals of its own.
func (o *options) allowed(name string, of []string, kind string) bool {
	switch name {
	case "dropout", "norm", "prenorm", "last-norm":
		cfg, err := o.mixer.m.Config()
		return err == nil && !layers.HasResidual(cfg)
	case "model", "d-model":
		return false
	}
	return len(of) == 0
}

// checkSense reports an option, whatever its value, that is about something that
// others have ruled out.
func (o *options) checkSense() error {
	m := &o.Model.Mixer
	_, ahead := m.looksAhead()
	inits := specialOf(m.kind).inits
	switch s := o.Train.Schedule; {
	case s.Kind != train.Plateau && (o.set["drop"] || o.set["drop-patience"]):
		return fmt.Errorf("-drop and -drop-patience are about -schedule plateau: want neither with -schedule %s", s.Kind)
	case o.set["off-by-one"] && m.truth("off_by_one") && !ahead:
		return errors.New("-off-by-one is about the second kernel of -bidirectional: want both or neither")
	case o.set["init"] && inits != nil && !slices.Contains(inits, hippo.Init(m.text("init"))):
		return fmt.Errorf("-init: want one of %v with -model %s, got %q", inits, m.kind, m.text("init"))
	}
	return nil
}

// addRules puts -freeze and -rate into the recipe.
func (o *options) addRules() {
	m := &o.Model.Mixer
	known, others := m.canFreeze(o.freeze)
	if o.set["freeze"] {
		m.put("frozen", known)
		o.Train.Rules = slices.DeleteFunc(o.Train.Rules, func(r param.Rule) bool { return r.Frozen != nil && *r.Frozen })
	}
	for _, name := range others {
		o.Train.Rules = append(o.Train.Rules, param.Freeze(name))
	}
	o.Train.Rules = append(o.Train.Rules, o.rates...)
}

// rateList is the flag.Value of -rate.
type rateList []param.Rule

func (l *rateList) String() string { return "" }

func (l *rateList) Set(s string) error {
	i := strings.LastIndex(s, "=")
	if i < 0 {
		return errors.New("want PATTERN=RATE")
	}
	lr, err := strconv.ParseFloat(s[i+1:], 64)
	if err != nil {
		return fmt.Errorf("want PATTERN=RATE, got the rate %q", s[i+1:])
	}
	r := param.Rate(strings.TrimSpace(s[:i]), lr)
	*l = append(*l, r)
	return r.Validate()
}

// bendTo bends what depends on the data: the number of training examples, and the
// length of the longest of all.
func (o *options) bendTo(examples, longest int) error {
	t := &o.Train
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
	return nil
}

// The options that set the fields of the configurations, so that what is wrong
// with one is told in their terms: as the errors of the library name them, and as
// checkpoints do.
var (
	configFields = option.Fields{
		"Repeat": "-layers", "Levels": "-layers", "Pool": "-pool", "Norm": "-norm", "PreNorm": "-prenorm", "Dropout": "-dropout",
		"DModel": "-d-model", "LMax": "-buckets", "Frozen": "-freeze", "Bidirectional": "-bidirectional",
		"Steps": "-steps", "Epochs": "-epochs", "MaxDuration": "-max-time", "BatchSize": "-batch", "MicroBatch": "-micro-batch", "SyncNorm": "-sync-norm", "EvalBatchSize": "-eval-batch",
		"Buckets": "-buckets", "Seed": "-seed", "DType": "-dtype", "WeightDecay": "-wd", "Clip": "-clip",
		"Kind": "-schedule", "WarmUp": "-warmup", "Drop": "-drop", "EvalEvery": "-eval-every", "Patience": "-patience",
		"Quantiles": "-quantiles", "Cutoffs": "-cutoffs", "DivVal": "-div-val", "DEmbed": "-d-embed", "CheckpointDir": "-out", "Overwrite": "-overwrite",
	}
	checkpointFields = option.Fields{
		"repeat": "-layers", "stack.blocks": "-layers", "stack.norm": "-last-norm", "pool": "-pool", "norm": "-norm", "prenorm": "-prenorm", "dropout": "-dropout",
		"batch_size": "-batch", "micro_batch": "-micro-batch", "sync_norm": "-sync-norm", "eval_batch_size": "-eval-batch", "buckets": "-buckets", "seed": "-seed", "dtype": "-dtype",
		"lr": "-lr", "weight_decay": "-wd", "clip": "-clip", "schedule.kind": "-schedule", "schedule.warm_up": "-warmup",
		"schedule.drop": "-drop", "schedule.patience": "-drop-patience", "eval_every": "-eval-every", "rules": "-freeze and -rate",
		"train.chosen.data": "-data", "val.chosen.data": "-data", "train.chosen.limit": "-limit", "val.chosen.limit": "-limit",
	}
	// layerFields are those of a layer that is not that of -mixer.
	layerFields = option.Fields{
		"d_model": "-d-model", "mixer.in": "-d-model", "mixer.out": "-d-model", "mixer.levels": "-layers",
		bidirectional: "-bidirectional", "l_max": "-buckets", "frozen": "-freeze", "mixer.kind": "-model",
	}
)

// speak makes an error of the library speak of options.
func (o *options) speak(err error) error {
	if err == nil {
		return nil
	}
	fields := maps.Clone(configFields)
	fields["LR"] = "-lr"
	if strings.HasPrefix(err.Error(), "models: ") {
		fields["LR"] = "-lr-ssm"
	}
	for _, f := range o.fields {
		if _, ok := fields[f.name]; !ok {
			fields[f.name] = "-" + f.flag
		}
	}
	return fields.Speak(err)
}

// resumed speaks of what differs from a checkpoint in the words of the command line.
func (o *options) resumed(err error) error {
	fields := maps.Clone(checkpointFields)
	for _, name := range o.ofTask {
		fields[name] = "-" + name
	}
	for i := range o.Train.Rules {
		fields[fmt.Sprintf("rules.%d.lr", i)] = "-rate"
	}
	if o.mixer.given == "" {
		maps.Copy(fields, layerFields)
		for _, f := range o.fields {
			fields["mixer."+f.key] = "-" + f.flag
		}
		fields["mixer.levels"] = "-layers"
	}
	return fields.Speak(err)
}
