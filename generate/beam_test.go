package generate_test

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
)

// everyText returns all texts of at most n tokens behind a prompt, as a recurrence that
// reads each of them by itself gives their probabilities, the best first.
func everyText(t *testing.T, m generate.Model, prompt []int, n, eos int, alpha float64) []generate.Hypothesis {
	t.Helper()
	var all []generate.Hypothesis
	var grow func(ids []int, sum float64)
	grow = func(ids []int, sum float64) {
		r, err := m.Recurrence(1)
		if err != nil {
			t.Fatal(err)
		}
		var x []float64
		for _, id := range append(slices.Clone(prompt), ids...) {
			y, err := r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{id})))
			if err != nil {
				t.Fatal(err)
			}
			x = y.Float64s()
		}
		z := 0.0
		for _, v := range x {
			z += math.Exp(v)
		}
		for id, v := range slices.Clone(x) {
			next, sum := append(slices.Clone(ids), id), sum+v-math.Log(z)
			if id != eos && len(next) < n {
				grow(next, sum)
				continue
			}
			all = append(all, generate.Hypothesis{IDs: next, LogProb: sum, Score: sum / math.Pow(float64(len(next)), alpha)})
		}
	}
	grow(nil, 0)
	slices.SortStableFunc(all, func(a, b generate.Hypothesis) int { return cmp.Compare(b.Score, a.Score) })
	return all
}

// A beam that is wide enough finds the best of all texts, and a narrow one never better
// ones.
func TestBeamIsExhaustive(t *testing.T) {
	const n, wide = 4, 81
	tok := letters{pieces: []string{"", "a", "b", "c"}}
	m := newModel(t, tensor.Float64, tok.Vocab(), nil)
	g := newGenerator(t, m, tok)
	prompt := []int{1, 3}
	for _, alpha := range []float64{0, 0.7, 1, 2, -1} {
		want := everyText(t, m, prompt, n, 0, alpha)
		for _, o := range []generate.BeamOptions{{Width: wide, N: 10}, {Width: 200, N: 200}, {Width: 3, N: 3}, {Width: 1}} {
			o.LengthPenalty = alpha
			got, err := g.Beam(context.Background(), generate.Request{Prompt: prompt, Options: generate.Options{MaxTokens: n}}, o)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != max(1, min(o.N, len(want))) {
				t.Fatalf("%+v: got %d texts of %d", o, len(got), len(want))
			}
			for i, h := range got {
				w := want[i]
				text := string(tok.Decode(nil, h.IDs...))
				if o.Width >= wide && !slices.Equal(h.IDs, w.IDs) || h.Score > w.Score+1e-9 || h.Text != text {
					t.Errorf("%+v: text %d: got %+v, want %+v", o, i, h, w)
				}
				if want := (generate.Usage{Prompt: len(prompt), Completion: len(h.IDs)}); h.Usage != want {
					t.Errorf("%+v: text %d: want %+v, got %+v", o, i, want, h.Usage)
				}
				if ended := h.IDs[len(h.IDs)-1] == 0; ended != (h.FinishReason == generate.Stop) || math.Abs(h.Score-h.LogProb/math.Pow(float64(len(h.IDs)), alpha)) > 1e-12 {
					t.Errorf("%+v: text %d: got %+v", o, i, h)
				}
				if k := slices.IndexFunc(want, func(w generate.Hypothesis) bool { return slices.Equal(w.IDs, h.IDs) }); k < 0 || math.Abs(want[k].LogProb-h.LogProb) > 1e-9 {
					t.Errorf("%+v: text %d: got %+v, which is number %d of all", o, i, h, k)
				}
			}
		}
	}
}

// A beam of width 1 is greedy.
func TestBeamOfOneIsGreedy(t *testing.T) {
	tok := alphabet()
	g := newGenerator(t, newModel(t, tensor.Float32, tok.Vocab(), nil), tok)
	q := generate.Request{Text: "the ", Options: generate.Options{MaxTokens: 25, StopIDs: []int{5}}}
	want := write(t, g, q)
	got, err := g.Beam(context.Background(), q, generate.BeamOptions{Width: 1, EarlyStopping: true})
	if err != nil || len(got) != 1 || !slices.Equal(got[0].IDs, want.IDs) || got[0].Text != want.Text || got[0].FinishReason != want.FinishReason {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// With EarlyStopping the first texts that end are it.
func TestBeamEarlyStopping(t *testing.T) {
	// Token 0 ends a text; it is as likely as 1 in the beginning, and less later.
	m := &scripted{vocab: 3, script: func(read []int) []float64 {
		if len(read) == 1 {
			return []float64{0, -0.1, -9}
		}
		return []float64{-9, 0, -9}
	}}
	tok := letters{pieces: []string{"", "a", "b"}}
	g := newGenerator(t, m, tok)
	q := generate.Request{Prompt: []int{1}, Options: generate.Options{MaxTokens: 6}}
	for early, want := range map[bool]string{true: "", false: "aaaaaa"} {
		got, err := g.Beam(context.Background(), q, generate.BeamOptions{Width: 2, LengthPenalty: 1, EarlyStopping: early})
		if err != nil || len(got) != 1 || got[0].Text != want {
			t.Errorf("early %v: got %+v, %v, want %q", early, got, err, want)
		}
	}
}

func TestBadBeams(t *testing.T) {
	tok := alphabet()
	g := newGenerator(t, newModel(t, tensor.Float32, tok.Vocab(), nil), tok)
	good := generate.Request{Text: "a", Options: generate.Options{MaxTokens: 3}}
	for want, c := range map[string]struct {
		q generate.Request
		o generate.BeamOptions
	}{
		"BeamOptions: want width in [1, 1024], got 0":        {good, generate.BeamOptions{}},
		"BeamOptions: want width in [1, 1024], got 1025":     {good, generate.BeamOptions{Width: 1025}},
		"BeamOptions: want n in [0, 2], the width, got 3":    {good, generate.BeamOptions{Width: 2, N: 3}},
		"BeamOptions: want a finite length_penalty, got NaN": {good, generate.BeamOptions{Width: 2, LengthPenalty: math.NaN()}},
		"Beam: want max_tokens >= 1, got 0":                  {generate.Request{Text: "a"}, generate.BeamOptions{Width: 2}},
		"Beam: want no stop strings, got 1":                  {generate.Request{Text: "a", Options: generate.Options{MaxTokens: 1, Stop: []string{"a"}}}, generate.BeamOptions{Width: 2}},
		"want a prompt of at least one token":                {generate.Request{}, generate.BeamOptions{Width: 2}},
	} {
		if _, err := g.Beam(context.Background(), c.q, c.o); err == nil || !strings.HasPrefix(err.Error(), "generate: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := g.Beam(ctx, good, generate.BeamOptions{Width: 2}); err != nil || len(got) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	n := 0
	nan := newGenerator(t, &scripted{vocab: 2, script: func(read []int) []float64 {
		if n++; n > 4 {
			return []float64{math.NaN(), 0}
		}
		return []float64{0, 1}
	}}, nil)
	if _, err := nan.Beam(context.Background(), generate.Request{Prompt: []int{0}, Options: generate.Options{MaxTokens: 9}}, generate.BeamOptions{Width: 3}); err == nil || !strings.Contains(err.Error(), "generate: Beam: token 2: want scores that are finite or -Inf, got NaN for id 0") {
		t.Errorf("got error %v", err)
	}
}
