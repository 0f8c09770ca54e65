package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/internal/cpu"
)

// goSetting is the setting of the samples of this module.
const goSetting = "Go"

// sample is one measurement: the mean of the runs of one process.
type sample struct {
	benchmark string
	setting   string // goSetting, or the name of one of PyTorch's
	round     int
	seconds   float64
	peak      float64 // of resident memory, bytes; NaN if unknown
	start     float64 // of it, resident before the benchmark was built
	params    int     // of the model; 0 if unknown
	garbage   float64 // bytes allocated in one run, Go only
	state     float64 // bytes of the state of a language model, Go only
	parts     []part  // of a run, Go only
}

// part is the time of a part of a run.
type part struct {
	name    string
	seconds float64
}

func (s sample) String() string { return s.setting + ": " + duration(s.seconds) }

// median returns the median, NaN of nothing.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	switch n := len(v); {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return v[n/2]
	default:
		return (v[n/2-1] + v[n/2]) / 2
	}
}

// What can be asked of a sample.
func seconds(s sample) float64 { return s.seconds }
func peak(s sample) float64    { return s.peak }
func start(s sample) float64   { return s.start }
func garbage(s sample) float64 { return s.garbage }
func state(s sample) float64   { return s.state }

// medianOf is the median of a value over the samples of a setting.
func medianOf(all []sample, setting string, value func(sample) float64) float64 {
	var v []float64
	for _, s := range all {
		if s.setting == setting {
			v = append(v, value(s))
		}
	}
	return median(v)
}

// pyTorchSettings returns PyTorch's settings in the samples.
func pyTorchSettings(all []sample) []string {
	var names []string
	for _, s := range all {
		if s.setting != goSetting && !slices.Contains(names, s.setting) {
			names = append(names, s.setting)
		}
	}
	return names
}

// lowest returns PyTorch's setting with the lowest median of a value.
func lowest(all []sample, value func(sample) float64) string {
	best := ""
	for _, name := range pyTorchSettings(all) {
		if best == "" || medianOf(all, name, value) < medianOf(all, best, value) {
			best = name
		}
	}
	return best
}

// row is a line of the table.
type row struct {
	name                          string
	goSeconds, torch              float64 // seconds; NaN where there are none
	goPeak, torchPeak, torchStart float64 // bytes
	garbage                       float64 // bytes
	fastest                       string  // of PyTorch's settings
}

// summarise condenses the samples of one benchmark: medians, and of PyTorch
// the fastest setting for the time and the smallest for the memory.
func summarise(name string, all []sample) row {
	fastest, smallest := lowest(all, seconds), lowest(all, peak)
	return row{
		name:       name,
		goSeconds:  medianOf(all, goSetting, seconds),
		goPeak:     medianOf(all, goSetting, peak),
		garbage:    medianOf(all, goSetting, garbage),
		torch:      medianOf(all, fastest, seconds),
		torchPeak:  medianOf(all, smallest, peak),
		torchStart: medianOf(all, smallest, start),
		fastest:    fastest,
	}
}

// table writes the table in Markdown.
func table(host []string, cs []benchmark, all []sample) []byte {
	var b bytes.Buffer
	for _, h := range host {
		fmt.Fprintf(&b, "- %s\n", h)
	}
	b.WriteString(`
| benchmark | Go | PyTorch | PyTorch / Go | peak MB, Go | peak MB, PyTorch | of it at start | PyTorch / Go | garbage kB, Go | fastest PyTorch |
|---|--:|--:|--:|--:|--:|--:|--:|--:|---|
`)
	for _, c := range cs {
		var of []sample
		for _, s := range all {
			if s.benchmark == c.name {
				of = append(of, s)
			}
		}
		r := summarise(c.name, of)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.name,
			duration(r.goSeconds), duration(r.torch), number(r.torch/r.goSeconds, 1),
			number(r.goPeak/1e6, 0), number(r.torchPeak/1e6, 0), number(r.torchStart/1e6, 0), number(r.torchPeak/r.goPeak, 1),
			number(r.garbage/1e3, 1), r.fastest)
	}
	return b.Bytes()
}

// duration prints seconds with three digits; a dash if there are none.
func duration(s float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}} {
		if s >= u.size {
			return strconv.FormatFloat(s/u.size, 'g', 3, 64) + " " + u.name
		}
	}
	if math.IsNaN(s) {
		return "-"
	}
	return number(s*1e9, 0) + " ns"
}

// number prints v with some decimals; a dash if it is not a number.
func number(v float64, decimals int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// samplesCSV lists every measurement.
func samplesCSV(all []sample) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	records := [][]string{{"benchmark", "setting", "round", "seconds", "peak_bytes", "start_bytes", "params", "garbage_bytes", "state_bytes"}}
	g := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for _, s := range all {
		records = append(records, []string{
			s.benchmark, s.setting, strconv.Itoa(s.round), g(s.seconds), g(s.peak), g(s.start), strconv.Itoa(s.params), g(s.garbage), g(s.state),
		})
	}
	err := w.WriteAll(records)
	return b.Bytes(), err
}

// write puts the results in a folder and prints the table.
func write(dir string, host []string, cs []benchmark, all []sample) error {
	samples, err := samplesCSV(all)
	if err != nil {
		return err
	}
	t := table(host, cs, all)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return save(dir, "samples.csv", samples, "table.md", t)
}

// save writes samples and a table to files of a folder and prints the table.
func save(dir, samplesFile string, samples []byte, tableFile string, table []byte) error {
	if err := os.WriteFile(filepath.Join(dir, samplesFile), samples, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, tableFile), table, 0o644); err != nil {
		return err
	}
	_, err := os.Stdout.Write(table)
	return err
}

// describeHost says where and how this is measured.
func describeHost(o options) []string {
	return []string{
		fmt.Sprintf("%s, %d processors, load %s at the start", cpu.Model(), runtime.NumCPU(), load()),
		fmt.Sprintf("%s %s/%s, GOMAXPROCS %d", runtime.Version(), runtime.GOOS, runtime.GOARCH, o.threads),
		fmt.Sprintf("medians of %d rounds of %v", o.rounds, o.time),
	}
}

// load returns the load average of the last minute, where the system tells it.
func load() string {
	l, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(l), " ")
	return first
}
