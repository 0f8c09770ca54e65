package generate

import (
	"errors"
	"fmt"

	"github.com/gorgonia-s4/s4/layers"
)

// Request is a text that is to be written.
type Request struct {
	// Text is the prompt, for the tokenizer, unless Prompt has its tokens.
	Text   string
	Prompt []int
	// State is that of an earlier Result, of one row: its sequence goes on, with the
	// prompt behind it, which may be empty then. It is not changed, and may be given to
	// any number of requests. A state of the model alone, as Recurrence.State returns
	// it, does as well, and then the prompt may not be empty.
	State   layers.State
	Options Options
	// KeepState asks for Result.State.
	KeepState bool
}

// Piece is what a token has added to a text.
type Piece struct {
	// ID is the token, -1 for text that was held back by the tokens before, of a text
	// that ends without another one.
	ID int `json:"id"`
	// Token is the bytes of this token at its place: perhaps not a whole character.
	Token string `json:"token,omitempty"`
	// Text is what is certain of the text now and was not before: whole characters, ""
	// where what there is may be the beginning of one, or of a stop string.
	Text string `json:"text"`
	// LogProb and Top are those of Choice.
	LogProb float64        `json:"logprob"`
	Top     []TokenLogProb `json:"top,omitempty"`
}

// Why a text ended.
const (
	Stop      = "stop"      // a stop string, a stop id, or the end of the text
	Length    = "length"    // Options.MaxTokens
	Cancelled = "cancelled" // its context
	Failed    = "error"     // there is an error
)

// Usage counts tokens.
type Usage struct {
	Prompt     int `json:"prompt_tokens"`     // of the prompt; those of a state before it are not counted
	Completion int `json:"completion_tokens"` // written, the one that ended the text included
}

// Result is a text that has been written.
type Result struct {
	Text string `json:"text"` // what all pieces have together
	// IDs are all tokens that were written, those of a stop string and the one that
	// ended the text included.
	IDs          []int   `json:"ids"`
	LogProb      float64 `json:"logprob"` // the sum of those of the tokens
	FinishReason string  `json:"finish_reason"`
	StopString   string  `json:"stop_string,omitempty"` // the one that ended the text
	Usage        Usage   `json:"usage"`
	// State is where the sequence stands, behind all IDs, if Request.KeepState asks for
	// it and the prompt has been read: one row, to be saved by MarshalBinary and given
	// to another Request. Besides the tensors of the model it has three of integers:
	// the last token, which the model has yet to read, the latest tokens, and how many
	// there have been.
	State layers.State `json:"-"`
}

// Errors of what the tokenizer and the model of a Generator or an Engine do not fit.
var (
	errNoPrompt    = errors.New("want a prompt of at least one token, got none")
	errNoTokenizer = errors.New("want tokens in Request.Prompt where there is no tokenizer, got a text")
	errNoStops     = errors.New("want no stop strings where there is no tokenizer, got some")
)

// source is what requests are of: a model and its tokens.
type source struct {
	tokens Tokenizer // may be nil
	vocab  int
	eos    int
	root   *layers.Recurrence // parameters; never steps
	model  Model
}

// Model is what can write: a models.LanguageModel, or another that gives every token
// a score at each step.
type Model interface {
	// Recurrence returns the model as a recurrent network: Step maps ids (batch) of
	// dtype int to scores (batch, Vocab) of the token that follows, float32 or float64,
	// such as logits or log probabilities.
	Recurrence(batch int) (*layers.Recurrence, error)
	// Vocab returns the number of token ids.
	Vocab() int
}

// newSource checks a model and a tokenizer against each other.
func newSource(m Model, t Tokenizer) (*source, error) {
	if m == nil {
		return nil, errors.New("want a model, got nil")
	}
	s := &source{tokens: t, vocab: m.Vocab(), eos: -1, model: m}
	if s.vocab < 1 {
		return nil, fmt.Errorf("want a model of a vocabulary >= 1, got %d", s.vocab)
	}
	if t != nil {
		if n := t.Vocab(); n != s.vocab {
			return nil, fmt.Errorf("want a tokenizer with the %d tokens of the model, got one with %d", s.vocab, n)
		}
		if s.eos = t.EOS(); s.eos < -1 || s.eos >= s.vocab {
			return nil, fmt.Errorf("want an end of text in [-1, %d), got %d", s.vocab, s.eos)
		}
	}
	var err error
	s.root, err = m.Recurrence(1)
	return s, err
}

// begin checks a request and returns its row, whose prompt has yet to be read.
func (s *source) begin(q Request) (*row, error) {
	if err := q.Options.validateFor(s.vocab); err != nil {
		return nil, err
	}
	if s.tokens == nil && len(q.Options.Stop) > 0 {
		return nil, errNoStops
	}
	ids := q.Prompt
	if ids == nil && q.Text != "" {
		if s.tokens == nil {
			return nil, errNoTokenizer
		}
		var err error
		if ids, err = s.tokens.Encode(nil, []byte(q.Text)); err != nil {
			return nil, fmt.Errorf("the prompt: %w", err)
		}
	}
	for i, id := range ids {
		if id < 0 || id >= s.vocab {
			return nil, fmt.Errorf("the prompt: token %d: want an id in [0, %d), got %d", i, s.vocab, id)
		}
	}
	return s.newRow(q, ids)
}
