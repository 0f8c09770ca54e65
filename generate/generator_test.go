package generate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
)

// write writes a text, and checks that the pieces are what the result says.
func write(t *testing.T, g *generate.Generator, q generate.Request) *generate.Result {
	t.Helper()
	var text strings.Builder
	var ids []int
	sum := 0.0
	r, err := g.Write(context.Background(), q, func(p generate.Piece) error {
		if !utf8.ValidString(p.Text) {
			t.Errorf("piece %q is no UTF-8", p.Text)
		}
		text.WriteString(p.Text)
		if p.ID >= 0 {
			ids = append(ids, p.ID)
			sum += p.LogProb
		}
		if len(p.Top) != q.Options.LogProbs {
			t.Errorf("got %d likeliest tokens, want %d", len(p.Top), q.Options.LogProbs)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Text != text.String() || !slices.Equal(r.IDs, ids) || r.LogProb != sum || r.Usage.Completion != len(ids) {
		t.Errorf("pieces %q of tokens %v with %v, result %+v", text.String(), ids, sum, r)
	}
	return r
}

// samples are options that use everything.
func samples() []generate.Options {
	return []generate.Options{
		{MaxTokens: 30, IgnoreEOS: true},
		{MaxTokens: 30, Temperature: 1, Seed: 1, IgnoreEOS: true},
		{MaxTokens: 17, Temperature: 1.3, TopK: 20, TopP: 0.9, MinP: 0.01, Seed: 2, LogProbs: 3, IgnoreEOS: true},
		{MaxTokens: 30, Temperature: 1, RepetitionPenalty: 1.2, FrequencyPenalty: 0.3, PresencePenalty: 0.1, PenaltyWindow: 12, Seed: 3},
		{MaxTokens: 30, Temperature: 1, Seed: 4, Stop: []string{"e", "m "}, LogitBias: map[int]float64{14: 2}},
	}
}

// A greedy text has the likeliest token at each step, as a Recurrence that reads prompt
// and text gives it.
func TestGreedyIsTheLikeliest(t *testing.T) {
	tok := alphabet()
	m := newModel(t, tensor.Float64, tok.Vocab(), nil)
	prompt := []int{3, 1, 14, 20}
	r := write(t, newGenerator(t, m, tok), generate.Request{Prompt: prompt, Options: generate.Options{MaxTokens: 20, IgnoreEOS: true}})
	rec, err := m.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range append(prompt, r.IDs...) {
		if i >= len(prompt) && id != r.IDs[i-len(prompt)] {
			t.Fatal("unreachable")
		}
		y, err := rec.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{id})))
		if err != nil {
			t.Fatal(err)
		}
		if k := i + 1 - len(prompt); k >= 0 && k < len(r.IDs) {
			x := y.Float64s()
			if best := slices.Index(x, slices.Max(x)); best != r.IDs[k] {
				t.Errorf("token %d: got %d, want %d", k, r.IDs[k], best)
			}
		}
	}
}

// A text that goes on from a state, saved as bytes, is the one that would have been at
// once: whatever the filters, wherever it was cut, within a character too.
func TestGoingOn(t *testing.T) {
	tok := alphabet()
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		g := newGenerator(t, newModel(t, dt, tok.Vocab(), nil), tok)
		for _, o := range samples() {
			if len(o.Stop) > 0 {
				continue // one that spans the cut is not found
			}
			whole := write(t, g, generate.Request{Text: "the cab", Options: o})
			for _, at := range []int{0, 1, 2, 7, len(whole.IDs) - 1} {
				first := o
				first.MaxTokens = at
				a := write(t, g, generate.Request{Text: "the cab", Options: first, KeepState: true})
				b, err := a.State.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				var x layers.State
				if err := x.UnmarshalBinary(b); err != nil {
					t.Fatal(err)
				}
				rest := o
				rest.MaxTokens -= at
				c := write(t, g, generate.Request{State: x, Options: rest})
				if !slices.Equal(append(a.IDs, c.IDs...), whole.IDs) || a.Text+c.Text != whole.Text || c.FinishReason != whole.FinishReason {
					t.Errorf("%+v, cut at %d: got %q and %q, want %q", o, at, a.Text, c.Text, whole.Text)
				}
				if after, err := x.MarshalBinary(); err != nil || !bytes.Equal(after, b) {
					t.Errorf("the state has changed, %v", err)
				}
			}
		}
	}
}

