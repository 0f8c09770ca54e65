package models_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/corpus"
)

// text is a train.Text of so many words and bytes a token.
type text struct {
	ids          []int
	words, bytes int
}

func (t text) Len() int                   { return len(t.ids) }
func (t text) Read(dst []int, at int) int { return copy(dst, t.ids[at:]) }
func (t text) Words() int                 { return t.words }
func (t text) Bytes() int                 { return t.bytes }

// prose is a text of n of 7 token ids.
func prose(n int) text {
	t := text{words: 2 * n, bytes: 5 * n}
	for i := range n {
		t.ids = append(t.ids, (i*i+i/3)%7)
	}
	return t
}

// stepped returns -log p of each token of ids but the first, read step by step from
// the start of a sequence, float64.
func stepped(t *testing.T, m *models.LanguageModel, ids []int) (nll []float64) {
	t.Helper()
	r, err := m.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids[:len(ids)-1] {
		y, err := r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{id})))
		if err != nil {
			t.Fatal(err)
		}
		scores := testutil.Floats(y)
		var sum float64
		for _, s := range scores {
			sum += math.Exp(s)
		}
		nll = append(nll, math.Log(sum)-scores[ids[i+1]])
	}
	return nll
}

// naive returns the sum of -log p over all tokens but the first, each scored by a
// recurrence of its own that reads what the mode lets it see.
func naive(t *testing.T, m *models.LanguageModel, ids []int, cfg train.TextConfig) (sum float64) {
	t.Helper()
	last := len(ids) - 1
	switch cfg.Mode {
	case train.TextWindows:
		for at := 0; at < last; at += cfg.Window {
			for _, v := range stepped(t, m, ids[at:min(at+cfg.Window, last)+1]) {
				sum += v
			}
		}
	case train.TextSliding:
		for token := 1; token <= last; token++ {
			at := 0
			for at+cfg.Window < token {
				at += cfg.Stride
			}
			if cfg.Stride < cfg.Window { // the last window ends with the text
				at = max(min(at, last-cfg.Window), 0)
			}
			nll := stepped(t, m, ids[at:token+1])
			sum += nll[len(nll)-1]
		}
	case train.TextCarried:
		rows := max(1, cfg.Rows)
		at := 0
		for row := range rows { // the first ones are longer
			n := (last + rows - 1 - row) / rows
			for _, v := range stepped(t, m, ids[at:at+n+1]) {
				sum += v
			}
			at += n
		}
	}
	return sum
}

// mixed configures language models of 7 tokens over mixers of many kinds, all of which
// can carry a state.
func mixed() map[string]models.LanguageModelConfig {
	of := func(change func(*models.LanguageModelConfig), blocks ...layers.BlockConfig) models.LanguageModelConfig {
		cfg := models.LanguageModelConfig{Vocab: 7, Stack: layers.StackConfig{Blocks: blocks}}
		change(&cfg)
		return cfg
	}
	tied := func(c *models.LanguageModelConfig) { c.Tie = true }
	windows := decoder()
	windows.Stack.Blocks = windows.Stack.Blocks[1:]
	return map[string]models.LanguageModelConfig{
		"S4 and S4D": letters(), "Transformer of windows": windows,
		"S4 and feed-forward, tied": of(tied,
			layers.BlockConfig{Mixer: layers.S4Config{DModel: 4, DState: 4, LMax: 16}, PreNorm: true}, layers.BlockConfig{Mixer: layers.FeedForwardConfig{DModel: 4}, PreNorm: true}),
		"LSSL, no bias": of(func(c *models.LanguageModelConfig) { c.NoBias = true }, layers.BlockConfig{Mixer: layers.LSSLConfig{DModel: 4, DState: 4}}),
		"DSS, adaptive": of(func(c *models.LanguageModelConfig) { c.Cutoffs, c.DivVal = []int{3, 5}, 2 },
			layers.BlockConfig{Mixer: layers.DSSConfig{DModel: 4, DState: 4, LMax: 16}, PreNorm: true}),
		"GRU, adaptive, tied": of(func(c *models.LanguageModelConfig) { c.Tie, c.Cutoffs, c.DEmbed = true, []int{2}, 3 }, layers.BlockConfig{Mixer: layers.GRUConfig{DModel: 4}}),
		"LSTM, tied, dropout": of(func(c *models.LanguageModelConfig) { c.Tie, c.Dropout = true, 0.5 }, layers.BlockConfig{Mixer: layers.LSTMConfig{DModel: 4}}),
	}
}

