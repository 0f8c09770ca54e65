package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// longestLine bounds the bytes of a line of a user's file.
const longestLine = 16 << 20

// errSkip says that a line is no example.
var errSkip = errors.New("no example")

// eachLine calls f with the example that parse makes of each line that is not blank.
// Errors of parse name the file and the line; those of f are its own.
func eachLine(r io.Reader, name string, parse func(text []byte) (experiment.Example, error), f func(experiment.Example) error) error {
	var own error // of f
	_, err := data.Lines(r, longestLine, func(line int, text []byte) error {
		e, err := parse(text)
		if err != nil {
			if errors.Is(err, errSkip) {
				return nil
			}
			return err
		}
		e.Origin = fmt.Sprintf("%s:%d", name, line)
		own = f(e)
		return own
	})
	var at *data.LineError
	switch {
	case own != nil:
		return own
	case errors.As(err, &at):
		return fmt.Errorf("%s:%d: %w", name, at.Line, at.Err)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// texts are what a line of JSON may have.
type texts struct {
	Text  *string `json:"text"`
	Text1 *string `json:"text1"`
	Text2 *string `json:"text2"`
	Label label   `json:"label"`
}

// readTexts reads a line of JSON.
func readTexts(line []byte) (t texts, err error) {
	if err := json.Unmarshal(line, &t); err != nil {
		return t, fmt.Errorf("want an object in JSON: %w", err)
	}
	return t, nil
}

// isJSON says whether a line is meant to be an object in JSON.
func isJSON(line []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(line), []byte("{")) }

// label is a class in JSON: its number or its name. nil is none.
type label json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (l *label) UnmarshalJSON(b []byte) error {
	*l = slices.Clone(b)
	return nil
}

// class returns the class among names, task.Ignore if there is none.
func (l label) class(names []string) (int, error) {
	if len(l) == 0 || string(l) == "null" {
		return task.Ignore, nil
	}
	text := string(l)
	var name string
	if json.Unmarshal(l, &name) == nil {
		text = name
	}
	return classOf(text, names)
}

// classOf returns the class that a text is the number or the name of.
func classOf(text string, names []string) (int, error) {
	if i := slices.Index(names, text); i >= 0 {
		return i, nil
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && v >= 0 && v < float64(len(names)) && v == float64(int(v)) {
		return int(v), nil
	}
	return 0, fmt.Errorf("label: want one of %q or a number below %d, got %.40q", names, len(names), text)
}
