package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
)

// Trainer trains a model. It is not safe for concurrent use.
type Trainer struct {
	cfg   Config
	model Model
	train *Loader
	val   *Loader // nil without validation data
	hooks []Hook

	opt      *AdamW
	schedule *Scheduler
	sessions map[sessionKey]*session
	dir      checkpointDir
	now      func() time.Time

	data *Data // of the run; nil until it has been read
	undo *undo

	state       State
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

// safetyNet is the latest checkpoint; the zero value is none.
type safetyNet struct {
	path string
	step int
}

// String says where it is, for errors.
func (s safetyNet) String() string {
	if s.path == "" {
		return "there is no checkpoint to go back to"
	}
	return fmt.Sprintf("the latest checkpoint, %s, is of step %d", s.path, s.step)
}

// sessionKey is what a graph is built for.
type sessionKey struct {
	mode          Mode
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

// InterruptedError is what Fit returns when its context ends: the state has
// been saved and the run can go on from there. It unwraps to the cause.
type InterruptedError struct {
	// Step is the number of steps done.
	Step int
	// Checkpoint is the path of the checkpoint to resume from; "" if the run has
	// no checkpoint directory.
	Checkpoint string
	// Cause is why the context ended.
	Cause error
}

// Error implements error.
func (e *InterruptedError) Error() string {
	if e.Checkpoint == "" {
		return fmt.Sprintf("train: interrupted after step %d (%v): nothing is saved, because the run has no checkpoint directory", e.Step, e.Cause)
	}
	return fmt.Sprintf("train: interrupted after step %d (%v): saved, to be resumed from %s", e.Step, e.Cause, e.Checkpoint)
}

// Unwrap returns the cause.
func (e *InterruptedError) Unwrap() error { return e.Cause }

// New returns a trainer. val may be nil: then there are no evaluations, and no
// best checkpoint. The hooks are called in the order given.
func New(cfg Config, m Model, train, val Dataset, hooks ...Hook) (*Trainer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("train: want a model, got nil")
	}
	t := &Trainer{cfg: deepcopy.Of(cfg), model: m, hooks: slices.Clone(hooks), sessions: make(map[sessionKey]*session),
		dir: newCheckpointDir(cfg.CheckpointDir), now: time.Now}
	for _, p := range m.Params() {
		if p.Node == nil || p.Node.Value() == nil {
			return nil, fmt.Errorf("train: parameter %q has no value", p.Name)
		}
		if dt := p.Node.Dtype(); dt != cfg.DType.Tensor() {
			return nil, fmt.Errorf("train: parameter %q: want dtype %v, as Config.DType says, got %v", p.Name, cfg.DType.Tensor(), dt)
		}
	}
	t.opt = NewAdamW(Groups(m.Params(), LR(cfg.LR), WeightDecay(cfg.WeightDecay)), Clip(cfg.Clip))
	if err := t.opt.Err(); err != nil {
		return nil, err
	}
	var err error
	if t.train, err = newLoader(train, t.loaderConfig(true)); err != nil {
		return nil, fmt.Errorf("train: training data: %w", err)
	}
	if val != nil {
		if t.val, err = newLoader(val, t.loaderConfig(false)); err != nil {
			return nil, fmt.Errorf("train: validation data: %w", err)
		}
	} else if cfg.Patience > 0 || cfg.Schedule.Kind == Plateau {
		return nil, errors.New("train: Config: Patience and the schedule Plateau need validation data")
	}
	if t.undo, err = newUndo(m.Buffers()); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	t.schedule, err = NewScheduler(cfg.Schedule, t.steps())
	return t, err
}

func (t *Trainer) loaderConfig(training bool) LoaderConfig {
	c := LoaderConfig{BatchSize: t.cfg.BatchSize, Buckets: t.cfg.Buckets, PadToken: t.cfg.PadToken}
	if training {
		c.Shuffle, c.Seed, c.DropLast = true, t.cfg.Seed, t.cfg.DropLast
	} else if t.cfg.EvalBatchSize > 0 {
		c.BatchSize = t.cfg.EvalBatchSize
	}
	return c
}

// Fit trains until the run is over, from the beginning or from where Resume put
// it. When ctx ends, it finishes the step, saves, and returns an
// *[InterruptedError]. Any other error names the step and, where one is at
// fault, the example, and leaves a checkpoint of what has been done before it.
// A loss or gradient that is not finite wraps a *[NonFiniteError] with the
// parameter; one that is itself not finite is not saved, and the checkpoint of
// an earlier step stays.
func (t *Trainer) Fit(ctx context.Context) (*Result, error) {
	result, err := t.fit(ctx)
	for _, h := range t.hooks {
		end := EndEvent{Result: deepcopy.Of(result), Err: err}
		if e := h.OnEnd(end); e != nil && err == nil {
			result, err = nil, fmt.Errorf("train: at the end of the run: %w", e)
		}
	}
	return result, err
}

func (t *Trainer) fit(ctx context.Context) (*Result, error) {
	if err := t.start(); err != nil {
		return nil, err
	}
	defer func() { t.state.Elapsed = Duration(t.elapsed()) }()
	r, err := t.loop(ctx)
	if err != nil {
		return nil, t.leave(err)
	}
	return r, nil
}

func (t *Trainer) loop(ctx context.Context) (*Result, error) {
	batches, err := t.train.Stream(ctx, t.state.Position, 0)
	if err != nil {
		return nil, err
	}
	defer batches.Close()
	for {
		reason := t.over()
		if t.evalDue(reason) {
			if err := t.validate(ctx); err != nil {
				return nil, t.orInterrupted(ctx, err)
			}
			reason = t.over()
		}
		if t.saveDue(reason) {
			if err := t.save(); err != nil {
				return nil, err
			}
		}
		if reason != "" {
			return t.result(reason), nil
		}
		if ctx.Err() != nil {
			return nil, t.interrupted(ctx)
		}
		n := t.state.Step + 1
		b, err := batches.next()
		if err != nil {
			return nil, t.orInterrupted(ctx, fmt.Errorf("train: step %d: %w", n, err))
		}
		if err := t.step(b); err != nil {
			return nil, fmt.Errorf("train: step %d: %w", n, err)
		}
		if err := t.pace(); err != nil {
			return nil, err
		}
	}
}

// leave saves what was done before an error that ends the run, and adds to the
// error where that is.
func (t *Trainer) leave(err error) error {
	if t.failed || errors.As(err, new(*InterruptedError)) {
		return err
	}
	if t.changed && t.cfg.CheckpointDir != "" {
		if e := t.save(); e != nil && !errors.As(e, new(*NonFiniteError)) {
			err = errors.Join(err, e)
		}
	}
	return fmt.Errorf("%w (%v)", err, t.safe)
}

// start prepares the checkpoint directory and tells the hooks.
func (t *Trainer) start() error {
	resumed := t.state.Step > 0 || t.safe.path != ""
	moved := false
	if t.cfg.CheckpointDir != "" && !t.opened {
		t.identify()
		moved = t.from != "" && !sameDir(t.from, t.cfg.CheckpointDir)
	}
	t.begun, t.before = t.now(), time.Duration(t.state.Elapsed)
	t.firstStep, t.evalTime, t.failed = t.state.Step, 0, false
	if t.cfg.CheckpointDir != "" && !t.opened {
		if err := t.open(); err != nil {
			return fmt.Errorf("train: checkpoint directory: %w", err)
		}
		t.begun = t.now() // writing the first checkpoint says nothing of the pace
	}
	e := StartEvent{Model: t.model, Resumed: resumed, Moved: moved, Replaces: t.replaces,
		Step: t.state.Step, Evaluated: t.state.Evaluated, Steps: t.steps(), StepsPerEpoch: t.train.Batches()}
	for _, h := range t.hooks {
		e.Config = deepcopy.Of(t.cfg)
		if err := h.OnStart(e); err != nil {
			return fmt.Errorf("train: at the start of the run: %w", err)
		}
	}
	return nil
}

// identify returns what the data of the run are. It reads them at the first
// call.
func (t *Trainer) identify() Data {
	if t.data == nil {
		t.data = &Data{Train: identify(t.train.ds)}
		if t.val != nil {
			val := identify(t.val.ds)
			if maps.Equal(val.Chosen, t.data.Train.Chosen) {
				val.Chosen = nil // once is enough
			}
			t.data.Val = &val
		}
	}
	return *t.data
}

// open makes the checkpoint directory this run's, with checkpoints of where it
// starts: from then on it can be resumed.
func (t *Trainer) open() error {
	if err := os.MkdirAll(t.dir.dir, 0o755); err != nil {
		return err
	}
	var err error
	if t.from != "" && sameDir(t.from, t.dir.dir) {
		err = t.openOwn()
	} else {
		err = t.openOther()
	}
	if err != nil {
		return err
	}
	t.opened = true
	return t.dir.sweep(t.fromTensors)
}

// openOwn opens the directory that the run goes on from.
func (t *Trainer) openOwn() error {
	best, step := t.state.Best, t.state.Step
	if best == nil || t.hasBest(t.dir.dir) {
		return nil
	}
	if best.Step == step { // killed before it was saved
		return t.write(BestCheckpoint)
	}
	return t.noBest(t.dir.dir)
}

// openOther opens a directory that the run does not come from. What it needs is
// written before what it replaces is deleted.
func (t *Trainer) openOther() error {
	keep, begun := t.dir.holds(t.state.Best)
	if keep != "" && !t.cfg.Overwrite {
		return fmt.Errorf("%s is a checkpoint of an earlier run: resume it, choose another directory, or set Overwrite", keep)
	}
	t.replaces = begun
	best := t.state.Best
	switch {
	case best == nil:
	case best.Step == t.state.Step:
		if err := t.write(BestCheckpoint); err != nil {
			return err
		}
	case !t.hasBest(t.from):
		return t.noBest(t.from)
	default:
		c, err := ReadCheckpoint(filepath.Join(t.from, BestCheckpoint))
		if err != nil {
			return err
		}
		if err := t.dir.save(BestCheckpoint, c); err != nil {
			return err
		}
	}
	if err := t.write(LastCheckpoint); err != nil {
		return err
	}
	if best == nil {
		return t.dir.dropBest()
	}
	return nil
}

// hasBest says whether a directory has the best checkpoint of the run.
func (t *Trainer) hasBest(dir string) bool {
	c, err := readHead(filepath.Join(dir, BestCheckpoint))
	return err == nil && c.isBest(t.state.Best)
}

func (t *Trainer) noBest(dir string) error {
	return fmt.Errorf("want the best checkpoint of the run, of step %d, beside the one that it goes on from: %s is not there or is another",
		t.state.Best.Step, filepath.Join(dir, BestCheckpoint))
}

// step trains on one batch.
func (t *Trainer) step(b *Batch) error {
	began := t.now()
	s, err := t.session(Training, b)
	if err != nil {
		return err
	}
	factor := t.schedule.Factor(t.state.Step)
	t.undo.keep()
	sums, err := t.update(s, b, factor)
	if err != nil {
		t.undo.restore()
		return err
	}
	t.changed = true
	t.state.Step++
	t.state.Position = b.After
	t.state.Window.add(sums)
	e := StepEvent{
		Step: t.state.Step, Steps: t.steps(), Epoch: t.epoch(),
		Batch: sums.metrics(), Train: t.state.Window.metrics(), Sequences: len(b.Examples),
		LR: t.cfg.LR * factor, GradNorm: t.opt.GradNorm(),
		Duration: t.now().Sub(began), Elapsed: t.elapsed(), Remaining: t.remaining(),
	}
	for _, h := range t.hooks {
		if err := h.OnStep(e); err != nil {
			return err
		}
	}
	return nil
}

// update runs the graph and the optimiser on a batch.
func (t *Trainer) update(s *session, b *Batch, factor float64) (Tally, error) {
	sums, err := s.run(b)
	if err != nil {
		return Tally{}, err
	}
	if !finite(sums.Loss) {
		return Tally{}, badLoss(sums.metrics().Loss, s, b)
	}
	t.opt.SetFactor(factor)
	if err := t.opt.step(s.grads); err != nil {
		return Tally{}, fmt.Errorf("in %v: %w", b, err)
	}
	return sums, nil
}

// badLoss explains a loss that is not finite.
func badLoss(loss float64, s *session, b *Batch) error {
	where := s.badRows(b)
	if where == "" {
		where = "in " + b.String()
	}
	if e := findNonFinite(s.graph.Params); e != nil {
		return fmt.Errorf("the loss is %v: %s: %w", loss, where, e)
	}
	return fmt.Errorf("the loss is %v, though every parameter and gradient is finite: %s", loss, where)
}

// pace lowers the number of steps if the time will not do for all. It looks
// when a tenth of the time that was left when Fit began is over, and after
// every evaluation from then on.
func (t *Trainer) pace() error {
	limit := time.Duration(t.cfg.MaxDuration)
	early := t.now().Sub(t.begun) < (limit-t.before)/10
	if limit == 0 || early || t.state.Paced && !t.evaluated {
		return nil
	}
	t.state.Paced, t.evaluated = true, false
	fit := t.fitting(limit)
	if fit >= t.steps() {
		return nil
	}
	t.state.Limit = max(fit, t.state.Step+1, t.cfg.Schedule.WarmUp+1)
	old := t.schedule.State()
	var err error
	if t.schedule, err = NewScheduler(t.cfg.Schedule, t.steps()); err != nil {
		return err
	}
	t.schedule.SetState(old)
	return nil
}

// fitting estimates how many steps the run can have within a time limit, at the
// pace since Fit began.
func (t *Trainer) fitting(limit time.Duration) int {
	const use = 0.95 // of the time left; no pace is perfectly even
	spent, done := t.now().Sub(t.begun), t.state.Step-t.firstStep
	step := float64(spent-t.evalTime) / float64(done)
	eval := float64(t.longestEval)
	if eval == 0 { // none so far: only the forward third of what a step does
		eval = step / 3 * float64(t.valExamples()) / float64(t.cfg.BatchSize)
	}
	left := use*float64(limit-t.elapsed()) - eval // the last evaluation
	return t.state.Step + int(left/(step+eval/float64(t.evalEvery())))
}

// validate evaluates on the validation data and draws the conclusions.
func (t *Trainer) validate(ctx context.Context) error {
	began := t.now()
	val, err := t.evaluate(ctx, t.val)
	if err != nil {
		return fmt.Errorf("train: evaluation after step %d: %w", t.state.Step, err)
	}
	st := &t.state
	r := Record{
		Step: st.Step, Epoch: t.epoch(), Train: st.Window.metrics(), Val: val,
		LR: t.cfg.LR * t.schedule.Factor(max(st.Step-1, 0)), Elapsed: Duration(t.elapsed()),
	}
	best := st.Best == nil || t.cfg.Monitor.better(val, st.Best.Val)
	t.changed, t.newBest = true, t.newBest || best
	st.Evaluated, st.Window = st.Step, Tally{}
	st.History = append(st.History, r)
	st.Waiting++
	if best {
		st.Best, st.Waiting = &r, 0
	}
	t.schedule.Observe(best)
	took := t.now().Sub(began)
	t.evalTime += took
	t.longestEval, t.evaluated = max(t.longestEval, took), true
	for _, h := range t.hooks {
		if err := h.OnEval(EvalEvent{Record: r, Best: best, Duration: took}); err != nil {
			return fmt.Errorf("train: after the evaluation at step %d: %w", st.Step, err)
		}
	}
	return nil
}

// Evaluate returns the metrics of the model as it is on other data: the test
// data. It changes nothing.
func (t *Trainer) Evaluate(ctx context.Context, ds Dataset) (Metrics, error) {
	l, err := newLoader(ds, t.loaderConfig(false))
	if err != nil {
		return Metrics{}, fmt.Errorf("train: Evaluate: %w", err)
	}
	m, err := t.evaluate(ctx, l)
	if err != nil {
		return Metrics{}, fmt.Errorf("train: Evaluate: %w", err)
	}
	return m, nil
}

func (t *Trainer) evaluate(ctx context.Context, l *Loader) (Metrics, error) {
	batches, err := l.Stream(ctx, Position{}, 1)
	if err != nil {
		return Metrics{}, err
	}
	defer batches.Close()
	var sum Tally
	for {
		b, err := batches.next()
		if err == io.EOF { // not wrapped: that would be a data set's
			return sum.metrics(), nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Metrics{}, err
		}
		s, err := t.session(Evaluation, b)
		if err != nil {
			return Metrics{}, err
		}
		sums, err := s.run(b)
		if err != nil {
			return Metrics{}, err
		}
		if !finite(sums.Loss) {
			return Metrics{}, badLoss(sums.metrics().Loss, s, b)
		}
		sum.add(sums)
	}
}

// session returns the graph for batches like b, made at the first call.
func (t *Trainer) session(mode Mode, b *Batch) (*session, error) {
	key := sessionKey{mode, b.B, b.L}
	if s, ok := t.sessions[key]; ok {
		return s, nil
	}
	s, err := newSession(t.model, mode, b)
	if err != nil {
		return nil, err
	}
	t.sessions[key] = s
	return s, nil
}

// save writes the last checkpoint, and the best one if it is new, and tells the
// hooks.
func (t *Trainer) save() error {
	names := []string{LastCheckpoint}
	if t.newBest && t.state.Best.Step == t.state.Step {
		names = append(names, BestCheckpoint)
	}
	for _, name := range names {
		if err := t.write(name); err != nil {
			t.failed = true
			return fmt.Errorf("train: %w", err)
		}
	}
	t.changed, t.newBest = false, false
	for _, name := range names {
		e := CheckpointEvent{Path: t.dir.path(name), Step: t.state.Step, Best: name == BestCheckpoint}
		for _, h := range t.hooks {
			if err := h.OnCheckpoint(e); err != nil {
				return fmt.Errorf("train: after the checkpoint at step %d: %w", e.Step, err)
			}
		}
	}
	return nil
}

// write writes a checkpoint. Parameters that are not finite are not saved: they
// would take the place of the last good ones.
func (t *Trainer) write(name string) error {
	t.state.Elapsed = Duration(t.elapsed())
	if e := nonFiniteValue(t.model.Params()); e != nil {
		return fmt.Errorf("step %d: %w (%v)", t.state.Step, e, t.safe)
	}
	c, err := t.checkpoint()
	if err == nil {
		err = t.dir.save(name, c)
	}
	if err != nil {
		return fmt.Errorf("saving %s after step %d: %w", t.dir.path(name), t.state.Step, err)
	}
	if name == LastCheckpoint {
		t.safe = safetyNet{t.dir.path(name), t.state.Step}
	}
	return nil
}

// orInterrupted returns err, or saves if the end of the context caused it.
func (t *Trainer) orInterrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	return t.interrupted(ctx)
}

