package experiment

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/tensorboard"
)

// train trains and tests a model as the arguments say.
func (p *Program) train(ctx context.Context, args []string, out io.Writer) error {
	o, err := p.parse(args, out)
	if given(args, "mpi") && !errors.Is(err, flag.ErrHelp) {
		return p.underMPI(ctx, o, err, out)
	}
	if err != nil {
		return err
	}
	if o.replicas > 1 && !o.print {
		return p.replicate(ctx, o, args, out)
	}
	r := &training{options: o, out: out}
	return r.run(ctx)
}

// training is a run, or what one of its ranks has of it.
type training struct {
	*options
	ranks
	leader *training // the first of the replicas, which shares its data; nil: none does
	out    io.Writer
	began  time.Time
	dir    string // of the trained model
	data   *Data
	model  models.Model
	tr     *train.Trainer
	info   *report.Run
	from   *train.Checkpoint // that -resume goes on from; nil: from the start

	initial bool     // the parameters are those of -init-from
	weights loadInto // which the first rank has
}

// run trains and tests a model.
func (r *training) run(ctx context.Context) error {
	defer r.close()
	if r.print {
		text, err := r.text()
		if err == nil {
			_, err = r.out.Write(text)
		}
		return r.agree(err)
	}
	r.began, r.dir = time.Now(), filepath.Join(r.options.out, modelDir)
	if err := r.prepare(ctx); err != nil {
		return err
	}
	result, err := r.fit(ctx)
	if err != nil {
		return err
	}
	if result.Best == nil && r.data.Val != nil {
		fmt.Fprintf(r.out, "\n%s after %s, before the first step: nothing is trained; -resume with a longer -max-time goes on from the start\n", result.Reason, result.Elapsed)
		return nil
	}
	return r.test(ctx, result)
}

// prepare loads the data and makes the model and its trainer.
func (r *training) prepare(ctx context.Context) error {
	if err := r.agree(r.check(r.options)); err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.loadInTurn(ctx); err != nil {
		return err
	}
	if err := r.agree(r.build()); err != nil {
		return err
	}
	return r.agree(r.newTrainer())
}

// loadInTurn loads the data, first on the first rank: what is made and kept in -cache is
// made once.
func (r *training) loadInTurn(ctx context.Context) error {
	for _, mine := range []bool{r.first(), !r.first()} {
		var err error
		switch {
		case !mine:
		case r.leader != nil:
			r.data = r.leader.data
		default:
			r.data, err = r.load(ctx, r.out)
		}
		if err := r.agree(Explain(ctx, err, "before the training began")); err != nil {
			return err
		}
	}
	return nil
}

// build makes the model.
func (r *training) build() error {
	if err := r.checkCodec(); err != nil {
		return err
	}
	longest := longestOf(r.data)
	if err := r.bendTo(r.data.Train.Len(), longest); err != nil {
		return err
	}
	if n := len(r.Train.Buckets); n > 0 {
		longest = r.Train.Buckets[n-1]
	}
	if err := r.checkImages(longest); err != nil {
		return err
	}
	var err error
	if r.model, err = r.newModel(r.data.Model, longest); err != nil {
		return r.speak(err)
	}
	if err := r.initialise(longest); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "\n%s\n", r.model.Summary())
	return r.speak(r.sayRules())
}

// checkImages reports a sequence that is shorter than the images of a layer that reads
// images.
func (r *training) checkImages(pixels int) error {
	if !r.Model.Mixer.has("shape") {
		return nil
	}
	for _, part := range parts(r.data) {
		for i := range part.Dataset.Len() {
			if n := part.Dataset.Length(i); n != pixels {
				return fmt.Errorf("-model %s reads images: want only sequences of %d steps, as long as the longest, got one of %d", r.Model.Mixer.kind, pixels, n)
			}
		}
	}
	return nil
}

// newTrainer makes the trainer.
func (r *training) newTrainer() (err error) {
	opts := []train.Option{train.WithMetrics(r.data.Metrics...)}
	if r.first() {
		opts = append(opts, train.WithHooks(r.hooks()...))
	}
	if r.g != nil {
		opts = append(opts, train.WithGroup(r.g, r.wire()))
		r.sayRanks()
	}
	r.tr, err = train.New(r.Train, r.model, r.data.Train, r.data.Val, opts...)
	if err != nil {
		return r.speak(err)
	}
	if r.from != nil {
		return r.resumed(r.tr.Resume(r.from))
	}
	return nil
}