// Every mode gives what a recurrence gives that reads token by token, whatever the
// mixers, the length of the last window and the rows of a batch.
func TestEvaluateTextIsTheRecurrence(t *testing.T) {
	for name, mc := range mixed() {
		m := newLanguageModel(t, mc, tensor.Float64)
		for _, n := range []int{2, 12, 23} {
			for _, cfg := range []train.TextConfig{
				{Mode: train.TextWindows, Window: 1},
				{Mode: train.TextWindows, Window: 5, Rows: 3},
				{Mode: train.TextWindows, Window: 11},
				{Mode: train.TextSliding, Window: 6, Stride: 2, Rows: 4},
				{Mode: train.TextSliding, Window: 7, Stride: 7},
				{Mode: train.TextSliding, Window: 4, Stride: 1, Rows: 2},
				{Mode: train.TextCarried, Window: 5},
				{Mode: train.TextCarried, Window: 1},
				{Mode: train.TextCarried, Window: 4, Rows: 1},
			} {
				checkText(t, fmt.Sprintf("%s, %d tokens, %+v", name, n, cfg), m, prose(n), cfg)
			}
		}
		checkText(t, name+", streams", m, prose(24), train.TextConfig{Mode: train.TextCarried, Window: 5, Rows: 3})
		checkText(t, name+", streams of windows", m, prose(25), train.TextConfig{Mode: train.TextCarried, Window: 4, Rows: 3})
	}
}

// checkText compares an evaluation with that of recurrences.
func checkText(t *testing.T, name string, m *models.LanguageModel, of text, cfg train.TextConfig) {
	t.Helper()
	e, err := train.NewEvaluator(m.WithCarry(cfg.Mode == train.TextCarried))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	got, err := e.EvaluateText(context.Background(), of, cfg)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	n := float64(len(of.ids) - 1)
	sum := naive(t, m, of.ids, cfg)
	for what, v := range map[string][2]float64{
		"nll": {got.NLL, sum}, "tokens": {float64(got.Tokens), n}, "perplexity": {got.Perplexity, math.Exp(sum / n)},
		"per word": {got.WordPerplexity, math.Exp(sum / (2 * n))}, "bits per byte": {got.BitsPerByte, sum / math.Ln2 / (5 * n)},
	} {
		if !(math.Abs(v[0]-v[1]) <= 1e-10*math.Abs(v[1])) {
			t.Errorf("%s: %s: got %v, want %v", name, what, v[0], v[1])
		}
	}
}

// A result says what it is of.
func TestEvaluateTextStatesTheVocabulary(t *testing.T) {
	m := newLanguageModel(t, letters(), tensor.Float32)
	e, err := train.NewEvaluator(m)
	check(err)
	defer e.Close()
	var seen []int
	of := prose(21)
	unknown := 0
	for _, id := range of.ids[1:] {
		if id == 2 || id == 4 {
			unknown++
		}
	}
	r, err := e.EvaluateText(context.Background(), of, train.TextConfig{Window: 8, Rows: 2, Vocabulary: "letter, 7 types", Unknown: []int{2, 4}}, func(tokens int) { seen = append(seen, tokens) })
	check(err)
	if !slices.Equal(seen, []int{16, 20}) {
		t.Errorf("progress %v", seen)
	}
	if r.Unknown != unknown || r.UnknownRate != float64(unknown)/20 {
		t.Errorf("got %d unknown, a rate of %v, want %d", r.Unknown, r.UnknownRate, unknown)
	}
	want := fmt.Sprintf("perplexity %.4g per token, %.4g per word, %.4g bits per byte (20 tokens, 40 words, 100 bytes; windows of 8 apart; vocabulary: letter, 7 types; %.3g %% unknown)", r.Perplexity, r.WordPerplexity, r.BitsPerByte, 100*r.UnknownRate)
	if r.String() != want {
		t.Errorf("got  %s\nwant %s", r, want)
	}
	for want, cfg := range map[string]train.TextConfig{
		"; a window of 8 moved on by 4; vocabulary: not said;": {Mode: train.TextSliding, Window: 8},
		"; a window of 1 moved on by 1; ":                      {Mode: train.TextSliding, Window: 1},
	} {
		if r, err := e.EvaluateText(context.Background(), of, cfg); err != nil || !strings.Contains(r.String(), want) {
			t.Errorf("got %v, error %v, want %q", r, err, want)
		}
	}
	c, err := train.NewEvaluator(m.WithCarry(true))
	check(err)
	defer c.Close()
	for rows, want := range map[int]string{1: "; windows of 8 with the state carried; ", 2: "; windows of 8 with the state carried, 2 streams; "} {
		if r, err := c.EvaluateText(context.Background(), text{ids: of.ids}, train.TextConfig{Mode: train.TextCarried, Window: 8, Rows: rows}); err != nil || !strings.Contains(r.String(), want) || strings.Contains(r.String(), "bytes") {
			t.Errorf("got %v, error %v, want %q", r, err, want)
		}
	}
}

