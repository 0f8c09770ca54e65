package train

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/gorgonia-s4/s4/internal/strictjson"
)

// maxMetricsLine is the largest length of a line that ReadMetrics reads, in bytes.
const maxMetricsLine = 1 << 20

// ReadMetrics calls f with every line of what a [MetricsFile] wrote, in order, and
// holds no more than one. Behind the last line end there may be a part of a line,
// where the run was killed, or is not finished yet: it is left out. The error
// names the line, or is that of f.
func ReadMetrics(r io.Reader, f func(MetricsLine) error) error {
	br := bufio.NewReaderSize(r, maxMetricsLine)
	for n := 1; ; n++ {
		text, err := br.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("line %d: want at most %d bytes, got more", n, maxMetricsLine)
		case err != nil:
			return err
		}
		line, err := parseMetrics(text)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := f(line); err != nil {
			return err
		}
	}
}

// parseMetrics reads a line.
func parseMetrics(text []byte) (MetricsLine, error) {
	var l MetricsLine
	if err := strictjson.Decode(text, &l); err != nil {
		return l, err
	}
	switch {
	case l.Step < 1 || l.Sequences < 0 || l.Epoch < 0 || l.Seconds < 0 || l.Elapsed < 0:
		return l, fmt.Errorf("want a step from 1 and sequences, epoch and times >= 0, got %d, %d, %g, %g and %g", l.Step, l.Sequences, l.Epoch, l.Seconds, l.Elapsed)
	case l.Kind == StepLine && l.Batch != nil && l.GradNorm != nil:
	case l.Kind == EvalLine && l.Train != nil && l.Val != nil:
	case l.Kind != StepLine && l.Kind != EvalLine:
		return l, fmt.Errorf("want kind %q or %q, got %q", StepLine, EvalLine, l.Kind)
	default:
		return l, fmt.Errorf("want batch and grad_norm of a step, train and val of an evaluation, got a line of kind %q without", l.Kind)
	}
	return l, nil
}