// checkCodec reports data that are not for the model that the run goes on with, or
// starts from.
func (r *training) checkCodec() error {
	if !r.first() { // the files are the first's
		return nil
	}
	name, of := "-init-from", r.codec
	if r.from != nil {
		name = "-resume"
		var err error
		if of, err = r.codecOf(r.options.out); err != nil {
			return fmt.Errorf("-resume: %w", err)
		}
	}
	m, ok := of.(Matcher)
	if !ok {
		return nil
	}
	if err := m.Matches(r.data.Codec); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// sayRules says how much is learned by -freeze and -rate, if there are any.
func (r *training) sayRules() error {
	ps := r.model.Params()
	if err := r.Train.Rules.Apply(ps); err != nil || len(r.Train.Rules) == 0 {
		return err
	}
	learned := 0
	for _, p := range ps {
		if !p.Frozen {
			learned += p.Node.Shape().TotalSize()
		}
	}
	fmt.Fprintf(r.out, "by -freeze and -rate, learned: %d\n\n", learned)
	return nil
}

// hooks are told of the training.
func (r *training) hooks() []train.Hook {
	hooks := []train.Hook{
		train.NewProgress(r.out), train.NewMetricsFile(filepath.Join(r.options.out, metricsFile)), newRunFiles(r),
	}
	if r.tensorboard {
		recipe, _ := r.text() // which parse has made of JSON
		hooks = append(hooks, tensorboard.New(filepath.Join(r.options.out, "tensorboard"), tensorboard.Text("recipe", string(recipe))))
	}
	return hooks
}

// fit trains.
func (r *training) fit(ctx context.Context) (*train.Result, error) {
	profile := ""
	if r.first() {
		profile = r.cpuProfile
	}
	stopProfile, err := startProfile(profile)
	if err := r.agree(err); err != nil {
		return nil, err
	}
	result, err := r.tr.Fit(ctx)
	err = errors.Join(err, stopProfile())
	return result, r.agree(r.speak(Explain(ctx, err, "in the training")))
}

// close frees the memory of the training, at once: what is done after it needs the model
// alone, and a collector left to itself lets as much garbage be made as was in use.
func (r *training) close() {
	if r.tr != nil {
		r.tr.Close()
		r.tr = nil
		debug.FreeOSMemory()
	}
}

// test measures the best model on the test data, saves it, and says what it can.
func (r *training) test(ctx context.Context, result *train.Result) error {
	if result.Best != nil {
		if err := r.agree(r.tr.LoadBest()); err != nil {
			return err
		}
	}
	test, err := r.measure(ctx)
	if err == nil && r.first() { // the others wait
		err = r.conclude(ctx, result, test)
	}
	return r.agree(err)
}

// conclude saves the model that was tested, says what it can, and shows it.
func (r *training) conclude(ctx context.Context, result *train.Result, test *report.Test) error {
	if err := r.saveModel(r.dir); err != nil {
		return err
	}
	if test != nil {
		if err := test.Save(r.options.out); err != nil {
			return err
		}
	}
	r.tell(result, test)
	r.close()
	if test != nil {
		for _, more := range []func(context.Context, *report.Test) error{r.testRates, r.testLengths, r.sample, r.plot} {
			if err := more(ctx, test); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(r.out, "model in %s, %s in all\n", r.dir, time.Since(r.began).Round(time.Second))
	return r.page()
}

// sample adds to the test what the task shows of the trained model.
func (r *training) sample(ctx context.Context, test *report.Test) error {
	if r.data.Samples == nil {
		return nil
	}
	samples, err := r.data.Samples(ctx, r.model, r.out)
	if err != nil {
		return Explain(ctx, err, "in the samples; the training is finished and saved, and -resume repeats the test")
	}
	test.Samples = append(test.Samples, samples...)
	return test.Save(r.options.out)
}

// measure measures the model on the test data, of which each rank reads its part; nil if
// there are none.
func (r *training) measure(ctx context.Context) (*report.Test, error) {
	if r.data.Test == nil {
		return nil, nil
	}
	t := newTester(r.data, "test", r.data.Test)
	began := time.Now()
	m, err := r.tr.Evaluate(ctx, r.data.Test, t.add)
	if err := r.agree(Explain(ctx, err, "in the test; the training is finished and saved, and -resume repeats the test")); err != nil {
		return nil, err
	}
	all, err := gather(&r.ranks, t.found)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	if !r.first() {
		return nil, nil
	}
	for _, other := range all[1:] {
		t.merge(other)
	}
	if err := t.explain(r.model); err != nil {
		fmt.Fprintln(r.out, "warning: it is not known which steps counted:", err)
	}
	return t.result(m, took), nil
}

// tell says how the run ended and what the model can.
func (r *training) tell(result *train.Result, test *report.Test) {
	fmt.Fprintf(r.out, "\n%s after %d steps", result.Reason, result.Steps)
	if name := r.headline().Name(); result.Best != nil {
		fmt.Fprintf(r.out, "; best validation %s at step %d", show(name, result.Best.Val.Value(name)), result.Best.Step)
	}
	fmt.Fprintln(r.out)
	if test != nil {
		fmt.Fprintf(r.out, "test %s (%d examples), loss %.4f%s\n", values(r.data.Metrics, test.Metrics), test.Examples, test.Metrics.Loss, floor(test))
	}
}

// headline is the metric that chooses the best model.
func (r *training) headline() train.Metric {
	for _, m := range r.data.Metrics {
		if m.Name() == r.Train.Monitor {
			return m
		}
	}
	return r.data.Metrics[0]
}

// earlierModel removes the trained model of a run that a new one replaces: it
// would be taken for that of the new one. By then the new run has a checkpoint.
func earlierModel(dir string) error {
	for _, f := range []string{"config.json", "model.safetensors", taskFile} {
		if err := os.Remove(filepath.Join(dir, f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Explain says of an error that the end of ctx caused where that was, and how
// to go on.
func Explain(ctx context.Context, err error, where string) error {
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

// longestOf returns the length of the longest sequence.
func longestOf(d *Data) int {
	n := 0
	for _, part := range parts(d) {
		n = max(n, longestIn(part.Dataset))
	}
	return n
}

func longestIn(ds task.Dataset) int {
	n := 0
	for i := range ds.Len() {
		n = max(n, ds.Length(i))
	}
	return n
}
