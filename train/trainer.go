package train

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
)

// Trainer trains a model. It is not safe for concurrent use.
type Trainer struct {
	cfg   Config
	model Model
	train *Loader
	val   *Loader // nil without validation data
	hooks []Hook

	metrics   []Metric // the kinds; they count nothing
	monitor   monitor
	opt       Optimizer
	gradients Gradients
	schedule  *Scheduler
	sessions  map[sessionKey]*session
	memory    *graphop.Arena // of the sessions, which run in turn
	evalRows  int            // of a batch of an evaluation: see evalBatch; 0: not known yet
	dir       checkpointDir
	now       func() time.Time

	data *Data // of the run; nil until it has been read
	undo *undo

	group       Group       // nil: none
	groupConfig GroupConfig // of its sums
	ranks       *ranks      // of the group; nil: this rank is alone
	sum         *stepSum    // over the ranks

	state       State
	window      *meter   // of the batches since the last evaluation
	carries     []*carry // of each micro-batch
	parts       []task.Batch
	notSaved    string        // why no run can be resumed from the last checkpoint
	changed     bool          // since state was saved
	newBest     bool          // since the best checkpoint was saved
	failed      bool          // to save
	safe        safetyNet     // what there is to go back to
	from        string        // directory of the checkpoint that the run goes on from
	fromTensors string        // name of its tensor file
	opened      bool          // CheckpointDir is this run's
	replaces    bool          // what an earlier run left in CheckpointDir
	begun       time.Time     // when Fit began
	before      time.Duration // elapsed when Fit began
	firstStep   int           // when Fit began
	evalTime    time.Duration // of all evaluations since Fit began
	longestEval time.Duration // of one evaluation
	evaluated   bool          // since the pace was last looked at
}

// sessionKey is what a graph is built for.
type sessionKey struct {
	mode          task.Mode
	batch, length int
}

// StopReason says why a run ended.
type StopReason string

const (
	// Finished: all steps have been done.
	Finished StopReason = "finished"
	// EarlyStop: the monitored metric did not improve for Config.Patience
	// evaluations.
	EarlyStop StopReason = "early stop"
	// TimeUp: another step would exceed Config.MaxDuration.
	TimeUp StopReason = "time up"
)

// Result is the outcome of a run.
type Result struct {
	Reason StopReason
	// Steps is the number of steps done.
	Steps int
	// Best is the best evaluation; nil without validation data.
	Best *Record
	// History lists all evaluations.
	History []Record
	// Elapsed is the time of the run, interrupted parts included.
	Elapsed time.Duration
}

// An Option changes a trainer.
type Option func(*Trainer)

// WithHooks adds hooks, which are called in the order given.
func WithHooks(hooks ...Hook) Option {
	return func(t *Trainer) { t.hooks = append(t.hooks, hooks...) }
}

// WithMetrics adds metrics, which are measured in training and evaluation.
func WithMetrics(metrics ...Metric) Option {
	return func(t *Trainer) { t.metrics = append(t.metrics, metrics...) }
}

// WithOptimizer uses an optimiser in the place of AdamW with the learning rate
// and weight decay of the configuration. Config.LR is then only shown.
func WithOptimizer(o Optimizer) Option { return func(t *Trainer) { t.opt = o } }

// WithGroup makes the trainer one rank of a group, which train one model together: see
// the package comment. All ranks make their trainers alike, and call Fit, Evaluate and
// LoadBest at the same time. Each reads its data once before the first step, to compare
// them with those of the others.
func WithGroup(g Group, c GroupConfig) Option {
	return func(t *Trainer) { t.group, t.groupConfig = g, c }
}

// WithReducer sums gradients over ranks, and nothing else: see [WithGroup].
func WithReducer(r Reducer) Option { return func(t *Trainer) { t.gradients.Reducer = r } }

// New returns a trainer. val may be nil: then there are no evaluations, and no
// best checkpoint.
func New(cfg Config, m Model, train, val task.Dataset, opts ...Option) (*Trainer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("train: want a model, got nil")
	}
	t := &Trainer{cfg: deepcopy.Of(cfg), model: m, sessions: make(map[sessionKey]*session), memory: new(graphop.Arena),
		dir: newCheckpointDir(cfg.CheckpointDir), now: time.Now}
	for _, o := range opts {
		o(t)
	}
	if err := t.checkModel(); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	if _, err := t.params(); err != nil { // also with an optimiser of the caller's
		return nil, fmt.Errorf("train: Config: %w", err)
	}
	for _, prepare := range []func() error{t.prepareGroup, t.prepareMetrics, t.prepareOptimizer} {
		if err := prepare(); err != nil {
			return nil, err
		}
	}
	return t, t.prepareData(train, val)
}

// runTensor begins the names of tensors in a checkpoint that are not the
// model's.
const runTensor = "train:"

