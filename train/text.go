package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/task"
)

// Text is a tokenised text that a language model is evaluated on, as a corpus.Tokens is.
type Text interface {
	task.Sequence
	// Words and Bytes return how many words and bytes the text has that the tokens
	// are of, whatever the vocabulary: what a perplexity per word and bits per byte
	// are over. 0 means that it is not known.
	Words() int
	Bytes() int
}

// TextMode says what a token of a text is predicted from.
type TextMode string

// The modes.
const (
	// TextWindows cuts the text into windows, each predicted from itself alone, as
	// task.Windows has them: what is published as a rule.
	TextWindows TextMode = "windows"
	// TextSliding moves a window on by a stride, and scores what has not been scored:
	// every token has at least Window - Stride tokens of context, where there are as
	// many before it. It costs Window/Stride times as much.
	TextSliding TextMode = "sliding"
	// TextCarried reads the text in windows too, as task.Streams has them, and carries
	// the state from each to the next: every token has all those before it as context.
	TextCarried TextMode = "carried"
)

// TextConfig says how a language model is evaluated on a text.
type TextConfig struct {
	Mode TextMode // "" means TextWindows
	// Window is the number of tokens that the model reads at once.
	Window int
	// Stride is how far a sliding window moves on; 0 means half of it.
	Stride int
	// Rows is the number of windows of a batch; 0 means 1. With TextCarried it is the
	// number of streams that the text is cut into, each from a state of its own: 1
	// gives every token all the context that there is.
	Rows int

	// Vocabulary says in words what the tokens are, "word, 33278 types": perplexities
	// per token of two vocabularies do not compare. It goes into the result.
	Vocabulary string
	// Unknown are the token ids that stand for what the vocabulary does not have, if
	// there are any: a model that predicts them well has predicted little.
	Unknown []int
}

// withDefaults replaces zero values by what they stand for.
func (c TextConfig) withDefaults() TextConfig {
	if c.Mode == "" {
		c.Mode = TextWindows
	}
	if c.Rows == 0 {
		c.Rows = 1
	}
	if c.Mode == TextSliding && c.Stride == 0 {
		c.Stride = (c.Window + 1) / 2
	}
	return c
}

// Validate reports the first field that is out of range.
func (c TextConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("train: TextConfig: %w", err)
	}
	return nil
}

func (c TextConfig) validate() error {
	modes := []TextMode{TextWindows, TextSliding, TextCarried}
	switch {
	case !slices.Contains(modes, c.Mode):
		return fmt.Errorf("want Mode one of %q, got %q", modes, c.Mode)
	case c.Window < 1:
		return fmt.Errorf("want Window >= 1, got %d", c.Window)
	case c.Rows < 1:
		return fmt.Errorf("want Rows >= 1, or 0 for 1, got %d", c.Rows)
	case c.Mode != TextSliding && c.Stride != 0:
		return fmt.Errorf("want no Stride: the mode is %q, not %q, got %d", c.Mode, TextSliding, c.Stride)
	case c.Mode == TextSliding && (c.Stride < 1 || c.Stride > c.Window):
		return fmt.Errorf("want Stride in [1, %d], the Window, or 0 for half of it, got %d", c.Window, c.Stride)
	}
	return size.First(size.Length("Window", c.Window), size.Tensor("a batch (Rows, Window)", c.Rows, c.Window))
}

// TextResult is what an evaluation on a text gives. Every token but the first has
// been scored once.
type TextResult struct {
	Mode       TextMode `json:"mode"`
	Window     int      `json:"window"`
	Stride     int      `json:"stride,omitempty"`
	Streams    int      `json:"streams,omitempty"` // with TextCarried
	Vocabulary string   `json:"vocabulary,omitempty"`

	Tokens  int     `json:"tokens"`            // that were scored
	Words   float64 `json:"words,omitempty"`   // that those stand for; 0: not known
	Bytes   float64 `json:"bytes,omitempty"`   // likewise
	Unknown int     `json:"unknown,omitempty"` // of the tokens
	NLL     float64 `json:"nll"`               // the sum of all -log p, in nats

	Perplexity     float64 `json:"perplexity"` // per token
	WordPerplexity float64 `json:"word_perplexity,omitempty"`
	BitsPerByte    float64 `json:"bits_per_byte,omitempty"`
	UnknownRate    float64 `json:"unknown_rate"` // Unknown / Tokens
}

