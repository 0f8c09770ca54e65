package experiment

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// Prediction is what predict writes of an example of a classifier, a line of JSON.
type Prediction struct {
	Origin string `json:"origin"`
	// Step is the number of steps that have been read, before the end of the example;
	// 0 for a prediction from all of it.
	Step int `json:"step,omitempty"`
	// Class is the number of the class, Label its name.
	Class int    `json:"class"`
	Label string `json:"label,omitempty"`
	// Target is the class that is wanted, where the input has it.
	Target *int `json:"target,omitempty"`
	// Probabilities are those of the classes, Scores their logarithms but for a sum.
	Probabilities []float64 `json:"probabilities"`
	Scores        []float64 `json:"scores"`
}

// Forecast is what predict writes of an example of a forecaster.
type Forecast struct {
	Origin string `json:"origin"`
	Step   int    `json:"step,omitempty"`
	// Forecast is the numbers of each step to come, in the model's units.
	Forecast [][]float64 `json:"forecast"`
	// Quantiles are those of each number, if the model has them.
	Quantiles [][][]float64 `json:"quantiles,omitempty"`
}

// Told is what predict writes of an example of a language model: how well it is told.
type Told struct {
	Origin string `json:"origin"`
	Step   int    `json:"step,omitempty"`
	// Tokens is how many of its tokens are told from those before them: all but the
	// first.
	Tokens int `json:"tokens"`
	// NLL is the sum of the negative logarithms of their probabilities, in nats.
	NLL float64 `json:"nll"`
	// Perplexity is exp(NLL/Tokens).
	Perplexity float64 `json:"perplexity"`
}

// Answered is what predict writes of an example of a language model that tells answers.
type Answered struct {
	Origin string `json:"origin"`
	// Answers are the tokens of the highest scores, Probabilities theirs.
	Answers       []int     `json:"answers"`
	Probabilities []float64 `json:"probabilities"`
	// Targets are those that are wanted, where the input has them.
	Targets []int `json:"targets,omitempty"`
}

// Teller is a Codec that says what a forecast is in the units of the user's data.
type Teller interface {
	// Tell returns what predict writes, in JSON, of a forecast for an example.
	Tell(e Example, f Forecast) (any, error)
}

// CSVTeller is a Codec that says forecasts as CSV, for predict -format csv.
type CSVTeller interface {
	// TellCSV writes the rows of a forecast for an example, and before the first
	// of all, when first is true, their names.
	TellCSV(w io.Writer, first bool, e Example, f Forecast) error
}

// The formats of what predict writes.
const (
	formatJSON = "json"
	formatCSV  = "csv"
)

// prediction is what the command line of predict sets.
type prediction struct {
	*saved
	stream       bool
	format       string
	told         int // forecasts that have been written as CSV
	every, batch int
	out          *bufio.Writer
	line         *json.Encoder
	pending      []Example
	evaluator    *train.Evaluator // of batches of up to longest steps
	longest      int
	stepper      *stepper
}

// predict writes what a model says of a user's own examples, a line of JSON for each.
func (p *Program) predict(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	fs := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	q := &prediction{out: bufio.NewWriter(out), format: formatJSON}
	q.line = json.NewEncoder(q.out)
	q.line.SetEscapeHTML(false)
	run := fs.String("run", "", "the `directory` of the run, or of its model")
	fs.BoolVar(&q.stream, "stream", false, "read step by step, through the recurrence: the memory does not depend on the length")
	fs.IntVar(&q.every, "every", 0, "with -stream, print what is predicted after every so many `steps` too; 0: at the end only")
	option.Choice(fs, "format", &q.format, "of what is written, csv for forecasts of a task that has such", []string{formatJSON, formatCSV})
	fs.IntVar(&q.batch, "batch", 32, "examples that are read at a time")
	files, err := filesAfter(fs, args, func() {
		usageOf(fs, out, p.Name+" predict -run DIR [options] FILE...|-", "Write what the model of a run says of examples of your own, in JSON lines. - is standard input.")
	})
	if err != nil {
		return err
	}
	if err := q.validate(files); err != nil {
		return err
	}
	if q.saved, err = p.open(*run); err != nil {
		return err
	}
	if _, ok := q.codec.(CSVTeller); q.format == formatCSV && !ok {
		return fmt.Errorf("-format: the task %s writes %s only", q.task.Name, formatJSON)
	}
	q.apart()
	if err := q.prepare(); err != nil {
		return err
	}
	defer q.close()
	for _, name := range files {
		if err := q.file(ctx, name, in); err != nil {
			if ctx.Err() == nil { // what was read before is good
				err = cmp.Or(q.flush(ctx), err)
			}
			return Explain(ctx, err, "in the prediction")
		}
	}
	return q.flush(ctx)
}