func (t *Trainer) interrupted(ctx context.Context) error {
	e := &InterruptedError{Step: t.state.Step, Cause: context.Cause(ctx)}
	if t.cfg.CheckpointDir == "" {
		return e
	}
	if err := t.save(); err != nil {
		return errors.Join(e.Cause, err)
	}
	e.Checkpoint = t.dir.path(LastCheckpoint)
	return e
}

// evalEvery returns the number of steps between evaluations.
func (t *Trainer) evalEvery() int {
	if t.cfg.EvalEvery > 0 {
		return t.cfg.EvalEvery
	}
	return t.train.Batches()
}

// evalDue says whether an evaluation is due at this point, given why the run is
// over, if it is.
func (t *Trainer) evalDue(reason StopReason) bool {
	step := t.state.Step
	return t.val != nil && step > t.state.Evaluated && (step%t.evalEvery() == 0 || reason != "")
}

// saveDue says whether a checkpoint is due at this point, given why the run is
// over, if it is.
func (t *Trainer) saveDue(reason StopReason) bool {
	every := t.cfg.CheckpointEvery
	if every == 0 {
		every = t.evalEvery()
	}
	return t.cfg.CheckpointDir != "" && t.changed && (t.state.Step%every == 0 || reason != "" || t.newBest)
}

