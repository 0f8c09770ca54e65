package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/task"
)

// Text is a tokenised text that a language model is evaluated on. Its methods are
// called from several goroutines at once.
type Text interface {
	// Len returns the number of tokens.
	Len() int
	// Read fills dst with the token ids from at on, and returns how many there are.
	Read(dst []int, at int) int
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
	// TextWindows cuts the text into windows, each predicted from itself alone: what
	// is published as a rule. The first token of a window has the last one of the
	// window before it as its only context.
	TextWindows TextMode = "windows"
	// TextSliding moves a window on by a stride, and scores what it has not scored:
	// every token has at least Window - Stride tokens of context, where there are as
	// many before it. It costs Window/Stride times as much.
	TextSliding TextMode = "sliding"
	// TextCarried reads the text in windows too, and carries the state from each to
	// the next: every token has all those before it as context.
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
	w := newTextWindows(text, cfg)
	run := textRun{e: e, cfg: cfg, windows: w, batch: task.NewBatch(w), states: newCarry(), progress: progress}
	run.result = TextResult{Mode: cfg.Mode, Window: cfg.Window, Stride: cfg.Stride, Vocabulary: cfg.Vocabulary}
	if cfg.Mode == TextCarried {
		run.result.Streams = w.rows
	}
	for i := 0; i < w.Len(); {
		rows := w.together(i)
		if rows < w.rows && cfg.Mode == TextCarried { // the rest of the last stream
			if err := run.states.keepRow(w.rows-1, w.rows); err != nil {
				return nil, err
			}
		}
		if err := run.step(ctx, i, rows); err != nil {
			return nil, err
		}
		i += rows
	}
	if want := text.Len() - 1; run.result.Tokens != want {
		return nil, fmt.Errorf("want %d tokens scored, got %d", want, run.result.Tokens)
	}
	run.result.finish(text.Words(), text.Bytes())
	return &run.result, nil
}

// textRun is an evaluation on a text that is under way.
type textRun struct {
	e        *Evaluator
	cfg      TextConfig
	windows  *textWindows
	batch    *task.Batch
	states   *carry
	examples []int
	progress []func(tokens int)
	result   TextResult
}

// step scores windows i to i+rows.
func (r *textRun) step(ctx context.Context, i, rows int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.examples = r.examples[:0]
	for k := range rows {
		r.examples = append(r.examples, i+k)
	}
	if err := r.batch.Load(r.examples, rows, r.windows.Length(i)); err != nil {
		return err
	}
	s, err := r.e.t.session(task.Evaluation, r.batch)
	if err != nil {
		return err
	}
	if carries := len(s.states) > 0; carries != (r.cfg.Mode == TextCarried) {
		return fmt.Errorf("mode %q: want a model whose graphs %s (models.LanguageModel.WithCarry)", r.cfg.Mode, map[bool]string{true: "carry no state", false: "carry a state"}[carries])
	}
	out, err := s.run(r.batch, r.states)
	if err != nil {
		return err
	}
	r.states.commit()
	if err := r.score(out); err != nil {
		return err
	}
	for _, f := range r.progress {
		f(r.result.Tokens)
	}
	return nil
}

// score adds up what a batch gave.
func (r *textRun) score(out *task.Outputs) error {
	sum, err := nats(out)
	if err != nil {
		return err
	}
	r.result.NLL += sum
	target, err := r.batch.Array(task.Target)
	if err != nil {
		return err
	}
	for _, id := range target.Ints {
		if id == task.Ignore {
			continue
		}
		r.result.Tokens++
		if slices.Contains(r.cfg.Unknown, id) {
			r.result.Unknown++
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

// textWindows is the windows of a text, in the order in which they run, as a data
// set: the tokens are task.X, and task.Target those that follow, task.Ignore where
// another window scores them.
type textWindows struct {
	text    Text
	mode    TextMode
	inputs  int // tokens that another follows
	length  int
	stride  int
	rows    int
	stream  int // inputs of a stream, of TextCarried
	windows int
}

func newTextWindows(text Text, cfg TextConfig) *textWindows {
	w := &textWindows{text: text, mode: cfg.Mode, inputs: text.Len() - 1, length: cfg.Window, stride: cfg.Window, rows: cfg.Rows}
	switch cfg.Mode {
	case TextSliding:
		w.stride = cfg.Stride
		w.windows = 1 + ceil(max(0, w.inputs-w.length), w.stride)
	case TextWindows:
		w.windows = ceil(w.inputs, w.length)
	case TextCarried:
		w.rows = min(w.rows, w.inputs)
		w.stream = w.inputs / w.rows
		w.windows = ceil(w.stream, w.length)*w.rows + ceil(w.rest(), w.length)
	}
	return w
}

func ceil(a, b int) int { return (a + b - 1) / b }

// rest is how much longer the last stream is than the others.
func (w *textWindows) rest() int { return w.inputs - w.rows*w.stream }

// window returns where a window begins, its length, and how many of its first
// targets another window has scored.
func (w *textWindows) window(i int) (at, n, scored int) {
	if w.mode != TextCarried {
		at = i * w.stride
		if i > 0 {
			scored = w.length - w.stride
		}
		return at, min(w.length, w.inputs-at), scored
	}
	of := ceil(w.stream, w.length) * w.rows
	if i >= of {
		at = w.rows*w.stream + (i-of)*w.length
		return at, min(w.length, w.inputs-at), 0
	}
	step := i / w.rows * w.length
	return i%w.rows*w.stream + step, min(w.length, w.stream-step), 0
}

// together returns how many windows from i on are of one length and run as a batch.
func (w *textWindows) together(i int) int {
	if w.mode == TextCarried {
		if i >= ceil(w.stream, w.length)*w.rows {
			return 1
		}
		return w.rows
	}
	n := 1
	for n < w.rows && i+n < w.windows && w.Length(i+n) == w.Length(i) {
		n++
	}
	return n
}

// Fields implements task.Dataset.
func (w *textWindows) Fields() []task.Field {
	return []task.Field{task.Tokens(task.X, 0), task.Labels(task.Target)}
}

// Len implements task.Dataset.
func (w *textWindows) Len() int { return w.windows }

// Length implements task.Dataset.
func (w *textWindows) Length(i int) int {
	_, n, _ := w.window(i)
	return n
}

// Origin implements task.Located.
func (w *textWindows) Origin(i int) string {
	at, n, _ := w.window(i)
	return fmt.Sprintf("tokens %d to %d of the text", at, at+n)
}

// Example implements task.Dataset.
func (w *textWindows) Example(i int, row *task.Row) error {
	at, n, scored := w.window(i)
	ids := make([]int, n+1)
	if got := w.text.Read(ids, at); got != n+1 {
		return fmt.Errorf("want %d tokens from %d on, of a text of %d, got %d", n+1, at, w.text.Len(), got)
	}
	row.Ints(task.X, ids[:n]...)
	for k := range scored {
		ids[1+k] = task.Ignore
	}
	row.Ints(task.Target, ids[1:]...)
	return nil
}
