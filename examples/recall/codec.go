package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
)

// tokenCodec reads lines of tokens, numbers with spaces between them, at the last of
// which the answers are told. They can follow behind an equals sign:
//
//	0 0 5 0 3 0 15 15 = 5 3
type tokenCodec struct {
	Vocabulary int `json:"vocabulary"`
	Answers    int `json:"answers"`
}

// Read implements experiment.Codec.
func (c *tokenCodec) Read(r io.Reader, name string, f func(experiment.Example) error) error {
	return eachLine(r, name, func(origin, line string) error {
		text, answers, told := strings.Cut(line, "=")
		e := experiment.Example{Origin: origin, Target: task.Ignore}
		var err error
		if e.Tokens, err = each(text, strconv.Atoi); err == nil && told {
			e.Answers, err = each(answers, strconv.Atoi)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", origin, err)
		}
		return f(e)
	})
}

// Classes implements experiment.Codec: there are none.
func (*tokenCodec) Classes() []string { return nil }

// Show implements experiment.Codec.
func (*tokenCodec) Show(e experiment.Example) report.Picture {
	p := report.Picture{Kind: report.Text}
	for _, id := range e.Tokens {
		p.Pieces = append(p.Pieces, fmt.Sprint(id, " "))
	}
	return p
}

// addingCodec reads lines of numbers, of which those with a star behind them are marked:
//
//	0.25 0.5* 0.125 0.75*
type addingCodec struct{}

// Read implements experiment.Codec.
func (*addingCodec) Read(r io.Reader, name string, f func(experiment.Example) error) error {
	return eachLine(r, name, func(origin, line string) error {
		e := experiment.Example{Origin: origin, Target: task.Ignore}
		_, err := each(line, func(word string) (float64, error) {
			text, marked := strings.CutSuffix(word, "*")
			v, err := strconv.ParseFloat(text, 32)
			mark := float32(0)
			if marked {
				mark = 1
			}
			e.Features = append(e.Features, float32(v), mark)
			return v, err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", origin, err)
		}
		return f(e)
	})
}

// Classes implements experiment.Codec: there are none.
func (*addingCodec) Classes() []string { return nil }

// Show implements experiment.Codec: the numbers, and those that are marked.
func (*addingCodec) Show(e experiment.Example) report.Picture {
	numbers, marked := report.Series{Name: "number"}, report.Series{Name: "marked"}
	for i := 0; i+1 < len(e.Features); i += 2 {
		numbers.Past = append(numbers.Past, e.Features[i])
		marked.Past = append(marked.Past, e.Features[i]*e.Features[i+1])
	}
	numbers.Future = e.Future
	for _, v := range e.Forecast {
		numbers.Forecast = append(numbers.Forecast, float32(v))
	}
	return report.Picture{Kind: report.Lines, Series: []report.Series{numbers, marked}}
}

// maxLine is how many bytes a line has at most.
const maxLine = 1 << 24

// eachLine calls f with each line that is not empty, and where it is.
func eachLine(r io.Reader, name string, f func(origin, line string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 1
	for ; lines.Scan(); n++ {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			if err := f(fmt.Sprintf("%s:%d", name, n), line); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", name, n, err)
	}
	return nil
}

// each returns the numbers of a text.
func each[T any](text string, number func(string) (T, error)) (all []T, err error) {
	for _, word := range strings.Fields(text) {
		v, err := number(word)
		if err != nil {
			return nil, fmt.Errorf("want numbers with spaces between them, got %q", word)
		}
		all = append(all, v)
	}
	return all, nil
}
