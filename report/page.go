package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/portrait"
	"github.com/gorgonia-s4/s4/train"
)

// page is all that the template shows. What is nil or empty is not there.
type page struct {
	Title, Subtitle string
	State           string // how the run ended
	Ended           bool
	Headline        *headline
	Facts           []fact
	Command         []string // as a shell reads its words
	Recipe          string
	Run             *Run
	Data            []Split
	Curves          []figure
	CurvesNote      string
	Test            *Test
	TestFacts       []fact
	Confusion       template.HTML
	Classes         []classRow
	Confused        []confused
	Right, Wrong    []shownSample
	HasSaliency     bool
	LayersNote      string
	LayerTable      []layerRow
	Layers          []layerView
	Params          []paramGroup
	ParamTotal      int
	ParamFrozen     int
	HasMoved        bool
	Environment     []fact
	Missing         []string
}

// fact is a name and a value.
type fact struct{ Name, Value string }

// headline is the result that counts.
type headline struct {
	Name, Value, Where string
	Note               string
	Floor              string // the value
	FloorWhat          string
	Part, FloorPart    float64 // in [0, 100]; for the bars of what is a share
	Share              bool
}

// layerView is a layer with its figures.
type layerView struct {
	Title, Note string
	Figures     []figure
}

// layerRow is a layer in the table of layers.
type layerRow struct {
	Name, Kind, Kernels         string
	Before, After               string // effective lengths: shortest, median, longest
	StepsBefore, StepsAfter     string
	GrowingBefore, GrowingAfter int
}

// gather reads what there is in the directory of a run.
func gather(dir string) (*page, error) {
	p := new(page)
	run, err := ReadRun(dir)
	if errors.Is(err, fs.ErrNotExist) {
		run, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	test, err := ReadTest(dir)
	if errors.Is(err, fs.ErrNotExist) {
		test, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	history, err := readHistory(dir)
	if err != nil {
		return nil, err
	}
	p.addRun(run, dir)
	p.addHistory(history)
	if err := p.addTest(test); err != nil {
		return nil, fmt.Errorf("report: %s: %w", filepath.Join(dir, TestFile), err)
	}
	p.addHeadline(run, test, history)
	length := 0
	if run != nil {
		for _, s := range run.Data {
			length = max(length, s.Longest)
		}
	}
	p.addModels(dir, cmp.Or(length, 1024))
	p.addEnvironment(run, test, history)
	return p, nil
}

// miss notes what is not there.
func (p *page) miss(format string, args ...any) {
	p.Missing = append(p.Missing, fmt.Sprintf(format, args...))
}

// addRun adds what was run.
func (p *page) addRun(r *Run, dir string) {
	if r == nil {
		p.Title = filepath.Base(dir)
		p.miss("what was run: there is no %s", RunFile)
		return
	}
	p.Run, p.Data = r, r.Data
	p.Title = cmp.Or(r.Task, filepath.Base(dir))
	p.Subtitle = joinedBy(" \u00b7 ", r.Model, r.Preset)
	p.Command = commandLine(r.Command)
	if len(p.Command) == 0 {
		p.miss("the command: %s does not say", RunFile)
	}
	var b bytes.Buffer
	if len(r.Recipe) > 0 && json.Indent(&b, r.Recipe, "", "  ") == nil {
		p.Recipe = b.String()
	}
	switch {
	case r.End == nil:
		p.State = "not ended"
		p.miss("the end of the run: it is under way, or was interrupted")
	default:
		reason := train.StopReason(r.End.Reason)
		p.State = r.End.Reason
		p.Ended = reason == train.Finished || reason == train.EarlyStop || reason == train.TimeUp
	}
}

// joinedBy joins what is not empty.
func joinedBy(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), separator)
}

// commandLine writes the words of a command line as a shell reads them.
func commandLine(words []string) []string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		plain := func(r rune) bool {
			return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:,+@%", r)
		}
		if w == "" || strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) >= 0 {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return quoted
}

// addHistory adds the curves.
func (p *page) addHistory(h *history) {
	switch {
	case h == nil:
		p.miss("curves: there is no %s", MetricsFile)
		return
	case h.steps+h.evals == 0:
		p.miss("curves: %s is empty", MetricsFile)
		return
	case h.evals == 0:
		p.miss("curves of the validation data: there was no evaluation yet")
	}
	p.Curves = h.figures()
	p.CurvesNote = fmt.Sprintf("%d steps, %s passes over the data, %d evaluations.", h.lastStep, significant(h.epoch), h.evals)
	if h.pace.each > 1 {
		p.CurvesNote += fmt.Sprintf(" A point of a curve over steps is the mean of %d.", h.pace.each)
	}
}