// finish computes what follows from the sums. A text has one token more than are
// scored: of its words and bytes so many are, one in Tokens + 1 is not.
func (r *TextResult) finish(words, bytes int) {
	n := float64(r.Tokens)
	r.Words, r.Bytes = float64(words)*n/(n+1), float64(bytes)*n/(n+1)
	r.Perplexity = math.Exp(r.NLL / n)
	if words > 0 {
		r.WordPerplexity = math.Exp(r.NLL / r.Words)
	}
	if bytes > 0 {
		r.BitsPerByte = r.NLL / math.Ln2 / r.Bytes
	}
	r.UnknownRate = float64(r.Unknown) / n
}

// plainText is a TextResult without its methods.
type plainText TextResult

// textJSON is a TextResult in JSON. Its numbers take the place of those of the same names:
// a text of few words can have a perplexity for each of them that is no float64.
type textJSON struct {
	*plainText
	NLL            anyNumber `json:"nll"`
	Perplexity     anyNumber `json:"perplexity"`
	WordPerplexity anyNumber `json:"word_perplexity,omitempty"`
	BitsPerByte    anyNumber `json:"bits_per_byte,omitempty"`
}

// MarshalJSON implements json.Marshaler. Numbers that JSON has not are text.
func (r TextResult) MarshalJSON() ([]byte, error) {
	p := plainText(r)
	return json.Marshal(textJSON{&p, anyNumber(r.NLL), anyNumber(r.Perplexity), anyNumber(r.WordPerplexity), anyNumber(r.BitsPerByte)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *TextResult) UnmarshalJSON(text []byte) error {
	v := textJSON{plainText: new(plainText)}
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	*r = TextResult(*v.plainText)
	r.NLL, r.Perplexity = float64(v.NLL), float64(v.Perplexity)
	r.WordPerplexity, r.BitsPerByte = float64(v.WordPerplexity), float64(v.BitsPerByte)
	return nil
}

// String states the numbers and, so that they are compared with what they compare
// with, the vocabulary and the context:
//
//	perplexity 20.95 per token, 20.95 per word, 0.971 bits per byte (217645 tokens, 217645 words, 1121676 bytes; windows of 8192 apart; vocabulary: word, 267735 types; 0 % unknown)
func (r TextResult) String() string {
	numbers := []string{fmt.Sprintf("perplexity %.4g per token", r.Perplexity)}
	counts := []string{fmt.Sprintf("%d tokens", r.Tokens)}
	if r.Words > 0 {
		numbers = append(numbers, fmt.Sprintf("%.4g per word", r.WordPerplexity))
		counts = append(counts, fmt.Sprintf("%.0f words", r.Words))
	}
	if r.Bytes > 0 {
		numbers = append(numbers, fmt.Sprintf("%.4g bits per byte", r.BitsPerByte))
		counts = append(counts, fmt.Sprintf("%.0f bytes", r.Bytes))
	}
	vocabulary := r.Vocabulary
	if vocabulary == "" {
		vocabulary = "not said"
	}
	return fmt.Sprintf("%s (%s; %s; vocabulary: %s; %.3g %% unknown)",
		strings.Join(numbers, ", "), strings.Join(counts, ", "), r.context(), vocabulary, 100*r.UnknownRate)
}

// context says what a token was predicted from.
func (r TextResult) context() string {
	switch {
	case r.Mode == TextSliding:
		return fmt.Sprintf("a window of %d moved on by %d", r.Window, r.Stride)
	case r.Mode == TextCarried && r.Streams > 1:
		return fmt.Sprintf("windows of %d with the state carried, %d streams", r.Window, r.Streams)
	case r.Mode == TextCarried:
		return fmt.Sprintf("windows of %d with the state carried", r.Window)
	}
	return fmt.Sprintf("windows of %d apart", r.Window)
}

// EvaluateText scores every token of a text but the first once, and returns
// perplexities and bits per byte, from the sum over all of them. The model's graphs
// read task.X and have an output task.NLL; with TextCarried they have States, and
// otherwise none (see models.LanguageModel.WithCarry). progress, if there is one, is
// called after each batch with the number of tokens scored so far.
func (e *Evaluator) EvaluateText(ctx context.Context, text Text, cfg TextConfig, progress ...func(tokens int)) (*TextResult, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r, err := e.evaluateText(ctx, text, cfg.withDefaults(), progress)
	if err != nil {
		return nil, fmt.Errorf("train: EvaluateText: %w", err)
	}
	return r, nil
}

func (e *Evaluator) evaluateText(ctx context.Context, text Text, cfg TextConfig, progress []func(tokens int)) (*TextResult, error) {
	if text == nil {
		return nil, errors.New("want a text, got nil")
	}
	if n := text.Len(); n < 2 {
		return nil, fmt.Errorf("want a text of at least 2 tokens, the first of which is not scored, got %d", n)
	}
	ds, err := cfg.dataset(text)
	if err != nil {
		return nil, err
	}
	r := &TextResult{Mode: cfg.Mode, Window: cfg.Window, Stride: cfg.Stride, Vocabulary: cfg.Vocabulary}
	if cfg.Mode == TextCarried {
		r.Streams = cfg.Rows
	}
	err = e.eachOfText(ctx, ds, cfg, func(out *task.Outputs, b *task.Batch) error {
		if err := r.add(out, b, cfg.Unknown); err != nil {
			return err
		}
		for _, f := range progress {
			f(r.Tokens)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if want := text.Len() - 1; r.Tokens != want {
		return nil, fmt.Errorf("want %d tokens scored, got %d", want, r.Tokens)
	}
	r.finish(text.Words(), text.Bytes())
	return r, nil
}

// dataset returns the windows of a text.
func (c TextConfig) dataset(text Text) (task.Dataset, error) {
	switch c.Mode {
	case TextSliding:
		return task.NewSliding(text, c.Window, c.Stride)
	case TextCarried:
		return task.StreamsOf(text, c.Rows, c.Window)
	}
	return task.NewWindows(text, c.Window)
}

// eachOfText calls f with each batch of a text and what the model makes of it.
func (e *Evaluator) eachOfText(ctx context.Context, ds task.Dataset, cfg TextConfig, f func(*task.Outputs, *task.Batch) error) error {
	l, err := newLoader(ds, LoaderConfig{BatchSize: cfg.Rows})
	if err != nil {
		return err
	}
	batches, err := l.Stream(ctx, Position{}, 1)
	if err != nil {
		return err
	}
	defer batches.Close()
	for states := newCarry(); ; states.commit() {
		b, err := batches.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		s, err := e.t.session(task.Evaluation, b)
		if err != nil {
			return err
		}
		if err := cfg.checkStates(s); err != nil {
			return err
		}
		out, err := s.run(b, states)
		if err == nil {
			err = f(out, b)
		}
		if err != nil {
			return err
		}
	}
}

// checkStates reports a model that carries a state where none is to be, or none.
func (c TextConfig) checkStates(s *session) error {
	switch carries := len(s.states) > 0; {
	case carries && c.Mode != TextCarried:
		return fmt.Errorf("mode %q: want a model whose graphs carry no state (models.LanguageModel.WithCarry)", c.Mode)
	case !carries && c.Mode == TextCarried:
		return fmt.Errorf("mode %q: want a model whose graphs carry a state (models.LanguageModel.WithCarry)", c.Mode)
	}
	return nil
}

// add counts a batch too.
func (r *TextResult) add(out *task.Outputs, b *task.Batch, unknown []int) error {
	sum, err := nats(out)
	if err != nil {
		return err
	}
	r.NLL += sum
	target, err := b.Array(task.Target)
	if err != nil {
		return err
	}
	for _, id := range target.Ints {
		if id == task.Ignore {
			continue
		}
		r.Tokens++
		if slices.Contains(unknown, id) {
			r.Unknown++
		}
	}
	return nil
}

// nats returns the sum of output task.NLL.
func nats(out *task.Outputs) (float64, error) {
	a, err := out.Array(task.NLL)
	if err != nil {
		return 0, err
	}
	if a.Float32s != nil {
		return total(a.Float32s), nil
	}
	return total(a.Float64s), nil
}

// total returns the sum of numbers.
func total[T num.Float](s []T) (sum float64) {
	for _, v := range s {
		sum += float64(v)
	}
	return sum
}
