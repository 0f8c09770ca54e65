package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/results/recipes"
)

// intro is what the table begins with.
//
//go:embed intro.md
var intro string

// titles are the headings of the groups.
var titles = map[recipes.Group]string{
	recipes.Long: "Long runs", recipes.Short: "Short runs", recipes.Ablation: "Ablations",
}

// writeTable writes the table and the pictures from the rows.
func (o *options) writeTable(all []*recipes.Recipe, out io.Writer) error {
	fs, err := readRows(o.rows(), all)
	if err != nil {
		return err
	}
	dir := filepath.Join(o.root, "results")
	for _, f := range fs {
		if len(f.all()) == 0 {
			continue
		}
		if err := f.picture(o.rows(), filepath.Join(dir, f.pictureFile())); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, "README.md")
	err = atomicfile.Write(path, 0o666, func(w io.Writer) error {
		_, err := w.Write(table(fs))
		return err
	})
	if err == nil {
		fmt.Fprintln(out, path)
	}
	return err
}

// table returns the document.
func table(fs []*found) []byte {
	var b bytes.Buffer
	b.WriteString(intro)
	for _, g := range recipes.Groups() {
		fmt.Fprintf(&b, "\n## %s\n", titles[g])
		var waiting []string
		for _, f := range fs {
			if f.Group != g {
				continue
			}
			if len(f.all()) == 0 {
				waiting = append(waiting, "`"+f.Name+"`")
				continue
			}
			f.write(&b)
		}
		if len(waiting) > 0 {
			fmt.Fprintf(&b, "\nWithout a row yet: %s.\n", strings.Join(waiting, ", "))
		}
	}
	return b.Bytes()
}

// write writes the part of a recipe.
func (f *found) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n### `%s`: %s\n\n", f.Name, f.Title)
	columns := f.columns()
	for i, c := range columns {
		fmt.Fprintf(b, "| %s ", c.name)
		if i == len(columns)-1 {
			b.WriteString("|\n")
		}
	}
	b.WriteString("|---" + strings.Repeat("|--:", len(columns)-1) + "|\n")
	for _, v := range f.Variants {
		for _, of := range f.lines(v.Name) {
			for _, c := range columns {
				fmt.Fprintf(b, "| %s ", c.text(of))
			}
			b.WriteString("|\n")
		}
	}
	f.writeBelow(b)
}

// writeBelow writes what is below the numbers.
func (f *found) writeBelow(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n![%s](%s)\n\n", f.Title, f.pictureFile())
	var more []string
	for _, p := range f.Published {
		more = append(more, fmt.Sprintf("%s %s (%s)", p.Model, published(p), p.Source))
	}
	if len(more) > 0 {
		fmt.Fprintf(b, "Published: %s.\n", strings.Join(more, "; "))
	}
	for _, n := range f.Notes {
		fmt.Fprintln(b, n)
	}
	for _, w := range f.all() {
		if w.Floor != nil {
			fmt.Fprintf(b, "Without learning (%s): %s %%.\n", w.Floor.What, percent(w.Floor.Value))
			break
		}
	}
	first := f.all()[0]
	fmt.Fprintf(b, "Again: `go run ./results -run %s`; %s is `%s`.\n", f.Name, first.Variant, strings.Join(first.Command, " "))
}

// lines are the rows of a variant as lines of the table: the finished ones together, and
// each of the others.
func (f *found) lines(variant string) [][]*row {
	var done []*row
	var lines [][]*row
	for _, w := range f.rows[variant] {
		if w.Finished && w.Test != nil {
			done = append(done, w)
		} else {
			lines = append(lines, []*row{w})
		}
	}
	if len(done) > 0 {
		lines = append([][]*row{done}, lines...)
	}
	return lines
}

// column is one of the table: what it says of the rows of a line.
type column struct {
	name string
	text func(ws []*row) string
}

// columns are those that the rows of a recipe have.
func (f *found) columns() []column {
	cs := []column{
		{"", variantText}, {"parameters", func(ws []*row) string { return count(ws[0].Parameters) }},
		{"steps", stepsText}, {"epochs", func(ws []*row) string { return fmt.Sprintf("%.3g", ws[0].Epochs) }},
		{"test, %", func(ws []*row) string { return spread(ws, testAccuracy) }},
	}
	if f.any(func(w *row) bool { return len(w.Rates) > 0 }) {
		cs = append(cs, column{"at half the rate, %", func(ws []*row) string { return spread(ws, func(w *row) float64 { return halfRate(w, false) }) }})
	}
	if f.any(func(w *row) bool { return !math.IsNaN(halfRate(w, true)) }) {
		cs = append(cs, column{"band-limited, %", func(ws []*row) string {
			return spread(ws, func(w *row) float64 { return halfRate(w, true) })
		}})
	}
	cs = append(cs, column{"validation, %", func(ws []*row) string { return spread(ws, valAccuracy) }})
	if f.Goals != nil {
		cs = append(cs, column{"goal", f.goalText})
	}
	if slices.ContainsFunc(f.Published, func(p recipes.Published) bool { return len(f.rows[p.Of]) > 0 }) {
		cs = append(cs, column{"published, %", f.publishedText})
	}
	return append(cs,
		column{"cores", coresText},
		column{"training", func(ws []*row) string { return span(ws, func(w *row) float64 { return w.Train }) }},
		column{"processors", func(ws []*row) string { return span(ws, func(w *row) float64 { return w.CPU }) }},
		column{"samples/s", func(ws []*row) string { return rateText(mean(ws, func(w *row) float64 { return w.Rate })) }},
		column{"memory", func(ws []*row) string { return bytesText(ws[0].PeakBytes) }},
		column{"rows", rowsText},
	)
}