// A prompt in two parts, the first of which writes nothing, is the whole one.
func TestPromptInParts(t *testing.T) {
	tok := alphabet()
	g := newGenerator(t, newModel(t, tensor.Float32, tok.Vocab(), nil), tok)
	o := samples()[3]
	want := write(t, g, generate.Request{Text: "a cab for the ", Options: o})
	for _, cut := range []int{1, 6, 13} {
		x := write(t, g, generate.Request{Text: "a cab for the "[:cut], KeepState: true}).State
		got := write(t, g, generate.Request{Text: "a cab for the "[cut:], State: x, Options: o})
		if got.Text != want.Text {
			t.Errorf("cut at %d: got %q, want %q", cut, got.Text, want.Text)
		}
	}
	// A state of the model alone, without its tokens.
	m := newModel(t, tensor.Float32, tok.Vocab(), nil)
	r, err := m.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	o = generate.Options{MaxTokens: 9}
	want = write(t, g, generate.Request{Prompt: []int{12, 13}, Options: o})
	if _, err := r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{12}))); err != nil {
		t.Fatal(err)
	}
	if got := write(t, g, generate.Request{Prompt: []int{13}, State: r.State(), Options: o}); got.Text != want.Text {
		t.Errorf("got %q, want %q", got.Text, want.Text)
	}
}

// requests are many, of different lengths.
func requests(n int) []generate.Request {
	rng := rand.New(rand.NewPCG(8, 8))
	qs := make([]generate.Request, n)
	for i := range qs {
		o := samples()[i%len(samples())]
		o.Seed, o.MaxTokens = uint64(i), 1+rng.IntN(30)
		prompt := make([]int, 1+rng.IntN(20))
		for k := range prompt {
			prompt[k] = 1 + rng.IntN(30)
		}
		qs[i] = generate.Request{Prompt: prompt, Options: o, KeepState: i%3 == 0}
	}
	return qs
}

// Texts that are written together are those that each is by itself, to the bit.
func TestBatchIsAsAlone(t *testing.T) {
	tok := alphabet()
	for name, mixer := range map[string]layers.MixerConfig{
		"s4d": nil, "s4": layers.S4Config{DModel: 8, DState: 4, LMax: 32}, "lstm": layers.LSTMConfig{DModel: 8},
		"attention": layers.AttentionConfig{DModel: 8, Heads: 2, Causal: true}, "feedforward": layers.FeedForwardConfig{DModel: 8, FF: 8},
	} {
		m := newModel(t, tensor.Float32, tok.Vocab(), mixer)
		qs := requests(30)
		for _, rows := range []int{1, 7, 64} {
			g := newGenerator(t, m, tok, generate.WithRows(rows))
			texts := make([]string, len(qs))
			got, err := g.Batch(context.Background(), qs, func(i int, p generate.Piece) error { texts[i] += p.Text; return nil })
			if err != nil {
				t.Fatal(err)
			}
			for i, q := range qs {
				want := write(t, g, q)
				if texts[i] != want.Text {
					t.Errorf("%s: text %d: pieces %q, want %q", name, i, texts[i], want.Text)
				}
				if !sameResult(t, got[i], want) {
					t.Errorf("%s, %d rows: text %d: got %+v, want %+v", name, rows, i, got[i], want)
				}
			}
		}
	}
}

// sameResult compares results. What stands in front of the numbers of a state that
// grows is nothing.
func sameResult(t *testing.T, got, want *generate.Result) bool {
	t.Helper()
	a, b := *got, *want
	a.State, b.State = nil, nil
	if !reflect.DeepEqual(a, b) || len(got.State) != len(want.State) {
		return false
	}
	for i, x := range got.State {
		if x.Grows == 0 && !reflect.DeepEqual(x.Value.Data(), want.State[i].Value.Data()) {
			return false
		}
	}
	return true
}