// addTest adds what the model can.
func (p *page) addTest(t *Test) error {
	if t == nil {
		p.miss("test, confusion matrix and examples: there is no %s", TestFile)
		return nil
	}
	p.Test = t
	p.TestFacts = append(p.TestFacts, fact{"examples", strconv.Itoa(t.Examples)})
	if t.Metrics.Count > 0 {
		p.TestFacts = append(p.TestFacts, fact{train.Loss, significant(t.Metrics.Loss)})
	}
	for _, s := range t.Metrics.Scores {
		p.TestFacts = append(p.TestFacts, fact{s.Name, shown(s.Name, s.Value)})
	}
	for _, at := range t.Rates {
		name := t.headline()
		p.TestFacts = append(p.TestFacts, fact{fmt.Sprintf("%s at %s", name, at), shown(name, at.Metrics.Value(name))})
	}
	for _, at := range t.Lengths {
		name := t.headline()
		p.TestFacts = append(p.TestFacts, fact{fmt.Sprintf("%s of %d steps", name, at.Length), shown(name, at.Metrics.Value(name))})
	}
	if t.Seconds > 0 {
		p.TestFacts = append(p.TestFacts, fact{"time", duration(t.Seconds)})
	}
	var err error
	if len(t.Confusion) > 0 {
		if p.Confusion, err = t.confusionDrawing(); err != nil {
			return err
		}
		p.Classes, p.Confused = t.classTable(), t.confusions(8)
		if n := len(t.Classes); n > maxListed {
			p.miss("the classes from number %d on, of %d, in the table of classes", maxListed, n)
		}
	} else if len(t.Classes) > 0 {
		p.miss("confusion matrix: the test has none")
	}
	for i := range t.Samples {
		p.HasSaliency = p.HasSaliency || t.Samples[i].Saliency != nil
	}
	if len(t.Samples) == 0 {
		p.miss("examples: the test has none")
	}
	p.Right, p.Wrong, err = t.shown()
	return err
}

// shares are the metrics whose values are parts of 1.
func isShare(name string, v float64) bool {
	return v >= 0 && v <= 1 && (strings.Contains(name, "accuracy") || strings.HasPrefix(name, "top"))
}

// shown writes the value of a metric.
func shown(name string, v float64) string {
	if isShare(name, v) {
		return strconv.FormatFloat(100*v, 'f', 2, 64) + " %"
	}
	return significant(v)
}

// addHeadline adds the result that counts: that of the test, or until there is one
// of the best or last evaluation.
func (p *page) addHeadline(r *Run, t *Test, h *history) {
	switch {
	case t != nil:
		name := t.headline()
		hl := newHeadline(name, t.Metrics.Value(name), t.Split)
		if f := t.Floor; f != nil {
			hl.Floor, hl.FloorWhat = shown(name, f.Value), f.What
			hl.FloorPart = min(max(100*f.Value, 0), 100)
			hl.Share = hl.Share && isShare(name, f.Value)
		} else {
			hl.Share = false
		}
		p.Headline = &hl
	case r != nil && r.End != nil && r.End.Best != nil:
		p.Headline = evaluated(r.End.Best.Val, fmt.Sprintf("validation, best, at step %d", r.End.Best.Step))
	case h != nil && h.last != nil:
		p.Headline = evaluated(*h.last.Val, fmt.Sprintf("validation, at step %d", h.last.Step))
	default:
		p.miss("a result: nothing was evaluated")
	}
}

// headline returns the name of the metric that counts.
func (t *Test) headline() string {
	if t.Headline != "" {
		return t.Headline
	}
	return first(t.Metrics)
}

// first returns the name of the first metric, or Loss if there is none.
func first(m train.Metrics) string {
	if len(m.Scores) > 0 {
		return m.Scores[0].Name
	}
	return train.Loss
}

func newHeadline(name string, v float64, where string) headline {
	return headline{Name: name, Value: shown(name, v), Where: where, Share: isShare(name, v), Part: 100 * v}
}

// evaluated returns the headline of an evaluation.
func evaluated(m train.Metrics, where string) *headline {
	hl := newHeadline(first(m), m.Value(first(m)), where)
	hl.Share, hl.Note = false, "there is no test yet"
	return &hl
}

// addModels adds the layers and the parameters.
func (p *page) addModels(dir string, length int) {
	start, err := openModel(filepath.Join(dir, StartDir))
	if err != nil {
		p.miss("the model before training: %v", err)
	} else if start == nil {
		p.miss("the model before training: there is no %s", StartDir)
	}
	end, err := openModel(filepath.Join(dir, ModelDir))
	if err != nil {
		p.miss("the trained model: %v", err)
	} else if end == nil {
		p.miss("the trained model: there is no %s", ModelDir)
	}
	m := end
	if m == nil {
		m = start
	}
	if m == nil {
		return
	}
	p.addParams(m, start, end)
	if start != nil && end != nil && len(start.Blocks()) != len(end.Blocks()) {
		p.miss("the layers before training: the model that there is has %d blocks, the trained one %d", len(start.Blocks()), len(end.Blocks()))
		start = nil
	}
	if err := p.addLayers(start, end, length); err != nil {
		p.miss("layers: %v", err)
	}
}

// addParams adds the parameters.
func (p *page) addParams(m, start, end model) {
	if end == nil {
		start = nil
	}
	p.Params, p.HasMoved = paramTable(m, start), start != nil
	for _, g := range p.Params {
		p.ParamTotal += g.Elements
		p.ParamFrozen += g.Frozen
	}
}