// any says whether one of the rows is such.
func (f *found) any(such func(*row) bool) bool {
	for _, w := range f.all() {
		if such(w) {
			return true
		}
	}
	return false
}

// none stands for a number that there is not.
const none = "-"

func variantText(ws []*row) string {
	if w := ws[0]; !w.Finished || w.Test == nil {
		return fmt.Sprintf("%s, seed %d, not finished", w.Variant, w.Seed)
	}
	return ws[0].Variant
}

func stepsText(ws []*row) string {
	if w := ws[0]; w.Steps != w.Planned {
		return count(w.Steps) + " of " + count(w.Planned)
	}
	return count(ws[0].Steps)
}

// rowsText links the rows of a line.
func rowsText(ws []*row) string {
	var links []string
	for _, w := range ws {
		mark := ""
		if w.Changed {
			mark = " (changed)"
		}
		links = append(links, fmt.Sprintf("[%d](rows/%s.json)%s", w.Seed, w.file(), mark))
	}
	return strings.Join(links, " ")
}

// coresText are the numbers of cores of all rows of a line.
func coresText(ws []*row) string {
	var all []int
	for _, w := range ws {
		all = append(all, w.Cores...)
	}
	slices.Sort(all)
	var texts []string
	for _, n := range slices.Compact(all) {
		texts = append(texts, strconv.Itoa(n))
	}
	if texts == nil {
		return none
	}
	return strings.Join(texts, ", ")
}

// accuracy is the metric of all recipes.
const accuracy = "accuracy"

func testAccuracy(w *row) float64 {
	if w.Test == nil {
		return math.NaN()
	}
	return w.Test.Value(accuracy)
}

// halfRate is the accuracy at half the sampling rate, of data that are band-limited or not.
func halfRate(w *row, limited bool) float64 {
	for _, r := range w.Rates {
		if r.Rate == 0.5 && r.BandLimited == limited {
			return r.Metrics.Value(accuracy)
		}
	}
	return math.NaN()
}

func valAccuracy(w *row) float64 {
	if w.Best == nil {
		return math.NaN()
	}
	return w.Best.Val.Value(accuracy)
}

// goalText says whether all rows of a line are where they have to be.
func (f *found) goalText(ws []*row) string {
	g := f.Goals
	text := percent(g.Accuracy)
	if g.HalfRate > 0 {
		text += " (half rate " + percent(g.HalfRate) + ")"
	}
	for _, w := range ws {
		switch {
		case w.Test == nil:
			return text + ": open"
		case !(testAccuracy(w) >= g.Accuracy) || g.HalfRate > 0 && !(halfRate(w, false) >= g.HalfRate):
			return text + ": missed"
		}
	}
	return text + ": reached"
}

// publishedText says what was published of the variant of a line.
func (f *found) publishedText(ws []*row) string {
	var all []string
	for _, p := range f.Published {
		if p.Of == ws[0].Variant {
			all = append(all, published(p))
		}
	}
	if all == nil {
		return none
	}
	return strings.Join(all, ", ")
}

func published(p recipes.Published) string {
	text := percent(p.Accuracy)
	if p.HalfRate > 0 {
		text += " (half rate " + percent(p.HalfRate) + ")"
	}
	if p.At != "" {
		text += " at " + p.At
	}
	return text
}

// spread is the mean of a share over rows in percent, with the least and the most of
// several.
func spread(ws []*row, of func(*row) float64) string {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, w := range ws {
		lo, hi = min(lo, of(w)), max(hi, of(w)) // NaN if one is
	}
	switch m := mean(ws, of); {
	case math.IsNaN(m):
		return none
	case len(ws) == 1:
		return percent(m)
	default:
		return fmt.Sprintf("%s (%s to %s)", percent(m), percent(lo), percent(hi))
	}
}

func mean(ws []*row, of func(*row) float64) float64 {
	sum := 0.0
	for _, w := range ws {
		sum += of(w)
	}
	return sum / float64(len(ws))
}

// span is the mean of a time in seconds; none if it is not known of a row.
func span(ws []*row, of func(*row) float64) string {
	for _, w := range ws {
		if of(w) == 0 {
			return none
		}
	}
	d := time.Duration(mean(ws, of) * float64(time.Second))
	if d >= time.Hour {
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return d.Round(time.Second).String()
}

func percent(share float64) string { return fmt.Sprintf("%.1f", 100*share) }

// count writes a number with commas between thousands.
func count(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func rateText(rate float64) string {
	if rate >= 100 {
		return count(int(math.Round(rate)))
	}
	return fmt.Sprintf("%.3g", rate)
}

func bytesText(n int64) string {
	if n == 0 {
		return none
	}
	return fmt.Sprintf("%.2g GB", float64(n)/1e9)
}