// A stop string ends a text wherever its letters come from, and nothing of it is given
// out.
func TestStopStrings(t *testing.T) {
	tok := alphabet()
	g := newGenerator(t, newModel(t, tensor.Float32, tok.Vocab(), nil), tok)
	o := generate.Options{MaxTokens: 60, Temperature: 1, Seed: 5, IgnoreEOS: true}
	whole := write(t, g, generate.Request{Text: "the", Options: o})
	text := whole.Text
	for from := 0; from < len(text); from++ {
		for n := 1; n < 5 && from+n <= len(text); n++ {
			stop := text[from : from+n]
			if !utf8.ValidString(stop) || strings.Contains(stop, "\uFFFD") {
				continue
			}
			o.Stop = []string{"not there", stop, "nor this"}
			r := write(t, g, generate.Request{Text: "the", Options: o})
			if want := text[:strings.Index(text, stop)]; r.Text != want || r.FinishReason != generate.Stop || r.StopString != stop {
				t.Fatalf("stop string %q: got %q, %s, of %q", stop, r.Text, r.FinishReason, text)
			}
		}
	}
	o.Stop = []string{"never there"}
	if r := write(t, g, generate.Request{Text: "the", Options: o}); r.Text != text || r.FinishReason != generate.Length {
		t.Errorf("got %q, %s, want %q", r.Text, r.FinishReason, text)
	}
	o.Stop, o.StopIDs = nil, []int{whole.IDs[9]}
	if r := write(t, g, generate.Request{Text: "the", Options: o}); r.FinishReason != generate.Stop || slices.Index(r.IDs, whole.IDs[9]) != len(r.IDs)-1 || !strings.HasPrefix(text, r.Text) {
		t.Errorf("got %+v", r)
	}
}

func TestEndOfText(t *testing.T) {
	tok := alphabet()
	g := newGenerator(t, newModel(t, tensor.Float32, tok.Vocab(), nil), tok)
	o := generate.Options{MaxTokens: 500, Temperature: 1, Seed: 5}
	r := write(t, g, generate.Request{Text: "the", Options: o})
	if r.FinishReason != generate.Stop || r.StopString != "" || slices.Index(r.IDs, 0) != len(r.IDs)-1 {
		t.Errorf("got %+v", r)
	}
	o.MaxTokens = len(r.IDs) + 3
	o.IgnoreEOS = true
	if r := write(t, g, generate.Request{Text: "the", Options: o}); r.FinishReason != generate.Length || len(r.IDs) != o.MaxTokens {
		t.Errorf("got %+v", r)
	}
}

// A context that ends is no error, and what was written is there.
func TestCancelledText(t *testing.T) {
	tok := alphabet()
	g := newGenerator(t, newModel(t, tensor.Float32, tok.Vocab(), nil), tok)
	o := generate.Options{MaxTokens: 40, Temperature: 1, Seed: 5, IgnoreEOS: true}
	want := write(t, g, generate.Request{Text: "the", Options: o})
	for _, after := range []int{0, 1, 6} {
		ctx, cancel := context.WithCancel(context.Background())
		if after == 0 {
			cancel()
		}
		n := 0
		r, err := g.Write(ctx, generate.Request{Text: "the", Options: o, KeepState: true}, func(p generate.Piece) error {
			if n++; n == after {
				cancel()
			}
			return nil
		})
		cancel()
		if err != nil || r.FinishReason != generate.Cancelled || !slices.Equal(r.IDs, want.IDs[:after]) || !strings.HasPrefix(want.Text, r.Text) {
			t.Errorf("after %d tokens: got %+v, %v", after, r, err)
		}
		if after > 1 {
			o := o
			o.MaxTokens -= after
			if rest := write(t, g, generate.Request{State: r.State, Options: o}); r.Text+rest.Text != want.Text {
				t.Errorf("after %d tokens: got %q and %q, want %q", after, r.Text, rest.Text, want.Text)
			}
		}
	}
	o.Stop = []string{want.Text[len(want.Text)/2:] + "x"} // all behind the half is held back
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	r, err := g.Text(ctx, "the", o, func(p generate.Piece) error {
		if n++; n == 39 {
			cancel()
		}
		return nil
	})
	if err != nil || r.Text != strings.TrimSuffix(r.Text, "x") || len(r.Text) <= len(want.Text)/2 || !strings.HasPrefix(want.Text, r.Text) {
		t.Errorf("got %+v, %v, want what was held back of %q", r, err, want.Text)
	}
}