// validate reports the first option that is out of range.
func (q *prediction) validate(files []string) error {
	switch {
	case len(files) == 0:
		return errors.New("want the files to read behind the options, or - for standard input, got none (-h lists the options)")
	case q.every != 0 && !q.stream:
		return errors.New("-every is about -stream: want both or neither")
	case q.every < 0:
		return fmt.Errorf("-every: want >= 0, got %d", q.every)
	case q.every != 0 && q.format == formatCSV:
		return errors.New("-format csv has the forecast at the end alone: want no -every with it")
	case q.batch < 1:
		return fmt.Errorf("-batch: want >= 1, got %d", q.batch)
	}
	return nil
}

// filesAfter parses options with names of files behind them.
func filesAfter(fs *flag.FlagSet, args []string, help func()) ([]string, error) {
	fs.SetOutput(io.Discard)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			help()
			return nil, err
		}
		return nil, fmt.Errorf("%w (-h lists the options)", err)
	}
	files := fs.Args()
	for _, name := range files {
		if strings.HasPrefix(name, "-") && name != "-" && !slices.Contains(args, "--") {
			return nil, fmt.Errorf("want options before the files, got %s behind %s", name, files[0])
		}
	}
	return files, nil
}

// prepare makes what runs the model.
func (q *prediction) prepare() (err error) {
	if !q.stream {
		return nil
	}
	switch {
	case q.every > 0 && q.shape.Kind == Retrieval:
		return errors.New("-every: a pair of documents has one prediction, at the end")
	case q.every > 0 && q.shape.Answers > 0:
		return errors.New("-every: answers are told at the last steps alone")
	}
	q.stepper, err = newStepper(q.saved)
	return err
}

func (q *prediction) close() {
	if q.evaluator != nil {
		q.evaluator.Close()
	}
	q.evaluator = nil
}

// file reads a file, or standard input.
func (q *prediction) file(ctx context.Context, name string, in io.Reader) error {
	if name == "-" {
		if in == nil {
			return errors.New("there is no standard input")
		}
		r, stop := until(ctx, in)
		defer stop()
		return q.read(ctx, r, "stdin")
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return q.read(ctx, f, name)
}

// until returns a reader of in whose reads end with ctx, also while in has nothing to
// read. stop is to be called when no more is read.
func until(ctx context.Context, in io.Reader) (r io.Reader, stop func()) {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.Copy(pw, in)
		pw.CloseWithError(err) // nil: EOF
	}()
	release := context.AfterFunc(ctx, func() { pw.CloseWithError(ctx.Err()) })
	return pr, func() {
		release()
		pr.Close()
	}
}

// read predicts the examples of a file.
func (q *prediction) read(ctx context.Context, r io.Reader, name string) error {
	return q.codec.Read(r, name, func(e Example) error {
		if err := errors.Join(ctx.Err(), q.shape.check(e)); err != nil {
			return err
		}
		if q.stream {
			if err := q.step(ctx, e); err != nil {
				return fmt.Errorf("%s: %w", e.Origin, err)
			}
			return q.out.Flush()
		}
		if q.pending = append(q.pending, e); len(q.pending) == q.batch {
			return q.flush(ctx)
		}
		return nil
	})
}

// keptGraphs is the number of lengths of which graphs are kept.
const keptGraphs = 16