func TestEvaluateTextErrors(t *testing.T) {
	m := newLanguageModel(t, letters(), tensor.Float32)
	nan := newLanguageModel(t, letters(), tensor.Float32)
	nan.Params()[0].Node.Value().(*tensor.Dense).Float32s()[3] = float32(math.NaN())
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	long := text{ids: slices.Repeat([]int{1}, 30)}
	long.ids[17] = 7
	windows := train.TextConfig{Window: 8}
	for _, c := range []struct {
		m    train.Model
		of   train.Text
		cfg  train.TextConfig
		want string
	}{
		{m, nil, windows, "train: EvaluateText: want a text, got nil"},
		{m, prose(1), windows, "train: EvaluateText: want a text of at least 2 tokens, the first of which is not scored, got 1"},
		{m, prose(9), train.TextConfig{}, "train: TextConfig: want Window >= 1, got 0"},
		{m, prose(9), train.TextConfig{Window: 1 << 40}, "train: TextConfig: want"},
		{m, prose(9), train.TextConfig{Mode: "whole", Window: 8}, `train: TextConfig: want Mode one of ["windows" "sliding" "carried"], got "whole"`},
		{m, prose(9), train.TextConfig{Window: 8, Rows: -1}, "want Rows >= 1, or 0 for 1, got -1"},
		{m, prose(9), train.TextConfig{Window: 8, Stride: 4}, `want no Stride: the mode is "windows", not "sliding", got 4`},
		{m, prose(9), train.TextConfig{Mode: train.TextSliding, Window: 8, Stride: 9}, "want Stride in [1, 8], the Window, or 0 for half of it, got 9"},
		{m, prose(9), train.TextConfig{Mode: train.TextCarried, Window: 8}, `mode "carried": want a model whose graphs carry a state (models.LanguageModel.WithCarry)`},
		{m.WithCarry(true), prose(9), windows, `mode "windows": want a model whose graphs carry no state (models.LanguageModel.WithCarry)`},
		{m, long, windows, "example 2: target of step 0: want a number in [0, 7), or -1 to ignore it, got 7"},
		{nan, prose(9), windows, "the loss is NaN"},
		{newClassifier(t, tokens(), tensor.Float32), prose(9), windows, `want input "target" to be int of shape (1, 8), as the data, got int of shape (1)`},
	} {
		e, err := train.NewEvaluator(c.m)
		check(err)
		if _, err := e.EvaluateText(context.Background(), c.of, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v, want %q", err, c.want)
		}
		check(e.Close())
	}
	e, err := train.NewEvaluator(m)
	check(err)
	defer e.Close()
	if _, err := e.EvaluateText(canceled, prose(9), windows); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}

// A corpus of words has as many words as tokens, and one of bytes as many bytes: per word
// or byte they compare, though their tokens do not.
func TestEvaluateTextOfACorpus(t *testing.T) {
	ctx := context.Background()
	const sentence = "the cat sat on the mat and the dog sat on the cat\n"
	for _, kind := range []string{"word", "byte"} {
		d, err := corpus.FromText(ctx, "cats", []byte(strings.Repeat(sentence, 40)), corpus.Config{Tokenizer: kind}, data.Room{})
		if err != nil {
			t.Fatal(err)
		}
		cfg := letters()
		cfg.Vocab = d.Tokenizer.Vocab()
		e, err := train.NewEvaluator(newLanguageModel(t, cfg, tensor.Float32))
		check(err)
		r, err := e.EvaluateText(ctx, d.Val, train.TextConfig{Window: 16, Vocabulary: kind})
		check(errors.Join(err, e.Close()))
		perWord := r.Perplexity
		if kind == "byte" {
			if bits := math.Log2(r.Perplexity); !(math.Abs(r.BitsPerByte-bits) <= 1e-12*bits) {
				t.Errorf("%v bits per byte, want %v", r.BitsPerByte, bits)
			}
			perWord = math.Exp(r.NLL / r.Words)
		}
		if !(math.Abs(r.WordPerplexity-perWord) <= 1e-9*perWord) || r.Tokens != d.Val.Len()-1 {
			t.Errorf("%s: %d tokens, %v per word, want %v", kind, r.Tokens, r.WordPerplexity, perWord)
		}
		check(d.Close())
	}
}
