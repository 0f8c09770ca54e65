package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"

	"github.com/gorgonia-s4/s4/internal/figure"
)

// The language models that write: see BenchmarkGenerate and BenchmarkToken in models.
var (
	genModels   = []genModel{{"s4", "S4"}, {"s4d", "S4D"}, {"transformer", "Transformer"}}
	genBatches  = []int{1, 16, 64}
	genContexts = []int{256, 1024, 4096, 16384}
)

// genModel is the name of a model, in benchmarks and in print.
type genModel struct{ flag, title string }

// hasCache says whether a token of the model costs the more the longer the context is.
func (m genModel) hasCache() bool { return m.flag == "transformer" }

// genShape is what the models have in common.
const genShape = "4 blocks of a mixer and a feed-forward network of 4 times the width, width 256, vocabulary 4096, state N 64 or 4 heads, float32"

// genName is the name of a benchmark.
func genName(m genModel, batch, context int) string {
	return fmt.Sprintf("%s writes, batch %d, context %d", m.title, batch, context)
}

// asPublic is behind the name of a benchmark in which PyTorch steps as the public code of
// S4 does by default, which is not the fastest way that it has.
const asPublic = ", by the public default"

// partsName is the name of a benchmark of the parts of a token.
func partsName(m genModel, batch, context int) string {
	return fmt.Sprintf("%s, parts of a token, batch %d, context %d", m.title, batch, context)
}

// partsContext is the context at which the parts of a token are measured.
const partsContext = 1024

// generations lists what is measured of language models. Of models without a cache
// PyTorch is measured at one context: nothing there depends on it.
func generations() []benchmark {
	var all []benchmark
	for _, m := range genModels {
		for _, batch := range genBatches {
			for i, context := range genContexts {
				c := benchmark{
					name: genName(m, batch, context), pkg: "models",
					goName: fmt.Sprintf("BenchmarkGenerate/%s/B%d_T%d", m.flag, batch, context),
				}
				if m.hasCache() || i == 0 {
					c.pyTorch = append(arguments(m.flag, "generate", batch, 256, 64, context), "--blocks=4", "--vocab=4096")
				}
				all = append(all, c)
				if m.flag == "s4" && i == 0 {
					c.name += asPublic
					c.pyTorch = append(slices.Clone(c.pyTorch), "--public")
					all = append(all, c)
				}
			}
		}
	}
	for _, m := range genModels {
		all = append(all, benchmark{
			name: m.title + " learns, batch 8, length 512", pkg: "models",
			goName:  fmt.Sprintf("BenchmarkTrainLanguageModel/%s/B8_L512", m.flag),
			pyTorch: append(arguments(m.flag, "language", 8, 256, 64, 512), "--blocks=4", "--vocab=4096"),
		})
	}
	for _, m := range genModels {
		for _, batch := range genBatches {
			all = append(all, benchmark{
				name: partsName(m, batch, partsContext), pkg: "models",
				goName: fmt.Sprintf("BenchmarkToken/%s/B%d_T%d", m.flag, batch, partsContext),
			})
		}
	}
	return all
}

// measurements are the samples of a run, by benchmark.
type measurements map[string][]sample

func byBenchmark(all []sample) measurements {
	m := measurements{}
	for _, s := range all {
		m[s.benchmark] = append(m[s.benchmark], s)
	}
	return m
}

// tokens returns the tokens in a second of all rows, of Go and of PyTorch's fastest
// setting; NaN where there are none.
func (m measurements) tokens(name string, batch int) (ours, torch float64) {
	r := summarise(name, m[name])
	return float64(batch) / r.goSeconds, float64(batch) / r.torch
}

// of returns the median of a value of Go.
func (m measurements) of(name string, value func(sample) float64) float64 {
	return medianOf(m[name], goSetting, value)
}

