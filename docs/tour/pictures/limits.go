package pictures

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
)

// limits shows a measured table: induction heads of Mamba at lengths that it was not
// trained at.
func limits() ([]figure.Panel, error) {
	lengths, err := row("steps")
	if err != nil {
		return nil, err
	}
	right, err := row("answers right")
	if err != nil {
		return nil, err
	}
	if len(lengths) != len(right) {
		return nil, fmt.Errorf("pictures: want an answer for each of %d lengths, got %d", len(lengths), len(right))
	}
	p := figure.NewPlot("induction heads: answers right, in percent\ntrained at 64 steps only", "steps", "percent")
	p.X.Scale = plot.LogScale{}
	var ticks plot.ConstantTicks
	points := make([]complex128, len(lengths))
	for i, l := range lengths {
		ticks = append(ticks, plot.Tick{Value: l, Label: strconv.Itoa(int(l))})
		points[i] = complex(l, right[i])
	}
	p.X.Tick.Marker = ticks
	figure.AddGrid(p)
	p.Add(figure.Line(lengths, right, figure.Black, 1.2), figure.Dots(points, draw.CircleGlyph{}, figure.Black, 3))
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = lengths[0]/1.1, lengths[len(lengths)-1]*1.1, 0, 105
	return []figure.Panel{p}, nil
}

// row returns the numbers of the row of the tables in docs/experiments.md that begins like that.
func row(name string) ([]float64, error) {
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "experiments.md"))
	if err != nil {
		return nil, fmt.Errorf("pictures: %w", err)
	}
	found := regexp.MustCompile(`(?m)^\| `+name+` ((?:\| \d+(?: %)? )+)\|$`).FindAllStringSubmatch(string(text), -1)
	if len(found) != 1 {
		return nil, fmt.Errorf("pictures: want one row %q of numbers in docs/experiments.md, got %d", name, len(found))
	}
	var numbers []float64
	for cell := range strings.FieldsFuncSeq(found[0][1], func(r rune) bool { return strings.ContainsRune("|% ", r) }) {
		v, err := strconv.ParseFloat(cell, 64)
		if err != nil {
			return nil, fmt.Errorf("pictures: row %q: %w", name, err)
		}
		numbers = append(numbers, v)
	}
	return numbers, nil
}
