package main

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data/audio"
)

// codec reads recordings as those of the training were.
type codec struct {
	Names    []string       `json:"classes"`
	Encoding audio.Encoding `json:"encoding"`
}

// rawNames are the ends of the names of files of bare samples.
var rawNames = []string{".raw", ".pcm", ".s16"}

// Read implements experiment.Codec: a WAV file is one example, and so are bare samples
// of 16 bits, little-endian, one channel, of the rate of the training, which standard
// input may be, or a file whose name says so.
func (c *codec) Read(r io.Reader, name string, f func(experiment.Example) error) error {
	x, err := c.read(r, name == "stdin" || slices.Contains(rawNames, filepath.Ext(name)))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return f(experiment.Example{Origin: name, Features: x, Target: task.Ignore})
}

func (c *codec) read(r io.Reader, raw bool) ([]float32, error) {
	b := bufio.NewReader(r)
	start, err := b.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var w *audio.Wave
	switch {
	case string(start) == "RIFF":
		w, err = audio.ReadWAV(b)
	case raw:
		w, err = audio.ReadPCM(b, c.Encoding.Rate)
	default:
		return nil, fmt.Errorf("want a WAV file, or bare samples in one that is named *%s, got one that begins with %q", strings.Join(rawNames, ", *"), start)
	}
	if err != nil {
		return nil, err
	}
	return c.Encoding.Encode(w)
}

// Classes implements experiment.Codec.
func (c *codec) Classes() []string { return c.Names }

// Show implements experiment.Codec: the wave, or the first coefficients of its frames.
func (c *codec) Show(e experiment.Example) report.Picture {
	const coefficients = 3 // that are shown
	w := c.Encoding.Width()
	if w == 1 {
		p := report.Picture{Kind: report.Wave, Rate: max(1, c.Encoding.Rate/c.Encoding.Subsample)}
		for _, v := range e.Features {
			p.Samples = append(p.Samples, c.value(v, 0))
		}
		return p
	}
	p := report.Picture{Kind: report.Lines}
	for i := range min(coefficients, w) {
		s := report.Series{Name: fmt.Sprintf("coefficient %d", i)}
		for j := i; j < len(e.Features); j += w {
			s.Past = append(s.Past, c.value(e.Features[j], i))
		}
		p.Series = append(p.Series, s)
	}
	return p
}

// value returns a feature as it was before it was scaled.
func (c *codec) value(v float32, feature int) float32 {
	return float32(float64(v)*c.Encoding.Dev[feature] + c.Encoding.Mean[feature])
}