// The error of emit ends a text, and what was written is there; in a batch the others
// go on.
func TestEmitFails(t *testing.T) {
	tok := alphabet()
	g := newGenerator(t, newModel(t, tensor.Float32, tok.Vocab(), nil), tok)
	r, err := g.Text(context.Background(), "the", generate.Options{MaxTokens: 9}, func(generate.Piece) error { return io.ErrClosedPipe })
	if !errors.Is(err, io.ErrClosedPipe) || r == nil || len(r.IDs) != 1 || r.FinishReason != generate.Failed {
		t.Errorf("got %+v, %v", r, err)
	}
	qs := requests(4)
	got, err := g.Batch(context.Background(), qs, func(i int, p generate.Piece) error {
		if i == 2 {
			return io.ErrClosedPipe
		}
		return nil
	})
	if !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "request 2: ") || strings.Contains(err.Error(), "request 1") {
		t.Errorf("got error %v", err)
	}
	for i, r := range got {
		if i != 2 && !sameResult(t, r, write(t, g, qs[i])) {
			t.Errorf("text %d: got %+v", i, r)
		}
	}
}

// Scores that are no numbers are an error that says at which step.
func TestScoresThatAreNoNumbers(t *testing.T) {
	g := newGenerator(t, &scripted{vocab: 4, script: func(read []int) []float64 {
		if len(read) == 5 {
			return []float64{0, math.NaN(), 0, 0}
		}
		return []float64{0, 1, 0, 0}
	}}, nil)
	r, err := g.Write(context.Background(), generate.Request{Prompt: []int{0, 0}, Options: generate.Options{MaxTokens: 9}}, nil)
	if err == nil || err.Error() != "generate: step 4, token 3 of the text: want scores that are finite or -Inf, got NaN for id 1" || !slices.Equal(r.IDs, []int{1, 1, 1}) || r.FinishReason != generate.Failed {
		t.Errorf("got %+v, %v", r, err)
	}
}

// A row that can take no more steps ends by itself.
func TestRowThatCannotGoOn(t *testing.T) {
	m := newModel(t, tensor.Float32, 10, layers.PositionConfig{DModel: 8, Positions: layers.LearnedPositions, MaxLen: 12})
	g := newGenerator(t, m, nil)
	qs := []generate.Request{
		{Prompt: []int{1, 2}, Options: generate.Options{MaxTokens: 6, Temperature: 1}},
		{Prompt: []int{1, 2, 3, 4, 5, 6, 7, 8}, Options: generate.Options{MaxTokens: 30, Temperature: 1}},
		{Prompt: []int{3}, Options: generate.Options{MaxTokens: 9, Temperature: 1}},
	}
	got, err := g.Batch(context.Background(), qs, nil)
	if err == nil || !strings.Contains(err.Error(), "request 1: ") || strings.Contains(err.Error(), "request 0: ") || strings.Contains(err.Error(), "request 2: ") {
		t.Fatalf("got error %v", err)
	}
	if got[1].FinishReason != generate.Failed || len(got[1].IDs) != 5 {
		t.Errorf("got %+v", got[1])
	}
	for _, i := range []int{0, 2} {
		if !sameResult(t, got[i], write(t, g, qs[i])) {
			t.Errorf("text %d: got %+v", i, got[i])
		}
	}
	if _, err := g.Write(context.Background(), generate.Request{Prompt: make([]int, 13), Options: generate.Options{MaxTokens: 1}}, nil); err == nil || !strings.Contains(err.Error(), "generate: the prompt: ") {
		t.Errorf("a prompt longer than the window: got error %v", err)
	}
}

func TestRefresh(t *testing.T) {
	tok := alphabet()
	m := newModel(t, tensor.Float32, tok.Vocab(), nil)
	g := newGenerator(t, m, tok)
	q := generate.Request{Text: "the", Options: generate.Options{MaxTokens: 30, Temperature: 1}}
	before := write(t, g, q)
	retrain(t, m)
	if r := write(t, g, q); r.Text != before.Text {
		t.Errorf("got %q, want %q until Refresh", r.Text, before.Text)
	}
	if err := g.Refresh(); err != nil {
		t.Fatal(err)
	}
	if got, want := write(t, g, q), write(t, newGenerator(t, m, tok), q); got.Text != want.Text || got.Text == before.Text {
		t.Errorf("got %q, want %q", got.Text, want.Text)
	}
}