// checkModel reports a model that cannot be trained or saved.
func (t *Trainer) checkModel() error {
	for _, p := range t.model.Params() {
		if p.Node == nil || p.Node.Value() == nil {
			return fmt.Errorf("parameter %q has no value", p.Name)
		}
		if dt := p.Node.Dtype(); dt != t.cfg.DType.Tensor() {
			return fmt.Errorf("parameter %q: want dtype %v, as Config.DType says, got %v", p.Name, t.cfg.DType.Tensor(), dt)
		}
	}
	for _, v := range modelVars(t.model) {
		if strings.HasPrefix(v.Name, runTensor) {
			return fmt.Errorf("parameter %q: want a name that does not begin with %q", v.Name, runTensor)
		}
	}
	return nil
}

// params returns the model's parameters with the hints that the rules of the run give
// them.
func (t *Trainer) params() ([]param.Param, error) {
	ps := t.model.Params()
	return ps, t.cfg.Rules.Apply(ps)
}

func (t *Trainer) prepareMetrics() error {
	err := checkMetrics(t.metrics)
	if err == nil {
		t.monitor, err = newMonitor(t.cfg.Monitor, t.metrics)
	}
	if err != nil {
		return fmt.Errorf("train: Config: %w", err)
	}
	t.window = newMeter(t.metrics)
	_, _, rows := t.loaderConfig(true).Share()
	t.parts = make([]task.Batch, rows/t.micro())
	for range t.parts {
		t.carries = append(t.carries, newCarry())
	}
	return nil
}

func (t *Trainer) prepareOptimizer() error {
	t.gradients.Clip = t.cfg.Clip
	var own []weights.Var // what a step that fails may have changed
	if t.opt == nil {
		ps, err := t.params()
		if err != nil {
			return err
		}
		t.opt = NewAdamW(ParamGroups(ps, LR(t.cfg.LR), WeightDecay(t.cfg.WeightDecay)))
	}
	switch o := t.opt.(type) {
	case *AdamW: // fails before it has changed anything
		if o.gradients.Clip != 0 {
			return errors.New("train: AdamW: want Config.Clip in the place of the option Clip: the trainer clips before the optimiser steps")
		}
		own = bufferVars(t.model)
	default:
		own = modelVars(t.model)
	}
	if o, ok := t.opt.(interface{ Err() error }); ok && o.Err() != nil {
		return o.Err()
	}
	var err error
	if t.undo, err = newUndo(own); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

func (t *Trainer) prepareData(train, val task.Dataset) (err error) {
	if t.train, err = newLoader(train, t.loaderConfig(true)); err != nil {
		return fmt.Errorf("train: training data: %w", err)
	}
	if val != nil {
		if t.val, err = newLoader(val, t.loaderConfig(false)); err != nil {
			return fmt.Errorf("train: validation data: %w", err)
		}
	} else if t.cfg.Patience > 0 || t.cfg.Schedule.Kind == Plateau {
		return errors.New("train: Config: Patience and the schedule Plateau need validation data")
	}
	t.schedule, err = NewScheduler(t.cfg.Schedule, t.steps())
	return err
}

func (t *Trainer) loaderConfig(training bool) LoaderConfig {
	c := LoaderConfig{BatchSize: t.cfg.BatchSize, Buckets: t.cfg.Buckets}
	if t.ranks != nil {
		c.Rank, c.Ranks = t.ranks.Rank(), t.ranks.Size()
	}
	switch {
	case training:
		c.Shuffle, c.Seed, c.DropLast = !t.cfg.InOrder, t.cfg.Seed, t.cfg.DropLast
		c.MicroBatch = t.cfg.MicroBatch
	case t.cfg.EvalBatchSize > 0:
		c.BatchSize = t.cfg.EvalBatchSize
	default:
		c.BatchSize = t.cfg.micro()
	}
	return c
}

// micro returns the number of rows of a batch of this rank that run at a time.
func (t *Trainer) micro() int {
	c := t.loaderConfig(true)
	c.MicroBatch = 0
	_, _, rows := c.Share()
	return min(t.cfg.micro(), rows)
}

// session returns the graph for batches like b, made at the first call.
func (t *Trainer) session(mode task.Mode, b *task.Batch) (*session, error) {
	key := sessionKey{mode, b.B, b.L}
	if s, ok := t.sessions[key]; ok {
		return s, nil
	}
	s, err := newSession(t.model, t.cfg.Rules, mode, b, t.memory)
	if err != nil {
		return nil, err
	}
	if mode == task.Training && len(s.states) > 0 && !t.cfg.InOrder {
		err := fmt.Errorf("the graph carries the state %q from batch to batch: want Config.InOrder", s.states[0].Name)
		return nil, errors.Join(err, s.close())
	}
	if mode == task.Training && t.ranks != nil && t.cfg.SyncNorm {
		if err := s.across(func(v []float64) error { return t.ranks.sum(t.state.Step+1, v) }); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	t.sessions[key] = s
	return s, nil
}

// Close frees the graphs.
func (t *Trainer) Close() error {
	var err error
	for key, s := range t.sessions {
		err = errors.Join(err, s.close())
		delete(t.sessions, key)
	}
	return err
}
