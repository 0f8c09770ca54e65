package main

import (
	"fmt"
	"image/color"
	"io"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train"
)

// curve is a value at moments of a run.
type curve struct{ step, epoch, hours, value []float64 }

func (c *curve) add(l train.MetricsLine, value float64) {
	c.step, c.epoch = append(c.step, float64(l.Step)), append(c.epoch, l.Epoch)
	c.hours, c.value = append(c.hours, l.Elapsed/3600), append(c.value, value)
}

// curves are those of a run: the loss of the batches, each a mean of some, and the
// accuracy of the validation data.
type curves struct{ loss, accuracy curve }

// together is the number of steps whose batches are taken together.
const together = 20

// readCurves reads the metrics of a run of either side.
func readCurves(dir string) (c curves, err error) {
	path := filepath.Join(dir, report.MetricsFile)
	f, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer f.Close()
	sum := 0.0
	err = train.ReadMetrics(f, func(l train.MetricsLine) error {
		if l.Kind == train.EvalLine {
			c.accuracy.add(l, 100*l.Val.Value("accuracy"))
			return nil
		}
		if sum += l.Batch.Loss; l.Step%together == 0 {
			c.loss.add(l, sum/together)
			sum = 0
		}
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// save writes the curves as a table, in the form of those of package results.
func (c curves) save(path string) error {
	return atomicfile.Write(path, 0o666, func(w io.Writer) error {
		if _, err := fmt.Fprintln(w, "curve,step,epoch,elapsed_s,value"); err != nil {
			return err
		}
		for _, of := range []struct {
			name  string
			scale float64
			curve
		}{{"train_loss", 1, c.loss}, {"val_accuracy", 0.01, c.accuracy}} {
			for i, v := range of.value {
				if _, err := fmt.Fprintf(w, "%s,%g,%.4g,%.1f,%.5g\n", of.name, of.step[i], of.epoch[i], 3600*of.hours[i], of.scale*v); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// abscissa is what curves are drawn against.
type abscissa struct {
	label string
	of    func(c curve) []float64
}

var (
	bySteps = abscissa{"steps", func(c curve) []float64 { return c.step }}
	byHours = abscissa{"hours", func(c curve) []float64 { return c.hours }}
)

// The names of both sides, in files and in pictures.
var sides, titles = [2]string{"ours", "public"}, [2]string{"ours", "public PyTorch code"}

// draw draws runs of both sides in one picture, and writes their curves.
func (o options) draw(command string, pairs []pair, x abscissa) error {
	colours := figure.Series(2)
	loss := figure.NewPlot(fmt.Sprintf("training: loss, means of %d steps", together), x.label, "")
	accuracy := figure.NewPlot("validation: accuracy in %", x.label, "")
	for i, p := range pairs {
		for side, run := range []outcome{p.ours, p.public} {
			c, err := readCurves(run.dir)
			if err != nil {
				return err
			}
			if err := c.save(fmt.Sprintf("%s-%d-%s.csv", o.result(command), p.seed, sides[side])); err != nil {
				return err
			}
			name := ""
			if i == 0 {
				name = titles[side]
			}
			add(loss, x, c.loss, colours[side], name)
			add(accuracy, x, c.accuracy, colours[side], name)
		}
	}
	for _, p := range []*plot.Plot{loss, accuracy} {
		p.Legend.Top = true
		p.Y.Max += 0.15 * (p.Y.Max - p.Y.Min) // room for the legend
	}
	path := o.result(command)
	if err := figure.Save(path+".png", []figure.Panel{loss, accuracy}); err != nil {
		return err
	}
	fmt.Printf("picture in %s.png\n", path)
	return nil
}

// add draws a curve, with an entry of the legend unless it has no name. A curve of one
// moment, of runs that are evaluated at their end alone, is a dot.
func add(p *plot.Plot, x abscissa, c curve, colour color.Color, name string) {
	l := figure.Line(x.of(c), c.value, colour, 1.4)
	p.Add(l)
	if len(l.XYs) == 1 {
		p.Add(&plotter.Scatter{XYs: l.XYs, GlyphStyle: draw.GlyphStyle{
			Color: colour, Radius: vg.Points(3), Shape: draw.CircleGlyph{},
		}})
	}
	if name != "" {
		p.Legend.Add(name, l)
	}
	p.X.Min = 0
}