// flush predicts the examples that are pending, as one batch.
func (q *prediction) flush(ctx context.Context) error {
	if len(q.pending) == 0 {
		return q.out.Flush()
	}
	ds := &examples{q.shape, q.pending}
	steps := rounded(longestIn(ds))
	if err := q.ready(steps); err != nil {
		return err
	}
	cfg := train.LoaderConfig{BatchSize: q.batch, Buckets: []int{steps}}
	q.pending = nil
	_, err := q.evaluator.Evaluate(ctx, ds, cfg, func(out *task.Outputs, b *task.Batch) error {
		for row, i := range b.Examples {
			if err := q.tell(ds.list[i], 0, out, row, b.B); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return q.out.Flush()
}

// ready makes the model one that reads so many steps, and drops graphs if there are
// many.
func (q *prediction) ready(steps int) error {
	if q.evaluator != nil && steps <= q.longest && q.evaluator.Graphs() < keptGraphs {
		return nil
	}
	q.close()
	if steps > q.longest {
		if err := q.lengthen(steps); err != nil {
			return err
		}
		q.longest = steps
	}
	var err error
	q.evaluator, err = train.NewEvaluator(q.model)
	return err
}

// rounded returns a length that not much more is padded to than n: one of few, for
// each has a graph.
func rounded(n int) int {
	step := 8
	for step*8 < n {
		step *= 2
	}
	return (n + step - 1) / step * step
}

// tell writes what the model says of an example, after so many steps of it, 0 for all.
func (q *prediction) tell(e Example, step int, out *task.Outputs, row, rows int) error {
	switch q.shape.Kind {
	case LanguageModel:
		if q.shape.Answers > 0 {
			return q.answered(e, answersOf(rowOf(out.Arrays[task.Logits], row, rows), q.shape, len(e.Tokens)))
		}
		sum := 0.0
		for _, v := range rowOf(out.Arrays[task.NLL], row, rows) {
			sum += v
		}
		return q.toldOf(e, step, sum)
	case Forecaster:
		numbers := rowOf(out.Arrays[task.Output], row, rows)
		return q.forecast(e, step, numbers, rowOf(out.Arrays[task.Quantiles], row, rows))
	}
	return q.classified(e, step, rowOf(out.Arrays[task.Logits], row, rows))
}

// rowOf returns a row of an array of so many.
func rowOf(a task.Array, row, rows int) []float64 {
	n := a.Len() / rows
	v := make([]float64, n)
	for i := range v {
		v[i] = a.At(row*n + i)
	}
	return v
}

// classified writes the scores of an example.
func (q *prediction) classified(e Example, step int, scores []float64) error {
	p := Prediction{Origin: e.Origin, Step: step, Scores: scores, Probabilities: probabilities(scores)}
	p.Class = best(scores)
	if names := q.codec.Classes(); p.Class < len(names) {
		p.Label = names[p.Class]
	}
	if e.Target != task.Ignore {
		p.Target = &e.Target
	}
	for _, v := range scores {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s: the model's scores are not finite: %v", e.Origin, scores)
		}
	}
	return q.line.Encode(p)
}

// answersOf returns the scores (Answers, Vocab) of the answers of an example of so many
// tokens, given those of all steps (Vocab, L).
func answersOf(scores []float64, s Shape, tokens int) [][]float64 {
	all, l := make([][]float64, s.Answers), len(scores)/s.Vocab
	for i := range all {
		for id := range s.Vocab {
			all[i] = append(all[i], scores[id*l+tokens-s.Answers+i])
		}
	}
	return all
}

// answered writes what is told at the last steps of an example, of its scores
// (Answers, Vocab).
func (q *prediction) answered(e Example, scores [][]float64) error {
	a := Answered{Origin: e.Origin, Targets: e.Answers}
	for _, s := range scores {
		p := probabilities(s)
		at := best(p)
		if math.IsNaN(p[at]) {
			return fmt.Errorf("%s: the model's scores are not finite: %v", e.Origin, s)
		}
		a.Answers, a.Probabilities = append(a.Answers, at), append(a.Probabilities, p[at])
	}
	return q.line.Encode(a)
}

// toldOf writes how well an example is told, or so many steps of it.
func (q *prediction) toldOf(e Example, step int, nll float64) error {
	n := q.shape.length(e)
	if step > 0 {
		n = step
	}
	if math.IsNaN(nll) || math.IsInf(nll, 0) {
		return fmt.Errorf("%s: the model's scores are not finite", e.Origin)
	}
	return q.line.Encode(Told{Origin: e.Origin, Step: step, Tokens: n, NLL: nll, Perplexity: math.Exp(nll / float64(n))})
}

// forecast writes the forecast for an example.
func (q *prediction) forecast(e Example, step int, y, quantiles []float64) error {
	n := q.shape.outputs()
	f := Forecast{Origin: e.Origin, Step: step}
	for at := 0; at+n <= len(y); at += n {
		f.Forecast = append(f.Forecast, y[at:at+n])
	}
	if k := len(q.shape.Quantiles); k > 0 {
		for at := 0; at+n*k <= len(quantiles); at += n * k {
			var of [][]float64
			for i := range n {
				of = append(of, quantiles[at+i*k:at+(i+1)*k])
			}
			f.Quantiles = append(f.Quantiles, of)
		}
	}
	if q.format == formatCSV {
		q.told++
		if err := q.codec.(CSVTeller).TellCSV(q.out, q.told == 1, e, f); err != nil {
			return fmt.Errorf("%s: %w", e.Origin, err)
		}
		return nil
	}
	t, ok := q.codec.(Teller)
	if !ok {
		return q.line.Encode(f)
	}
	v, err := t.Tell(e, f)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Origin, err)
	}
	return q.line.Encode(v)
}
