//go:build js

// Command wasm is the program of the page of examples/browser: a [digits.Reader] for its
// script, as the functions of the object s4. Each returns an object, whose error, if it
// has one, says what was wrong.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"syscall/js"

	"github.com/gorgonia-s4/s4/examples/browser/internal/digits"
)

// page is what the script of the page talks to.
type page struct{ reader *digits.Reader }

func main() {
	r, err := digits.Open()
	if err != nil {
		fail(err)
		return
	}
	p := &page{r}
	about, err := p.about()
	if err != nil {
		fail(err)
		return
	}
	js.Global().Set("s4", map[string]any{
		"ink":      p.function(p.ink),
		"digit":    p.function(p.digit),
		"read":     p.function(p.read),
		"at":       p.function(p.goTo),
		"convolve": p.function(p.convolve),
		"kernels":  p.function(p.kernels),
	})
	js.Global().Call("s4Ready", about)
	select {}
}

// fail tells the page that there is no reader.
func fail(err error) { js.Global().Call("s4Ready", map[string]any{"error": err.Error()}) }

// function makes a function of the script, which may fail.
func (p *page) function(f func(args []js.Value) (map[string]any, error)) js.Func {
	return js.FuncOf(func(_ js.Value, args []js.Value) (result any) {
		defer func() {
			if r := recover(); r != nil { // of syscall/js: an argument of another type
				result = map[string]any{"error": fmt.Sprint(r)}
			}
		}()
		v, err := f(args)
		if err != nil {
			return map[string]any{"error": err.Error()}
		}
		return v
	})
}

// about returns what the page says of the model.
func (p *page) about() (map[string]any, error) {
	r, err := digits.Trained()
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"side": digits.Side, "classes": digits.Classes, "blocks": p.reader.Blocks(), "features": p.reader.Features(), "states": p.reader.States(),
		"parameters": p.reader.Parameters(), "accuracy": r.Accuracy, "tested": r.Tested, "data": r.Data,
	}, nil
}

// ink takes strokes, x and y of every point as float32 in bytes, with a point NaN NaN
// behind each, and reads nothing of the page yet.
func (p *page) ink(args []js.Value) (map[string]any, error) {
	if len(args) != 1 {
		return nil, errors.New("ink: want the bytes of the points")
	}
	b := make([]byte, args[0].Get("length").Int())
	js.CopyBytesToGo(b, args[0])
	return p.begin(digits.Ink(strokesOf(b)))
}

// strokesOf returns the strokes that bytes are.
func strokesOf(b []byte) []digits.Stroke {
	var strokes []digits.Stroke
	var s digits.Stroke
	for ; len(b) >= 8; b = b[8:] {
		number := func(i int) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))) }
		point := digits.Point{X: number(0), Y: number(4)}
		if math.IsNaN(point.X) || math.IsNaN(point.Y) {
			strokes, s = append(strokes, s), nil
			continue
		}
		s = append(s, point)
	}
	return append(strokes, s)
}

// digit takes a class, and puts an image of it in front of the reader.
func (p *page) digit(args []js.Value) (map[string]any, error) {
	if len(args) != 1 {
		return nil, errors.New("digit: want a class")
	}
	grey, err := digits.Digit(args[0].Int())
	if err != nil {
		return nil, err
	}
	return p.begin(grey)
}

// begin puts a page in front of the reader, and returns its pixels.
func (p *page) begin(grey []uint8) (map[string]any, error) {
	if err := p.reader.Begin(grey); err != nil {
		return nil, err
	}
	return map[string]any{"pixels": bytesOf(grey)}, nil
}

// read reads the whole page, and returns the probabilities after every pixel.
func (p *page) read([]js.Value) (map[string]any, error) {
	if err := p.reader.Go(0); err != nil {
		return nil, err
	}
	var all []float32 // (Length, Classes)
	for range digits.Length {
		if err := p.reader.Step(); err != nil {
			return nil, err
		}
		all = append(all, p.reader.Probabilities()...)
	}
	return map[string]any{"probabilities": floats(all)}, nil
}

// goTo takes how many pixels are to have been read, and returns the states.
func (p *page) goTo(args []js.Value) (map[string]any, error) {
	if len(args) != 1 {
		return nil, errors.New("at: want a number of pixels")
	}
	if err := p.reader.Go(args[0].Int()); err != nil {
		return nil, err
	}
	var states []any
	for _, s := range p.reader.State() {
		states = append(states, floats(s))
	}
	return map[string]any{"states": states, "probabilities": floats(p.reader.Probabilities())}, nil
}

// convolve returns the probabilities of the whole page by convolutions.
func (p *page) convolve([]js.Value) (map[string]any, error) {
	probs, err := p.reader.Convolve()
	if err != nil {
		return nil, err
	}
	return map[string]any{"probabilities": floats(probs)}, nil
}

// kernels takes the number of a block, and returns a drawing of its kernels.
func (p *page) kernels(args []js.Value) (map[string]any, error) {
	if len(args) != 1 {
		return nil, errors.New("kernels: want the number of a block")
	}
	ks, err := p.reader.Kernels(args[0].Int())
	if err != nil {
		return nil, err
	}
	return map[string]any{"svg": digits.Draw(ks)}, nil
}

// bytesOf returns a Uint8Array.
func bytesOf(b []uint8) js.Value {
	a := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

// floats returns a Float32Array.
func floats(v []float32) js.Value {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return js.Global().Get("Float32Array").New(bytesOf(b).Get("buffer"))
}
