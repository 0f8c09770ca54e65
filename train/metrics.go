package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/gorgonia-s4/s4/task"
)

// Loss is the name of the loss among the metrics, which is always there.
const Loss = "loss"

// countName is the name of the number of targets in files.
const countName = "count"

// Metrics are the loss and the values of a run's metrics over some batches.
// JSON has them as one object.
type Metrics struct {
	// Loss is the mean over Count targets.
	Loss  float64
	Count float64
	// Scores are the values of the metrics, in the order the trainer was given
	// them.
	Scores []Score
}

// Score is the value of a metric.
type Score struct {
	Name  string
	Value float64
}

// Value returns the loss or a score by name; NaN if there is none.
func (m Metrics) Value(name string) float64 {
	if name == Loss {
		return m.Loss
	}
	for _, s := range m.Scores {
		if s.Name == name {
			return s.Value
		}
	}
	return math.NaN()
}

// MarshalJSON implements json.Marshaler. Numbers that JSON has not are text.
func (m Metrics) MarshalJSON() ([]byte, error) {
	b := appendNumber([]byte(`{"loss":`), m.Loss)
	for _, s := range m.Scores {
		name, err := json.Marshal(s.Name)
		if err != nil {
			return nil, err
		}
		b = appendNumber(append(append(append(b, ','), name...), ':'), s.Value)
	}
	return append(appendNumber(append(b, `,"count":`...), m.Count), '}'), nil
}

func appendNumber(b []byte, v float64) []byte {
	text, err := json.Marshal(v)
	if err != nil { // a NaN or an infinity
		return strconv.AppendQuote(b, strconv.FormatFloat(v, 'g', -1, 64))
	}
	return append(b, text...)
}

// anyNumber is a float64 that is text in JSON if that has it not.
type anyNumber float64

func (n anyNumber) MarshalJSON() ([]byte, error) { return appendNumber(nil, float64(n)), nil }

func (n *anyNumber) UnmarshalJSON(text []byte) error {
	t, err := json.NewDecoder(bytes.NewReader(text)).Token()
	if err != nil {
		return err
	}
	v, err := numberOf(t)
	*n = anyNumber(v)
	return err
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Metrics) UnmarshalJSON(text []byte) error {
	*m = Metrics{}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("want metrics, got %s", text)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		t, err := d.Token()
		if err != nil {
			return err
		}
		v, err := numberOf(t)
		if err != nil {
			return fmt.Errorf("%v: %w", name, err)
		}
		switch name {
		case Loss:
			m.Loss = v
		case countName:
			m.Count = v
		default:
			m.Scores = append(m.Scores, Score{fmt.Sprint(name), v})
		}
	}
	return nil
}

func numberOf(t json.Token) (float64, error) {
	switch v := t.(type) {
	case float64:
		return v, nil
	case string:
		return strconv.ParseFloat(v, 64)
	}
	return 0, fmt.Errorf("want a number, got %v", t)
}

// Tally is a loss summed up over targets: it is how a checkpoint stores a mean
// that is not finished.
type Tally struct {
	Loss  float64 `json:"loss"`  // summed over the targets
	Count float64 `json:"count"` // targets
}

// meter measures batches.
type meter struct {
	Tally
	metrics []Metric
}

// newMeter returns a meter of the given kinds that has counted nothing.
func newMeter(kinds []Metric) *meter {
	m := &meter{metrics: make([]Metric, len(kinds))}
	for i, k := range kinds {
		m.metrics[i] = k.New()
	}
	return m
}

// add counts a batch too.
func (m *meter) add(out *task.Outputs, b *task.Batch) error {
	for _, k := range m.metrics {
		if err := guarded(func() error { return k.Add(out, b) }); err != nil {
			return fmt.Errorf("metric %q: %w", k.Name(), err)
		}
	}
	if out.Count > 0 {
		m.Loss += out.Loss * out.Count
	}
	m.Count += out.Count
	return nil
}

// merge counts also what other has.
func (m *meter) merge(other *meter) error {
	for i, k := range m.metrics {
		if err := k.Merge(other.metrics[i].State()); err != nil {
			return fmt.Errorf("metric %q: %w", k.Name(), err)
		}
	}
	m.Loss += other.Loss
	m.Count += other.Count
	return nil
}

// read returns the values; a loss over no targets is 0.
func (m *meter) read() Metrics {
	r := Metrics{Count: m.Count}
	if m.Count > 0 {
		r.Loss = m.Loss / m.Count
	}
	for _, k := range m.metrics {
		r.Scores = append(r.Scores, Score{k.Name(), k.Value()})
	}
	return r
}

// monitor is the metric that decides which of two evaluations is better.
type monitor struct {
	name   string
	better func(a, b float64) bool
}

// newMonitor returns the one called name; "" means the first metric, or the loss
// if there is none.
func newMonitor(name string, metrics []Metric) (monitor, error) {
	names := []string{Loss}
	for _, m := range metrics {
		if name == m.Name() || name == "" {
			return monitor{m.Name(), m.Better}, nil
		}
		names = append(names, m.Name())
	}
	if name == Loss || name == "" {
		return monitor{Loss, Lower}, nil
	}
	return monitor{}, fmt.Errorf("want Monitor one of %q, got %q", names, name)
}

// prefers reports whether a beats b. A NaN beats nothing, and any number beats a
// NaN.
func (m monitor) prefers(a, b Metrics) bool {
	x, y := a.Value(m.name), b.Value(m.name)
	return !math.IsNaN(x) && (math.IsNaN(y) || m.better(x, y))
}

// checkMetrics reports metrics that a run cannot have.
func checkMetrics(metrics []Metric) error {
	seen := map[string]bool{Loss: true, countName: true}
	for _, m := range metrics {
		switch {
		case m == nil:
			return errors.New("want a metric, got nil")
		case m.New() == nil:
			return fmt.Errorf("metric %q: want its New to return a metric, got nil", m.Name())
		case m.Name() == "" || seen[m.Name()]:
			return fmt.Errorf("metric %q: want a name of its own, which %q and %q are not", m.Name(), Loss, countName)
		}
		seen[m.Name()] = true
	}
	return nil
}
