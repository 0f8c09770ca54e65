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

// history is the evaluations of a run.
type history struct {
	model
	evals []evaluation
}

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
	err = s4train.ReadMetrics(f, func(l s4train.MetricsLine) error {
		if l.Kind != s4train.EvalLine {
			return nil
		}
		e := evaluation{step: l.Step, elapsed: l.Elapsed, cpu: clock.at(l.Elapsed), bits: math.NaN(), perWord: math.NaN()}
		for _, s := range l.Val.Scores {
			switch s.Name {
			case bitsPerByte:
				e.bits = s.Value
			case wordPerplexity:
				e.perWord = s.Value
			}
		}
		if math.IsNaN(e.perWord) && o.bytesPerWord > 0 {
			e.perWord = math.Exp2(e.bits * o.bytesPerWord)
		}
		h.evals = append(h.evals, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
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

// picture draws bits per byte and the perplexity per word against the time of the
// processor.
func picture(path string, all []*history) error {
	colours := figure.Series(len(all))
	panel := func(title string, of func(evaluation) float64) figure.Panel {
		p := figure.NewPlot(title, "minutes of the processor", "")
		figure.AddGrid(p)
		p.Legend.Top = true
		drawn := false
		for i, h := range all {
			var x, y []float64
			for _, e := range h.evals {
				if v := of(e); !math.IsNaN(v) {
					x, y = append(x, e.cpu/60), append(y, v)
				}
			}
			if len(x) == 0 {
				continue
			}
			l := figure.Line(x, y, colours[i], 1.6)
			p.Add(l)
			p.Legend.Add(h.title, l)
			drawn = true
		}
		if !drawn {
			return figure.Message(title, "not known")
		}
		return plotOf(p)
	}
	return figure.Save(path, []figure.Panel{
		panel("validation: bits per byte", func(e evaluation) float64 { return e.bits }),
		panel("validation: perplexity per word", func(e evaluation) float64 { return e.perWord }),
	})
}

// plotOf begins the first axis at 0.
func plotOf(p *plot.Plot) figure.Panel {
	p.X.Min = 0
	return p
}