// writeGeneration puts the results in a folder and prints the tables.
func writeGeneration(dir string, host []string, cs []benchmark, all []sample) error {
	samples, err := samplesCSV(all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	m := byBenchmark(all)
	if err := save(dir, "generation.csv", samples, "generation.md", m.page(host)); err != nil {
		return err
	}
	return m.picture(filepath.Join(dir, "generation.png"))
}

// page is the tables in Markdown.
func (m measurements) page(host []string) []byte {
	var b bytes.Buffer
	for _, h := range append(slices.Clone(host), genShape) {
		fmt.Fprintf(&b, "- %s\n", h)
	}
	m.speeds(&b)
	m.memory(&b)
	m.beside(&b)
	m.parts(&b)
	return b.Bytes()
}

// speeds is tokens in a second against the context.
func (m measurements) speeds(b *bytes.Buffer) {
	b.WriteString("\nTokens in a second, of all rows together:\n\n" +
		"| batch | context | S4 | S4D | Transformer | S4 / Transformer | S4D / Transformer | Transformer in PyTorch |\n|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, batch := range genBatches {
		for _, context := range genContexts {
			var v [3]float64
			var torch float64
			for i, model := range genModels {
				v[i], torch = m.tokens(genName(model, batch, context), batch)
			}
			if s4, s4d, t := v[0], v[1], v[2]; !math.IsNaN(s4) || !math.IsNaN(s4d) || !math.IsNaN(t) {
				fmt.Fprintf(b, "| %d | %d | %s | %s | %s | %s | %s | %s |\n", batch, context,
					number(s4, 0), number(s4d, 0), number(t, 0), number(s4/t, 1), number(s4d/t, 1), number(torch, 0))
			}
		}
	}
}

// memory is that of states and of processes against the context.
func (m measurements) memory(b *bytes.Buffer) {
	b.WriteString("\nMemory in MB, that of the state and the peak of the process:\n\n" +
		"| batch | context | state of S4 | of S4D | of the Transformer | process of S4 | of S4D | of the Transformer |\n|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, batch := range genBatches {
		for _, context := range genContexts {
			line := fmt.Sprintf("| %d | %d |", batch, context)
			known := false
			for _, of := range []struct {
				value    func(sample) float64
				decimals int
			}{{state, 2}, {peak, 0}} {
				for _, model := range genModels {
					v := m.of(genName(model, batch, context), of.value) / 1e6
					known = known || !math.IsNaN(v)
					line += " " + number(v, of.decimals) + " |"
				}
			}
			if known {
				b.WriteString(line + "\n")
			}
		}
	}
}

// beside is Go beside PyTorch.
func (m measurements) beside(b *bytes.Buffer) {
	b.WriteString("\nThe same models in PyTorch, S4 in two ways: its best way of those in bench/pytorch, and as the public code of S4 steps by default, " +
		"with dense matrices (H, N, N). The public code of S4D has the one way, by the diagonal:\n\n" +
		"| what | Go | PyTorch, its best way | its best way / Go | PyTorch, as the public code steps by default | public default / Go | fastest PyTorch |\n|---|--:|--:|--:|--:|--:|---|\n")
	for _, c := range generations() {
		if c.pyTorch == nil || strings.HasSuffix(c.name, asPublic) {
			continue
		}
		public := c.name + asPublic
		best, dense := summarise(c.name, m[c.name]), summarise(public, m[public])
		if len(m[c.name])+len(m[public]) > 0 {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", c.name, duration(best.goSeconds),
				duration(best.torch), number(best.torch/best.goSeconds, 1), duration(dense.torch), number(dense.torch/dense.goSeconds, 1), best.fastest)
		}
	}
}

// parts is where the time of a token goes.
func (m measurements) parts(b *bytes.Buffer) {
	order := []string{"embedding", "norm", "state", "mixing", "gate", "attention", "feed-forward", "head", "choice", "sampling"}
	fmt.Fprintf(b, "\nMicroseconds of a step by part, behind %d tokens; state is the recurrence with skip and activation, mixing its linear map, choice that of the likeliest token, sampling that of one at temperature 1 and top-p 0.95 on one processor:\n\n| model | batch |", partsContext)
	for _, name := range order {
		fmt.Fprintf(b, " %s |", name)
	}
	b.WriteString("\n|---|--:|" + string(bytes.Repeat([]byte("--:|"), len(order))) + "\n")
	for _, model := range genModels {
		for _, batch := range genBatches {
			name := partsName(model, batch, partsContext)
			if len(m[name]) == 0 {
				continue
			}
			fmt.Fprintf(b, "| %s | %d |", model.title, batch)
			for _, p := range order {
				fmt.Fprintf(b, " %s |", number(1e6*m.of(name, timeOf(p)), 1))
			}
			b.WriteString("\n")
		}
	}
}

// timeOf is the time of a part; NaN if a sample has none of that name.
func timeOf(name string) func(sample) float64 {
	return func(s sample) float64 {
		for _, p := range s.parts {
			if p.name == name {
				return p.seconds
			}
		}
		return math.NaN()
	}
}

// picture draws tokens in a second, and memory, against the context, a column for
// each batch.
func (m measurements) picture(path string) error {
	var speed, memory []figure.Panel
	for _, batch := range genBatches {
		name := func(model genModel, context int) string { return genName(model, batch, context) }
		speed = append(speed, logLog("batch "+strconv.Itoa(batch), "context", "tokens/s", m.lines(name, func(name string) float64 {
			ours, _ := m.tokens(name, batch)
			return ours
		})))
		memory = append(memory, logLog("batch "+strconv.Itoa(batch), "context", "peak memory of the process, MB", m.lines(name, func(name string) float64 {
			return m.of(name, peak) / 1e6
		})))
	}
	return figure.Save(path, speed, memory)
}

// series is a line of a plot.
type series struct {
	title  string
	x, y   []float64
	colour color.Color
	dashed bool
}

// lines returns a value of every model against the context.
func (m measurements) lines(name func(genModel, int) string, value func(name string) float64) []series {
	colours := figure.Series(len(genModels))
	var all []series
	for i, model := range genModels {
		s := series{title: model.title, colour: colours[i]}
		for _, context := range genContexts {
			if v := value(name(model, context)); v > 0 {
				s.x, s.y = append(s.x, float64(context)), append(s.y, v)
			}
		}
		all = append(all, s)
	}
	return all
}

// logLog is lines on logarithmic axes.
func logLog(title, x, y string, lines []series) figure.Panel {
	p, drawn := newPanel(title, x, y, lines)
	if !drawn {
		return figure.Message(title, "not measured")
	}
	figure.Decades(&p.X)
	figure.Decades(&p.Y)
	return p
}

// newPanel is lines with a legend; drawn is false if there is nothing on them.
func newPanel(title, x, y string, lines []series) (p *plot.Plot, drawn bool) {
	p = figure.NewPlot(title, x, y)
	figure.AddGrid(p)
	p.Legend.Top = true
	for _, s := range lines {
		if len(s.x) == 0 {
			continue
		}
		l := figure.Line(s.x, s.y, s.colour, 1.6)
		if s.dashed {
			l.Dashes = []vg.Length{4, 3}
		}
		p.Add(l)
		p.Legend.Add(s.title, l)
		drawn = true
	}
	return p, drawn
}