func TestBadRequests(t *testing.T) {
	tok := alphabet()
	m := newModel(t, tensor.Float32, tok.Vocab(), nil)
	g := newGenerator(t, m, tok)
	state := write(t, g, generate.Request{Text: "the", KeepState: true}).State
	other := write(t, newGenerator(t, newModel(t, tensor.Float32, tok.Vocab(), layers.S4DConfig{DModel: 4, DState: 4}), tok), generate.Request{Text: "the", KeepState: true}).State
	changed := func(name string, v int64) layers.State {
		x := state.Clone()
		for _, s := range x {
			if s.Name == name {
				d := s.Value.Int64s()
				d[len(d)-1] = v
			}
		}
		return x
	}
	two, err := layers.JoinStates(state, state)
	if err != nil {
		t.Fatal(err)
	}
	for want, q := range map[string]generate.Request{
		"want a prompt of at least one token, got none":                           {},
		"want a prompt of at least one token, got none ":                          {Prompt: []int{}},
		"the prompt: no such letter":                                              {Text: "A"},
		"the prompt: token 1: want an id in [0, 36), got 36":                      {Prompt: []int{1, 36}},
		"the prompt: token 0: want an id in [0, 36), got -1":                      {Prompt: []int{-1}},
		"want max_tokens >= 0, got -1":                                            {Text: "a", Options: generate.Options{MaxTokens: -1}},
		"want a finite temperature >= 0, got -1":                                  {Text: "a", Options: generate.Options{Temperature: -1}},
		"want a finite temperature >= 0, got NaN":                                 {Text: "a", Options: generate.Options{Temperature: math.NaN()}},
		"want a finite temperature >= 0, got +Inf":                                {Text: "a", Options: generate.Options{Temperature: math.Inf(1)}},
		"want top_k >= 0, got -3":                                                 {Text: "a", Options: generate.Options{TopK: -3}},
		"want top_p in (0, 1], got 1.5":                                           {Text: "a", Options: generate.Options{TopP: 1.5}},
		"want top_p in (0, 1], got -0.5":                                          {Text: "a", Options: generate.Options{TopP: -0.5}},
		"want top_p in (0, 1], got NaN":                                           {Text: "a", Options: generate.Options{TopP: math.NaN()}},
		"want min_p in [0, 1], got 2":                                             {Text: "a", Options: generate.Options{MinP: 2}},
		"want a finite repetition_penalty > 0, got -1":                            {Text: "a", Options: generate.Options{RepetitionPenalty: -1}},
		"want a finite frequency_penalty, got NaN":                                {Text: "a", Options: generate.Options{FrequencyPenalty: math.NaN()}},
		"want a finite presence_penalty, got +Inf":                                {Text: "a", Options: generate.Options{PresencePenalty: math.Inf(1)}},
		"want penalty_window in [1, 8192], got 9000":                              {Text: "a", Options: generate.Options{PenaltyWindow: 9000}},
		"want a finite logit_bias of an id >= 0, got +Inf of 3":                   {Text: "a", Options: generate.Options{LogitBias: map[int]float64{3: math.Inf(1)}}},
		"want ids of logit_bias in [0, 36), got 36":                               {Text: "a", Options: generate.Options{LogitBias: map[int]float64{36: 1}}},
		`want stop strings that are not empty, got "" at 1`:                       {Text: "a", Options: generate.Options{Stop: []string{"a", ""}}},
		`want stop strings in UTF-8, got "\xff" at 0`:                             {Text: "a", Options: generate.Options{Stop: []string{"\xff"}}},
		"want stop strings of at most 4096 bytes, got 4097 at 0":                  {Text: "a", Options: generate.Options{Stop: []string{strings.Repeat("a", 4097)}}},
		"want at most 64 stop strings, got 65":                                    {Text: "a", Options: generate.Options{Stop: make([]string, 65)}},
		"want stop_ids in [0, 36), got 40":                                        {Text: "a", Options: generate.Options{StopIDs: []int{40}}},
		"want stop_ids >= 0, got -4":                                              {Text: "a", Options: generate.Options{StopIDs: []int{-4}}},
		"want logprobs in [0, 100], got 101":                                      {Text: "a", Options: generate.Options{LogProbs: 101}},
		`want a state "generate.next" of int64 (1, n), got (2, 1)`:                {State: two},
		"want tokens of a state in [0, 36), got 36":                               {State: changed("generate.seen", 36)},
		`want a state "generate.next" that is the last of "generate.seen", got 3`: {State: changed("generate.next", 3)},
		`want a state "generate.count" in [3, 72057594037927936], got 2`:          {State: changed("generate.count", 2)},
		`want a state with one number "generate.next", one`:                       {State: state[:len(state)-1]},
		"want a state": {State: other},
	} {
		if _, err := g.Write(context.Background(), q, nil); err == nil || !strings.HasPrefix(err.Error(), "generate: ") || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if _, err := g.Batch(context.Background(), []generate.Request{{Text: "a"}, {}}, nil); err == nil || !strings.Contains(err.Error(), "request 1: want a prompt") {
		t.Errorf("got error %v", err)
	}
	bare := newGenerator(t, m, nil)
	for want, q := range map[string]generate.Request{
		"want tokens in Request.Prompt where there is no tokenizer, got a text": {Text: "a"},
		"want no stop strings where there is no tokenizer, got some":            {Prompt: []int{1}, Options: generate.Options{Stop: []string{"a"}}},
	} {
		if _, err := bare.Write(context.Background(), q, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if r := write(t, bare, generate.Request{Prompt: []int{1}, Options: generate.Options{MaxTokens: 3}}); len(r.IDs) != 3 || r.Text != "" {
		t.Errorf("got %+v", r)
	}
}

func TestBadModels(t *testing.T) {
	m := newModel(t, tensor.Float32, 10, nil)
	for want, make := range map[string]func() (*generate.Generator, error){
		"want a model, got nil": func() (*generate.Generator, error) { return generate.New(nil, nil) },
		"want a tokenizer with the 10 tokens of the model, got one with 36": func() (*generate.Generator, error) { return generate.New(m, alphabet()) },
		"want an end of text in [-1, 10), got 10":                           func() (*generate.Generator, error) { return generate.New(m, letters{alphabet().pieces[:10], 10}) },
		"WithRows: want at least 1 row, got 0":                              func() (*generate.Generator, error) { return generate.New(m, nil, generate.WithRows(0)) },
		"want a model of a vocabulary >= 1, got 0":                          func() (*generate.Generator, error) { return generate.New(&scripted{}, nil) },
	} {
		if _, err := make(); err == nil || !strings.Contains(err.Error(), "generate: "+want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// scripted is a model whose scores are a function of all tokens that it has read, of
// which it remembers eight.
type scripted struct {
	vocab  int
	script func(read []int) []float64
}

func (m *scripted) Vocab() int { return m.vocab }
func (m *scripted) Recurrence(batch int) (*layers.Recurrence, error) {
	return layers.NewRecurrence(m, batch)
}
func (m *scripted) Snapshot() (layers.Snapshot, error) { return m, nil }
func (m *scripted) NewSession(batch int) (layers.Session, error) {
	s := &scriptedSession{m: m, read: make([][]int, batch)}
	return s, nil
}

// scriptedSession remembers what each row has read.
type scriptedSession struct {
	m    *scripted
	read [][]int
}

// longest is how many tokens a scripted model remembers.
const longest = 64

func (s *scriptedSession) Step(u *tensor.Dense) (*tensor.Dense, error) {
	var y []float64
	read := make([][]int, len(s.read))
	for i, id := range u.Ints() {
		read[i] = append(slices.Clone(s.read[i]), id)
		if len(read[i]) > longest {
			return nil, fmt.Errorf("want at most %d tokens", longest)
		}
		y = append(y, s.m.script(read[i])...)
	}
	s.read = read // nothing changes where a row cannot step
	return tensor.New(tensor.WithShape(len(s.read), s.m.vocab), tensor.WithBacking(y)), nil
}

func (s *scriptedSession) State() layers.State {
	d := make([]int64, 0, len(s.read)*(longest+1))
	for _, r := range s.read {
		row := make([]int64, longest+1)
		row[0] = int64(len(r))
		for i, id := range r {
			row[i+1] = int64(id)
		}
		d = append(d, row...)
	}
	return layers.State{{Name: "read", Value: tensor.New(tensor.WithShape(len(s.read), longest+1), tensor.WithBacking(d))}}
}

func (s *scriptedSession) SetState(x layers.State) error {
	if len(x) != 1 || x[0].Value.Dims() != 2 || x[0].Value.Shape()[0] != len(s.read) || x[0].Value.Shape()[1] != longest+1 {
		return errors.New("want another state")
	}
	d := x[0].Value.Int64s()
	for i := range s.read {
		s.read[i] = nil
		for _, id := range d[i*(longest+1)+1:][:d[i*(longest+1)]] {
			s.read[i] = append(s.read[i], int(id))
		}
	}
	return nil
}

func (s *scriptedSession) Reset() { clear(s.read) }
