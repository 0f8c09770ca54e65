package digits

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
)

const (
	tol     = 1e-5      // of a probability, in float32, by recurrence and by convolution
	floor   = 0.97      // of the accuracy of the model that is part of the package
	ceiling = 200 << 10 // bytes of its files
)

// open returns the reader of the package.
func open(t *testing.T) *Reader {
	t.Helper()
	r, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// digit returns an image of the package.
func digit(t *testing.T, class int) []uint8 {
	t.Helper()
	page, err := Digit(class)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// guess reads a whole page.
func guess(t *testing.T, r *Reader, page []uint8) int {
	t.Helper()
	if err := errors.Join(r.Begin(page), r.Go(Length)); err != nil {
		t.Fatal(err)
	}
	return slices.Index(r.Probabilities(), slices.Max(r.Probabilities()))
}

// The digits are read right, and as a recurrence with the probabilities of the convolution.
func TestDigitsAreRead(t *testing.T) {
	r := open(t)
	for class := range Classes {
		if got := guess(t, r, digit(t, class)); got != class {
			t.Errorf("a %d is read as %d", class, got)
		}
		whole, err := r.Convolve()
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i, p := range whole {
			sum += float64(p)
			if d := math.Abs(float64(p - r.Probabilities()[i])); !(d <= tol) {
				t.Errorf("a %d: as a %d, convolution %g, recurrence %g", class, i, p, r.Probabilities()[i])
			}
		}
		if math.Abs(sum-1) > tol {
			t.Errorf("a %d: the probabilities add up to %g", class, sum)
		}
	}
}

// The model is as good, and as small, as the page says.
func TestModelOfThePackage(t *testing.T) {
	result, err := Trained()
	if err != nil {
		t.Fatal(err)
	}
	if result.Accuracy < floor || result.Tested != 10000 || result.Examples != 54000 || result.Data != "MNIST" {
		t.Errorf("got %+v", result)
	}
	size := int64(0)
	err = fs.WalkDir(files, ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil || size > ceiling {
		t.Errorf("got %d bytes, %v, want at most %d", size, err, ceiling)
	}
	r := open(t)
	if n := 4 * r.Parameters(); int64(n) > size || n < 4000 {
		t.Errorf("got %d bytes of parameters in %d of files", n, size)
	}
}

// Going back reads again from the start: state and probabilities are those of the way forth.
func TestGoBack(t *testing.T) {
	r := open(t)
	if err := errors.Join(r.Begin(digit(t, 4)), r.Go(300)); err != nil {
		t.Fatal(err)
	}
	probs, state := slices.Clone(r.Probabilities()), r.State()
	if len(state) != r.Blocks() || len(state[0]) != r.Features()*r.States() || slices.Max(state[0]) == 0 {
		t.Fatalf("got states of %d blocks, the first of %d numbers", len(state), len(state[0]))
	}
	if err := r.Go(Length); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(r.State()[0], state[0]) {
		t.Error("the state is the same at the end")
	}
	if err := r.Go(300); err != nil || r.At() != 300 {
		t.Fatal(r.At(), err)
	}
	for b, s := range r.State() {
		if !slices.Equal(s, state[b]) {
			t.Errorf("block %d has another state than on the way forth", b)
		}
	}
	if !slices.Equal(r.Probabilities(), probs) {
		t.Errorf("got %v, on the way forth %v", r.Probabilities(), probs)
	}
}

func TestReaderErrors(t *testing.T) {
	r := open(t)
	wide, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{
		Features: 2, Classes: Classes, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 2, DState: 2}}}},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]func() error{
		"want a page of 784 pixels, got 3": func() error { return r.Begin(make([]uint8, 3)) },
		"want 0 to 784 pixels, got 785":    func() error { return r.Go(785) },
		"want 0 to 784 pixels, got -1":     func() error { return r.Go(-1) },
		"got one more":                     func() error { return errors.Join(r.Go(Length), r.Step()) },
		"want a digit 0 to 9, got 10":      func() error { _, err := Digit(10); return err },
		"want a digit 0 to 9, got -1":      func() error { _, err := Digit(-1); return err },
		"want a block 0 to 1, got 2":       func() error { _, err := r.Kernels(2); return err },
		"want a classifier of 1 feature":   func() error { _, err := NewReader(wide); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// Kernels there are for each feature; those that are drawn are curves in well-formed SVG.
func TestDraw(t *testing.T) {
	r := open(t)
	for b := range r.Blocks() {
		ks, err := r.Kernels(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(ks) != r.Features() || len(ks[0].K) != Length {
			t.Fatalf("block %d: got %d kernels of %d steps", b, len(ks), len(ks[0].K))
		}
		svg := Draw(ks)
		curves := 0
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("block %d: %v in %s", b, err, svg)
			}
			if e, ok := token.(xml.StartElement); ok && slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return a.Value == "kernel" }) {
				curves++
			}
		}
		if curves != strips || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("block %d: want %d curves, got %d", b, strips, curves)
		}
	}
}
