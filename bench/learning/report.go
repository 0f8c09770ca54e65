package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/report"
	s4train "github.com/gorgonia-s4/s4/train"
)

// evaluation is what a model predicts at a moment.
type evaluation struct {
	step         int
	cpu, elapsed float64 // seconds
	bits         float64 // per byte
	perWord      float64 // perplexity; NaN if unknown
}

// history is a run: its evaluations, and the bits per byte of the batches that it has
// learned from, a mean of so many steps each.
type history struct {
	model
	evals, batches []evaluation
}

// steps is the number of steps whose batches are taken together.
const steps = 50

// The metrics of a language model.
const bitsPerByte, wordPerplexity = "bits_per_byte", "word_perplexity"

// readRun reads the evaluations of a run; nil if there is none.
func readRun(o options, m model) (*history, error) {
	path := filepath.Join(o.out, m.name, report.MetricsFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	clock, err := readClock(filepath.Join(o.out, m.name+cpuSuffix))
	if err != nil {
		return nil, err
	}
	h := &history{model: m}
	sum := 0.0
	err = s4train.ReadMetrics(f, func(l s4train.MetricsLine) error {
		e := evaluation{step: l.Step, elapsed: l.Elapsed, cpu: clock.at(l.Elapsed)}
		if l.Kind == s4train.EvalLine {
			e.bits, e.perWord = score(l.Val, bitsPerByte), score(l.Val, wordPerplexity)
			if math.IsNaN(e.perWord) && o.bytesPerWord > 0 {
				e.perWord = math.Exp2(e.bits * o.bytesPerWord)
			}
			h.evals = append(h.evals, e)
			return nil
		}
		if sum += score(l.Batch, bitsPerByte); l.Step%steps == 0 {
			e.bits, sum = sum/steps, 0
			h.batches = append(h.batches, e)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// score is the value of a metric, NaN without.
func score(m *s4train.Metrics, name string) float64 {
	for _, s := range m.Scores {
		if s.Name == name {
			return s.Value
		}
	}
	return math.NaN()
}

// best is the evaluation of the fewest bits in so much time of the processor; ok is
// false if there is none.
func (h *history) best(cpu float64) (best evaluation, ok bool) {
	for _, e := range h.evals {
		if e.cpu <= cpu && (!ok || e.bits < best.bits) {
			best, ok = e, true
		}
	}
	return best, ok
}

// write writes the table, printed too, and the picture.
func write(o options) error {
	var all []*history
	for _, m := range o.chosen() {
		h, err := readRun(o, m)
		if err != nil {
			return err
		}
		if h != nil && len(h.evals) > 0 {
			all = append(all, h)
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("%s: want runs with an evaluation, got none", o.out)
	}
	t := table(all)
	if err := os.WriteFile(filepath.Join(o.out, "learning.md"), t, 0o644); err != nil {
		return err
	}
	if _, err := os.Stdout.Write(t); err != nil {
		return err
	}
	return picture(filepath.Join(o.out, "learning.png"), all)
}

// moments are the minutes of the processor's time at which models are compared.
var moments = []float64{2, 5, 10, 20, 40, 80}

// table is the runs in Markdown: the best evaluation so far at some moments, and at the
// end.
func table(all []*history) []byte {
	longest := 0.0
	for _, h := range all {
		longest = max(longest, h.evals[len(h.evals)-1].cpu/60)
	}
	var b bytes.Buffer
	b.WriteString("Best bits per byte (perplexity per word) of the validation data, by minutes of the processor's time:\n\n| model |")
	rule := "|---|"
	for _, m := range moments {
		if m <= longest {
			fmt.Fprintf(&b, " %g |", m)
			rule += "--:|"
		}
	}
	b.WriteString(" end | minutes | steps | minutes by the clock |\n" + rule + "--:|--:|--:|--:|\n")
	for _, h := range all {
		fmt.Fprintf(&b, "| %s |", h.title)
		for _, m := range moments {
			if m <= longest {
				b.WriteString(" " + value(h.best(60*m)) + " |")
			}
		}
		last := h.evals[len(h.evals)-1]
		fmt.Fprintf(&b, " %s | %.1f | %d | %.1f |\n", value(h.best(math.Inf(1))), last.cpu/60, last.step, last.elapsed/60)
	}
	return b.Bytes()
}

// value prints an evaluation.
func value(e evaluation, ok bool) string {
	switch {
	case !ok:
		return "-"
	case math.IsNaN(e.perWord):
		return strconv.FormatFloat(e.bits, 'f', 3, 64)
	}
	return fmt.Sprintf("%.3f (%.0f)", e.bits, e.perWord)
}

// picture draws the bits per byte and the perplexity per word of the validation data,
// and the bits per byte of what is learned from, against the time of the processor.
func picture(path string, all []*history) error {
	bits := func(e evaluation) float64 { return e.bits }
	perWord := func(e evaluation) float64 { return e.perWord }
	evals := func(h *history) []evaluation { return h.evals }
	batches := func(h *history) []evaluation { return h.batches }
	words := panel("validation: perplexity per word", all, evals, perWord)
	if p, ok := words.(*plot.Plot); ok {
		figure.Decades(&p.Y)
	}
	return figure.Save(path, []figure.Panel{
		panel("validation: bits per byte", all, evals, bits), words,
		panel(fmt.Sprintf("training: bits per byte, means of %d steps", steps), all, batches, bits),
	})
}

// panel draws a value of evaluations against the time of the processor.
func panel(title string, all []*history, of func(*history) []evaluation, value func(evaluation) float64) figure.Panel {
	colours := figure.Series(len(all))
	p := figure.NewPlot(title, "minutes of the processor", "")
	figure.AddGrid(p)
	p.Legend.Top = true
	drawn := false
	for i, h := range all {
		var x, y []float64
		for _, e := range of(h) {
			if v := value(e); !math.IsNaN(v) {
				x, y = append(x, e.cpu/60), append(y, v)
			}
		}
		if len(x) == 0 {
			continue
		}
		l := figure.Line(x, y, colours[i], 1.6)
		p.Add(l, &plotter.Scatter{XYs: l.XYs, GlyphStyle: draw.GlyphStyle{Color: colours[i], Radius: 1.5, Shape: draw.CircleGlyph{}}})
		p.Legend.Add(h.title, l)
		drawn = true
	}
	if !drawn {
		return figure.Message(title, "not known")
	}
	p.X.Min = 0
	return p
}
