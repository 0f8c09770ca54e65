package series

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// hourly returns a file of n hours with columns a (the number of the row), b (its
// square) and c (1, 2, 1, 2, ...).
func hourly(n int) string {
	var b strings.Builder
	b.WriteString("date,a,b,c\n")
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		fmt.Fprintf(&b, "%s,%d,%d,%d\n", at.Add(time.Duration(i)*hour).Format("2006-01-02 15:04:05"), i, i*i, 1+i%2)
	}
	return b.String()
}

func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustLoad(t testing.TB, path string, cfg Config, room data.Room) *Data {
	t.Helper()
	d, err := Load(context.Background(), path, cfg, room)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// window is what a data set gives.
type window struct{ x, target, weights []float32 }

func example(t testing.TB, d *Dataset, i int) window {
	t.Helper()
	b := task.NewBatch(d)
	if err := b.Load([]int{i}, 1, d.Length(i)); err != nil {
		t.Fatal(err)
	}
	x, err1 := b.Array(task.X)
	y, err2 := b.Array(task.Target)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	w := window{x.Float32s, y.Float32s, nil}
	if weights, err := b.Array(task.Weights); err == nil {
		w.weights = weights.Float32s
	}
	return w
}

func TestWindows(t *testing.T) {
	path := file(t, "a.csv", hourly(100))
	cfg := Config{Lookback: 5, Horizon: 3, Stride: 4, Targets: []string{"b"}}
	d := mustLoad(t, path, cfg, data.Room{})
	if !slices.Equal(d.Encoding.Columns, []string{"b", "a", "c"}) || d.Encoding.Targets != 1 || d.Encoding.Width() != 3 {
		t.Fatalf("encoding %+v", d.Encoding)
	}
	// 70, 10 and 20 steps; those of validation and test begin 5 before.
	if got := [3]int{d.Train.Len(), d.Val.Len(), d.Test.Len()}; got != [3]int{16, 8, 18} {
		t.Errorf("%d windows, want 16, 8 and 18", got)
	}
	for part, first := range map[*Dataset]int{d.Train: 0, d.Val: 65, d.Test: 75} {
		for i := range part.Len() {
			begin := first + i
			if part == d.Train {
				begin = 4 * i
			}
			w := example(t, part, i)
			for j := range 8 {
				row := begin + j
				values := []float64{float64(row * row), float64(row), float64(1 + row%2)}
				if j >= 5 {
					if got := d.Encoding.Number(float64(w.target[j-5]), 0); math.Abs(got-values[0]) > 1e-2 {
						t.Fatalf("window from %d: target %d is %v, want %v", begin, j-5, got, values[0])
					}
					continue
				}
				for c, v := range values {
					if got := d.Encoding.Number(float64(w.x[3*j+c]), c); math.Abs(got-v) > 1e-2 {
						t.Fatalf("window from %d: step %d of column %d is %v, want %v", begin, j, c, got, v)
					}
				}
			}
			if want := fmt.Sprintf("a.csv: steps from %s on", stamp(d.Series.Time(begin))); !strings.HasSuffix(part.Origin(i), want) {
				t.Errorf("origin %q, want %q", part.Origin(i), want)
			}
		}
	}
	if last := example(t, d.Test, d.Test.Len()-1); math.Abs(d.Encoding.Number(float64(last.target[2]), 0)-99*99) > 1e-2 {
		t.Errorf("the last number is %v, want that of the last row", d.Encoding.Number(float64(last.target[2]), 0))
	}
	// Standardised by the first 70 steps: of a, 0 to 69.
	if m, dev := d.Encoding.Mean[1], d.Encoding.Dev[1]; math.Abs(m-34.5) > 1e-12 || math.Abs(dev-math.Sqrt((70*70-1)/12.)) > 1e-12 {
		t.Errorf("mean %v and deviation %v", m, dev)
	}
	limited := mustLoad(t, path, cfg, data.Room{Limit: 2})
	if limited.Train.Len() != 2 || !reflect.DeepEqual(example(t, limited.Test, 1), example(t, d.Test, 1)) {
		t.Errorf("limited: %d windows", limited.Train.Len())
	}
}

func TestMonths(t *testing.T) {
	cfg := Config{Lookback: 24, Horizon: 24, Months: [3]int{1, 1, 1}, EvalStride: 24}
	d := mustLoad(t, file(t, "a.csv", hourly(3*720+5)), cfg, data.Room{})
	if got := [3]int{d.Train.Len(), d.Val.Len(), d.Test.Len()}; got != [3]int{720 - 47, 30, 30} {
		t.Errorf("%d windows", got)
	}
	if !slices.Equal(d.Notes, []string{"5 steps behind the [1 1 1] months of 30 days are not used"}) {
		t.Errorf("notes %q", d.Notes)
	}
	if _, err := Load(context.Background(), file(t, "b.csv", hourly(3*720-1)), cfg, data.Room{}); !errors.Is(err, errShort) {
		t.Errorf("got error %v", err)
	}
}

// Every file of a series is read, whatever it is in.
func TestForms(t *testing.T) {
	cfg := Config{Lookback: 5, Horizon: 3}
	path := file(t, "a.csv", hourly(100))
	want := mustLoad(t, path, cfg, data.Room{}).Series
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(hourly(100))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{filepath.Dir(path), file(t, "a.csv.gz", b.String())} {
		if got := mustLoad(t, p, cfg, data.Room{}); !reflect.DeepEqual(got.Series, want) {
			t.Errorf("%s: another series", p)
		}
	}
	if got, err := Cut(want, "memory", cfg, data.Room{}); err != nil || got.Train.Len() != 63 || got.Test.Origin(0) != "memory: steps from 2020-01-04T03:00:00Z on" {
		t.Errorf("of memory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "b.csv"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, p := range map[string]string{
		"b.csv: want one file *.csv, *.tsv or *.txt, got this beside ": filepath.Dir(path),
		"want a file *.csv, *.tsv or *.txt, got none":                  t.TempDir(),
		"cut.csv.gz: unexpected EOF":                                   file(t, "cut.csv.gz", b.String()[:b.Len()-20]),
		"bad.csv:2: column 1: want a finite number":                    file(t, "bad.csv", "a\nx\n"),
		"short.csv: train: want at least 8 steps":                      file(t, "short.csv", hourly(10)),
	} {
		if _, err := Load(context.Background(), p, cfg, data.Room{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if _, err := Cut(want, "memory", Config{Targets: []string{"c"}}, data.Room{}); err == nil || !strings.Contains(err.Error(), "to be the first columns") {
		t.Errorf("got error %v", err)
	}
	if _, err := Cut(&Series{}, "memory", cfg, data.Room{}); err == nil {
		t.Error("no series: got no error")
	}
}

// What is missing is the mean, a feature says so, and it has no weight.
func TestMask(t *testing.T) {
	text := "a,b\n"
	for i := range 40 {
		b := fmt.Sprint(i % 3)
		if i%5 == 3 {
			b = "NA"
		}
		text += fmt.Sprintf("%d,%s\n", i, b)
	}
	d := mustLoad(t, file(t, "a.csv", text), Config{Lookback: 4, Horizon: 2, Missing: MissingMask, Time: NoTime}, data.Room{})
	if d.Encoding.Width() != 4 || len(d.Train.Fields()) != 3 || len(d.Notes) != 1 {
		t.Fatalf("width %d, fields %v, notes %q", d.Encoding.Width(), d.Train.Fields(), d.Notes)
	}
	for i := range d.Train.Len() {
		w := example(t, d.Train, i)
		for j := range 6 {
			there := float32(1)
			if (i+j)%5 == 3 {
				there = 0
			}
			if j < 4 {
				if w.x[4*j+2] != 1 || w.x[4*j+3] != there || there == 0 && w.x[4*j+1] != 0 {
					t.Fatalf("window %d: step %d is %v", i, j, w.x[4*j:4*j+4])
				}
				continue
			}
			if k := 2 * (j - 4); w.weights[k] != 1 || w.weights[k+1] != there || there == 0 && w.target[k+1] != 0 {
				t.Fatalf("window %d: targets %v of weights %v", i, w.target, w.weights)
			}
		}
	}
	plain := mustLoad(t, file(t, "b.csv", hourly(100)), Config{Lookback: 4, Horizon: 2}, data.Room{})
	if w := example(t, plain.Train, 0); w.weights != nil || len(plain.Train.Fields()) != 2 {
		t.Error("without a mask: want no weights")
	}
}

func TestTimeFeatures(t *testing.T) {
	d := mustLoad(t, file(t, "a.csv", hourly(1000)), Config{Lookback: 700 - 96, TimeFeatures: true}, data.Room{})
	w := example(t, d.Train, 0)
	n := d.Encoding.Width()
	if n != 3+4 {
		t.Fatalf("width %d", n)
	}
	for i, want := range map[int][]float32{ // 2020-01-01 is a Wednesday
		0:        {-0.5, 2./6 - 0.5, -0.5, -0.5},
		23:       {0.5, 2./6 - 0.5, -0.5, -0.5},
		24*4 + 6: {6./23 - 0.5, 0.5, 4./30 - 0.5, 4./365 - 0.5},
	} {
		for j, v := range want {
			if got := w.x[i*n+3+j]; math.Abs(float64(got-v)) > 1e-6 {
				t.Errorf("step %d: %v, want %v", i, w.x[i*n+3:i*n+n], want)
				break
			}
		}
	}
}

// The encoding cuts the last window as the data set does, whatever order the columns
// are in.
func TestWindow(t *testing.T) {
	for _, cfg := range []Config{{Lookback: 5, Horizon: 3, Targets: []string{"b"}}, {Lookback: 5, Horizon: 3, TimeFeatures: true, Missing: MissingMask}} {
		text := hourly(100)
		d := mustLoad(t, file(t, "a.csv", text), cfg, data.Room{})
		b, err := json.Marshal(d.Encoding)
		if err != nil {
			t.Fatal(err)
		}
		var e Encoding
		if err := json.Unmarshal(b, &e); err != nil || !reflect.DeepEqual(e, d.Encoding) {
			t.Fatalf("%s: got back %+v, %v, want %+v", b, e, err, d.Encoding)
		}
		lines := strings.SplitAfter(text, "\n")
		s, err := readText(strings.Join(lines[:98], ""), Config{Columns: []string{"c", "b", "a"}, Missing: cfg.Missing}) // without the last 3 rows
		if err != nil {
			t.Fatal(err)
		}
		x, err := e.Window(s)
		if want := example(t, d.Test, d.Test.Len()-1).x; err != nil || !slices.Equal(x, want) {
			t.Errorf("got %v, %v, want %v", x, err, want)
		}
		for want, damage := range map[string]func(e *Encoding, s *Series){
			"want steps of 1h0m0s, as in training, got 1mo": func(_ *Encoding, s *Series) { s.Step = Step{Months: 1} },
			"want at least 5 steps to look back at, got 4":  func(_ *Encoding, s *Series) { s.Values = s.Values[:12] },
			`want a column "c", as in training`:             func(_ *Encoding, s *Series) { s.Columns = []string{"x", "b", "a"} },
			"Encoding.Columns: want 1 to":                   func(e *Encoding, _ *Series) { e.Columns = nil },
			"Encoding.Targets: want 1 to 3, got 4":          func(e *Encoding, _ *Series) { e.Targets = 4 },
			"want Lookback and Horizon in":                  func(e *Encoding, _ *Series) { e.Horizon = 0 },
			"Encoding.Step: want a step of time":            func(e *Encoding, _ *Series) { e.Step.Months = -1 },
			"want 3 means and deviations":                   func(e *Encoding, _ *Series) { e.Dev = nil },
			"want a finite mean and a deviation > 0":        func(e *Encoding, _ *Series) { e.Dev = []float64{1, 0, 1} },
		} {
			e, o := e, *s
			damage(&e, &o)
			if _, err := e.Window(&o); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want %q", err, want)
			}
		}
	}
}

// Another series is standardised as that of the training was.
func TestAs(t *testing.T) {
	cfg := Config{Lookback: 5, Horizon: 3}
	d := mustLoad(t, file(t, "a.csv", hourly(100)), cfg, data.Room{})
	other := mustLoad(t, file(t, "b.csv", hourly(200)), cfg, data.Room{})
	as, err := other.As(d.Encoding)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := example(t, as.Train, 7), example(t, d.Train, 7); !reflect.DeepEqual(got, want) || reflect.DeepEqual(example(t, other.Train, 7), want) {
		t.Errorf("got %v, want %v", got, want)
	}
	e := d.Encoding
	e.Horizon = 4
	if _, err := other.As(e); err == nil || !strings.Contains(err.Error(), "want windows as those of the training") {
		t.Errorf("got error %v", err)
	}
	e = d.Encoding
	e.Dev = []float64{1, 1e-300, 1}
	if _, err := other.As(e); err == nil || !strings.Contains(err.Error(), `column "b" of step 0: want a number that is less than`) {
		t.Errorf("got error %v", err)
	}
	if _, err := d.As(Encoding{}); err == nil {
		t.Error("no encoding: got no error")
	}
}

// Persistence is off by the horizon on a line, and a season of two steps is exact
// where two numbers alternate.
func TestNaive(t *testing.T) {
	d := mustLoad(t, file(t, "a.csv", hourly(100)), Config{Lookback: 5, Horizon: 3, Columns: []string{"a"}}, data.Room{})
	dev := d.Encoding.Dev[0]
	for season, want := range map[int][2]float64{1: {(1. + 4 + 9) / 3, 2}, 2: {(4. + 4 + 16) / 3, 8. / 3}} {
		mse, mae, err := d.Test.Naive(context.Background(), season)
		if err != nil || math.Abs(mse*dev*dev-want[0]) > 1e-4 || math.Abs(mae*dev-want[1]) > 1e-4 {
			t.Errorf("season %d: %v and %v, %v, want %v", season, mse*dev*dev, mae*dev, err, want)
		}
	}
	d = mustLoad(t, file(t, "a.csv", hourly(100)), Config{Lookback: 5, Horizon: 3, Columns: []string{"c"}}, data.Room{})
	if mse, mae, err := d.Test.Naive(context.Background(), 2); mse != 0 || mae != 0 || err != nil {
		t.Errorf("alternating: %v, %v, %v", mse, mae, err)
	}
	if mse, _, err := d.Train.Naive(context.Background(), 1000); err != nil || !math.IsNaN(mse) {
		t.Errorf("a season that is nowhere known: %v, %v", mse, err)
	}
	if _, _, err := d.Train.Naive(context.Background(), 0); err == nil {
		t.Error("season 0: got no error")
	}
}

func TestConfigErrors(t *testing.T) {
	for want, c := range map[string]Config{
		`Config.Header: want "yes", "no" or none`: {Header: "x"},
		`Config.Missing: want "error", "forward"`: {Missing: "x"},
		`Config.Uneven: want "error", "last"`:     {Uneven: "x"},
		"Config.Lookback: want 1 to":              {Lookback: -1},
		"Config.Horizon: want 1 to":               {Horizon: maxSteps + 1},
		"Config.Stride: want 1 to":                {Stride: -1},
		"Config.EvalStride: want 1 to":            {EvalStride: -1},
		"Config.Time: want a column for":          {Time: NoTime, TimeFeatures: true},
		"Config.Shares: want three numbers":       {Shares: [3]float64{0.5, 0.5, 0}},
		"Config.Shares: want a sum":               {Shares: [3]float64{0.5, 0.5, 0.5}},
		"Config.Months: want three numbers":       {Months: [3]int{1, 0, 1}},
		"Config.Columns[1]: want another name":    {Columns: []string{"a", "a"}},
		"Config.Step: want 1 to 12000 months":     {Step: "0mo"},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	for _, c := range []Config{{}, ETT(), Electricity()} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// The papers' sizes: 8640 steps of training are 12 months of 30 days of hours.
func TestPublishedSplits(t *testing.T) {
	s := &Series{Columns: []string{"OT"}, Step: Step{Duration: hour}, Values: make([]float64, 17420)}
	if got, err := split(ETT().withDefaults(), s); err != nil || got != [3]int{8640, 2880, 2880} {
		t.Errorf("ETTh1: %d, %v", got, err)
	}
	s.Step, s.Values = Step{Duration: hour / 4}, make([]float64, 69680)
	if got, err := split(ETT().withDefaults(), s); err != nil || got != [3]int{34560, 11520, 11520} {
		t.Errorf("ETTm1: %d, %v", got, err)
	}
	s.Values = make([]float64, 26304)
	if got, err := split(Electricity().withDefaults(), s); err != nil || got != [3]int{18412, 2632, 5260} {
		t.Errorf("electricity: %d, %v", got, err)
	}
}