// over returns why the run is over, or "".
func (t *Trainer) over() StopReason {
	limit := time.Duration(t.cfg.MaxDuration)
	switch {
	case t.state.Step >= t.steps():
		return Finished
	case t.cfg.Patience > 0 && t.state.Waiting >= t.cfg.Patience:
		return EarlyStop
	case limit > 0 && t.elapsed()+t.longestEval >= limit:
		return TimeUp
	}
	return ""
}

func (t *Trainer) result(reason StopReason) *Result {
	st := deepcopy.Of(t.state)
	return &Result{Reason: reason, Steps: st.Step, Best: st.Best, History: st.History, Elapsed: t.elapsed()}
}

// LoadBest puts the parameters and buffers of the best checkpoint into the
// model.
func (t *Trainer) LoadBest() error {
	if t.cfg.CheckpointDir == "" {
		return errors.New("train: the run has no checkpoint directory to load the best checkpoint from")
	}
	if t.opened && t.state.Best == nil {
		return errors.New("train: the run has had no evaluation that could be the best")
	}
	c, err := ReadCheckpoint(t.dir.path(BestCheckpoint))
	if err != nil {
		return err
	}
	if t.state.Best != nil && !c.isBest(t.state.Best) {
		return fmt.Errorf("train: checkpoint %s is not the best of this run, which is of step %d", c.path, t.state.Best.Step)
	}
	return c.LoadModel(t.model)
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

// steps returns the number of steps of the run.
func (t *Trainer) steps() int { return t.cfg.planned(t.train.Batches(), t.state.Limit) }

// epoch returns the passes over the training data done, with the fraction.
func (t *Trainer) epoch() float64 {
	p := t.state.Position
	return float64(p.Epoch) + float64(p.Batch)/float64(t.train.Batches())
}

func (t *Trainer) elapsed() time.Duration { return t.before + t.now().Sub(t.begun) }

// remaining estimates the time left, at the pace since Fit began.
func (t *Trainer) remaining() time.Duration {
	done, left := t.state.Step-t.firstStep, t.steps()-t.state.Step
	d := time.Duration(float64(t.now().Sub(t.begun)) / float64(done) * float64(left))
	if limit := time.Duration(t.cfg.MaxDuration); limit > 0 {
		d = min(d, max(0, limit-t.elapsed()))
	}
	return d
}

func (t *Trainer) valExamples() int {
	if t.val == nil {
		return 0
	}
	return t.val.ds.Len()
}