// addLayers adds the layers of a model before and after training, either of which
// may be nil.
func (p *page) addLayers(start, end model, length int) error {
	of := func(m model) model {
		if m == nil {
			return end
		}
		return m
	}(start)
	var with []int
	var without []string
	for i, b := range of.Blocks() {
		kind := kindOf(b.Mixer())
		if _, ok := b.Mixer().(portrait.Convolution); ok {
			with = append(with, i)
		} else if !slices.Contains(without, kind) {
			without = append(without, kind)
		}
	}
	if len(without) > 0 {
		p.miss("kernels of some layers: %s has none of each feature", strings.Join(without, ", "))
	}
	chosen := spread(len(with), maxLayers)
	if len(chosen) < len(with) {
		p.LayersNote = fmt.Sprintf("%d of %d layers.", len(chosen), len(with))
	}
	for _, c := range chosen {
		if err := p.addLayer(start, end, with[c], length); err != nil {
			return err
		}
	}
	return nil
}

// addLayer adds block i.
func (p *page) addLayer(start, end model, i, length int) error {
	var m moments
	var err error
	kind := ""
	for _, side := range []struct {
		of   model
		into **look
	}{{start, &m.before}, {end, &m.after}} {
		if side.of == nil {
			continue
		}
		b := side.of.Blocks()[i]
		kind = kindOf(b.Mixer())
		if *side.into, err = lookAt(b, length); err != nil {
			return err
		}
	}
	if m.any() == nil {
		return fmt.Errorf("layer %d has no kernels", i)
	}
	figures, err := m.figures()
	if err != nil {
		return err
	}
	row := layerRow{Name: strconv.Itoa(i), Kind: kind, Kernels: strconv.Itoa(len(m.any().kernels))}
	if m.before != nil {
		row.Before, row.StepsBefore = threeOf(m.before.reaches()), endsOf(m.before.steps)
	}
	if m.after != nil {
		row.After, row.StepsAfter = threeOf(m.after.reaches()), endsOf(m.after.steps)
	}
	p.LayerTable = append(p.LayerTable, row)
	p.Layers = append(p.Layers, layerView{Title: fmt.Sprintf("Layer %d: %s", i, kind), Note: m.any().none, Figures: figures})
	return nil
}

// threeOf writes the smallest, the median and the largest of ascending values.
func threeOf(v []float64) string {
	if len(v) == 0 {
		return ""
	}
	return fmt.Sprintf("%s \u00b7 %s \u00b7 %s", short(v[0]), short(v[len(v)/2]), short(v[len(v)-1]))
}

// endsOf writes the smallest and the largest of values.
func endsOf(v []float64) string {
	if len(v) == 0 {
		return ""
	}
	return fmt.Sprintf("%s to %s", short(significantOf(slices.Min(v))), short(significantOf(slices.Max(v))))
}

// significantOf rounds to three digits.
func significantOf(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// addEnvironment adds the time, the memory and the versions.
func (p *page) addEnvironment(r *Run, t *Test, h *history) {
	add := func(name, value string) { p.Environment = append(p.Environment, fact{name, value}) }
	if r != nil {
		if !r.Began.IsZero() {
			add("began", r.Began.UTC().Format("2006-01-02 15:04 MST"))
		}
		if r.Machine != "" {
			add("machine", r.Machine)
		}
	}
	if h != nil && h.steps > 0 {
		add("time of the run", duration(h.elapsed))
		add("of which steps", duration(h.stepSeconds))
		add("of which evaluations", duration(h.evalSeconds))
		add("a step, on average", duration(h.stepSeconds/float64(h.steps)))
		if h.stepSeconds > 0 {
			add("samples per second", significant(h.sequences/h.stepSeconds))
		}
		add("peak learning rate", significant(h.peakLR))
	}
	if r != nil && r.End != nil && r.End.PeakBytes > 0 {
		add("memory at the peak", bytesText(r.End.PeakBytes))
	}
	if t != nil && t.Seconds > 0 && t.Examples > 0 {
		add("samples per second, "+cmp.Or(t.Split, "test"), significant(float64(t.Examples)/t.Seconds))
	}
	if r != nil {
		for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
			add(name, r.Versions[name])
		}
	}
	if p.Headline != nil && h != nil && h.lastStep > 0 {
		p.Facts = append(p.Facts, fact{"steps", strconv.Itoa(h.lastStep)}, fact{"time", duration(h.elapsed)})
	}
	if p.ParamTotal > 0 {
		p.Facts = append(p.Facts, fact{"parameters", strconv.Itoa(p.ParamTotal)})
	}
}

// duration writes seconds as 1h2m3s, or 12.3 ms.
func duration(seconds float64) string {
	switch {
	case !finite(seconds) || seconds < 0 || seconds > 1e9:
		return significant(seconds) + " s"
	case seconds < 1:
		return significant(1000*seconds) + " ms"
	case seconds < 60:
		return significant(seconds) + " s"
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// bytesText writes a number of bytes.
func bytesText(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}
