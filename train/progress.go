package train

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress is a Hook that shows how a run goes: a bar on a terminal, and lines
// of text, now and then, on anything else. Failing to write does not stop the
// run.
type Progress struct {
	// Every is the time between two lines where there is no bar; NewProgress
	// sets it to 10 seconds.
	Every time.Duration

	w          io.Writer
	isTerminal func() bool
	columns    func() int               // of the terminal
	bar        *progressbar.ProgressBar // nil if w is not a terminal
	shown      time.Duration            // when the last line or bar was written
	steps      int                      // of the run
	metrics    map[string]Shower        // of the run, those that say how they are shown
	warned     bool                     // that the run cannot be resumed
	pace       pace
}

// NewProgress returns a Progress that writes to w, which is usually os.Stderr.
func NewProgress(w io.Writer) *Progress {
	return &Progress{
		Every: 10 * time.Second, w: w,
		isTerminal: func() bool {
			f, ok := w.(*os.File)
			return ok && term.IsTerminal(int(f.Fd()))
		},
		columns: func() int {
			if f, ok := w.(*os.File); ok {
				if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
					return n
				}
			}
			return 80
		},
	}
}

const (
	// barEvery is the time between two updates of the bar.
	barEvery = 100 * time.Millisecond
	// barFrame is the number of columns that the bar takes, without the text
	// behind it, when it is at its shortest.
	barFrame = 12
)

// OnStart implements Hook.
func (p *Progress) OnStart(e StartEvent) error {
	p.bar, p.shown, p.steps, p.pace, p.warned = nil, 0, e.Steps, pace{}, false
	p.metrics = make(map[string]Shower)
	for _, m := range e.Metrics {
		if s, ok := m.(Shower); ok {
			p.metrics[m.Name()] = s
		}
	}
	if p.isTerminal() {
		p.bar = newBar(p.w, e.Steps)
	}
	if e.Resumed {
		p.print("resumed after step %d of %d\n", e.Step, e.Steps)
	}
	return nil
}

func newBar(w io.Writer, steps int) *progressbar.ProgressBar {
	return progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(w),
		progressbar.OptionFullWidth(), // what the text leaves
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetPredictTime(false), // it does not know of resumed runs and evaluations
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionClearOnFinish(),
	)
}

// OnStep implements Hook.
func (p *Progress) OnStep(e StepEvent) error {
	p.pace.add(e)
	if e.Steps != p.steps {
		p.steps = e.Steps
		p.print("there is time for %d steps\n", e.Steps)
		if p.bar != nil {
			p.bar = newBar(p.w, e.Steps)
		}
	}
	every := p.Every
	if p.bar != nil {
		every = barEvery
	}
	if p.shown > 0 && e.Elapsed-p.shown < every {
		return nil
	}
	p.shown = e.Elapsed
	if p.bar != nil {
		text := fmt.Sprintf("%d/%d  loss %.3f%s  %s  %s left",
			e.Step, e.Steps, e.Train.Loss, p.scores("  ", e.Train), p.pace, e.Remaining.Round(time.Second))
		// A line that the terminal wraps could not be drawn over.
		p.bar.Describe(text[:min(len(text), max(0, p.columns()-barFrame))])
		_ = p.bar.Set(e.Step) // only fails beyond the maximum
		return nil
	}
	p.print("step %d/%d  epoch %.2f  loss %.4f%s  lr %.3g  %s  %s left\n",
		e.Step, e.Steps, e.Epoch, e.Train.Loss, p.scores("  ", e.Train), e.LR, p.pace, e.Remaining.Round(time.Second))
	return nil
}

// OnEval implements Hook.
func (p *Progress) OnEval(e EvalEvent) error {
	best := ""
	if e.Best {
		best = "  best so far"
	}
	p.print("evaluation at step %d  train loss %.4f%s  val loss %.4f%s  %s%s\n",
		e.Step, e.Train.Loss, p.scores(" ", e.Train), e.Val.Loss, p.scores(" ", e.Val),
		e.Duration.Round(time.Millisecond), best)
	return nil
}

// OnCheckpoint implements Hook.
func (p *Progress) OnCheckpoint(e CheckpointEvent) error {
	if e.NotSaved != "" && !p.warned {
		p.warned = true
		p.print("saved, but no run can be resumed from it: %s\n", e.NotSaved)
	}
	return nil
}

// OnEnd implements Hook.
func (p *Progress) OnEnd(e EndEvent) error {
	if e.Result == nil {
		p.print("")
		return nil
	}
	r := e.Result
	p.print("%s after %d steps in %s\n", r.Reason, r.Steps, r.Elapsed.Round(time.Second))
	if r.Best != nil {
		p.print("best validation: loss %.4f%s at step %d\n", r.Best.Val.Loss, p.scores(" ", r.Best.Val), r.Best.Step)
	}
	return nil
}

// scores shows the values of the metrics, each after a separator.
func (p *Progress) scores(separator string, m Metrics) string {
	text := ""
	for _, s := range m.Scores {
		if shower, ok := p.metrics[s.Name]; ok {
			text += separator + shower.Show(s.Value)
		} else {
			text += fmt.Sprintf("%s%s %.4g", separator, s.Name, s.Value)
		}
	}
	return text
}

// print writes text in the place of the bar, which the next step draws again
// below it.
func (p *Progress) print(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	_, _ = fmt.Fprintf(p.w, format, args...)
}

// pace is a running average of the sequences trained on per second.
type pace struct{ sequences, seconds float64 }

func (p *pace) add(e StepEvent) {
	const memory = 5 // seconds after which the past counts half
	p.sequences += float64(e.Sequences)
	p.seconds += e.Duration.Seconds()
	if p.seconds > memory {
		p.sequences /= 2
		p.seconds /= 2
	}
}

// String returns "12.3 samples/s".
func (p pace) String() string {
	if p.seconds == 0 {
		return "- samples/s"
	}
	rate := p.sequences / p.seconds
	if rate >= 1000 {
		return fmt.Sprintf("%.0f samples/s", rate)
	}
	return fmt.Sprintf("%.3g samples/s", rate)
}
