package train

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

const (
	goodStep = `{"kind":"step","step":1,"epoch":0.5,"batch":{"loss":2,"accuracy":0.25,"count":8},"grad_norm":0.5,"sequences":8,"lr":0.01,"seconds":0.1,"elapsed":0.2}` + "\n"
	goodEval = `{"kind":"eval","step":1,"epoch":0.5,"train":{"loss":2,"count":8},"val":{"loss":"NaN","count":9},"lr":0.01,"seconds":0.1,"elapsed":0.3}` + "\n"
)

// collect reads all lines.
func collect(text string) (lines []MetricsLine, err error) {
	err = ReadMetrics(strings.NewReader(text), func(l MetricsLine) error {
		lines = append(lines, l)
		return nil
	})
	return lines, err
}

func TestReadMetrics(t *testing.T) {
	lines, err := collect(goodStep + goodEval + goodStep[:40])
	if err != nil || len(lines) != 2 {
		t.Fatalf("got %d lines, error %v", len(lines), err)
	}
	if l := lines[0]; l.Kind != StepLine || l.Batch.Value("accuracy") != 0.25 || *l.GradNorm != 0.5 || l.Sequences != 8 {
		t.Errorf("step: got %+v", l)
	}
	if l := lines[1]; l.Kind != EvalLine || l.Train.Loss != 2 || !math.IsNaN(l.Val.Loss) {
		t.Errorf("evaluation: got %+v", l)
	}
	stop := errors.New("stop")
	if err := ReadMetrics(strings.NewReader(goodStep), func(MetricsLine) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got error %v, want that of f", err)
	}
}

func TestReadMetricsErrors(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"not JSON", "step 1\n", "invalid character"},
		{"an empty line", "\n", "truncated after 1 bytes"},
		{"another kind", strings.Replace(goodStep, `"step"`, `"test"`, 1), `want kind "step" or "eval", got "test"`},
		{"step 0", strings.Replace(goodStep, `"step":1`, `"step":0`, 1), "want a step from 1"},
		{"a time before the beginning", strings.Replace(goodStep, `"elapsed":0.2`, `"elapsed":-1`, 1), "want a step from 1"},
		{"no metrics", `{"kind":"step","step":1,"grad_norm":1,"lr":1}` + "\n", "want batch and grad_norm"},
		{"an evaluation without data", `{"kind":"eval","step":1,"lr":1}` + "\n", "want batch and grad_norm of a step, train and val"},
		{"an unknown field", `{"kind":"step","loss":1}` + "\n", "unknown field"},
		{"a line without end", strings.Repeat(" ", maxMetricsLine+1), "want at most 1048576 bytes"},
	} {
		lines, err := collect(goodStep + c.line + goodEval)
		if err == nil || !strings.Contains(err.Error(), "line 2: ") || !strings.Contains(err.Error(), c.want) || len(lines) != 1 {
			t.Errorf("%s: got %d lines and error %v, want 1 and %q", c.name, len(lines), err, c.want)
		}
	}
}

func FuzzReadMetrics(f *testing.F) {
	for _, seed := range []string{"", goodStep, goodEval, goodStep + goodEval[:30], "{}\n", "null\n", `{"kind":"step","step":1,"batch":null,"grad_norm":null}` + "\n", `{"kind":"eval","step":1,"train":{"loss":"x"},"val":{}}` + "\n", "\xff\n", "[[[[\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		err := ReadMetrics(bytes.NewReader(text), func(l MetricsLine) error {
			n++
			if l.Kind == StepLine && (l.Batch == nil || l.GradNorm == nil) || l.Kind == EvalLine && (l.Train == nil || l.Val == nil) || l.Step < 1 {
				t.Errorf("got line %+v", l)
			}
			return nil
		})
		if err == nil && n != bytes.Count(text, []byte("\n")) {
			t.Errorf("got %d lines of %d", n, bytes.Count(text, []byte("\n")))
		}
		if errors.Is(err, io.EOF) {
			t.Error("the end of the text is no error")
		}
	})
}
