package serve

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/generate"
)

// answer is a response, or a part of one that is streamed.
type answer struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage,omitempty"`
}

// usage counts tokens.
type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// choice is one text, or the next part of it.
type choice struct {
	Text         string    `json:"text"`
	Index        int       `json:"index"`
	LogProbs     *logProbs `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"`
	Session      string    `json:"session,omitempty"`
	SessionError string    `json:"session_error,omitempty"`
}

// logProbs are those of the tokens of a text.
type logProbs struct {
	Tokens     []string             `json:"tokens"`
	TokenProbs []float64            `json:"token_logprobs"`
	Top        []map[string]float64 `json:"top_logprobs"`
	TextOffset []int                `json:"text_offset"` // characters
}

// leastLogProb stands for -Inf, which JSON has not.
const leastLogProb = -9999

// add appends a token whose text begins behind offset characters.
func (l *logProbs) add(t generate.Tokenizer, p generate.Piece, offset int) {
	top := make(map[string]float64, len(p.Top)+1)
	for _, r := range p.Top {
		top[tokenName(string(t.Decode(nil, r.ID)))] = max(r.LogProb, leastLogProb)
	}
	name, own := tokenName(p.Token), max(p.LogProb, leastLogProb)
	if _, there := top[name]; !there {
		top[name] = own
	}
	l.Tokens = append(l.Tokens, name)
	l.TokenProbs = append(l.TokenProbs, own)
	l.Top = append(l.Top, top)
	l.TextOffset = append(l.TextOffset, offset)
}

// tokenName is the text of a token, or where it is no whole characters its bytes.
func tokenName(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	b.WriteString("bytes:")
	for i := range len(text) {
		fmt.Fprintf(&b, `\x%02x`, text[i])
	}
	return b.String()
}

// text is a choice as it is written.
type text struct {
	index  int
	answer strings.Builder // what has not been sent
	probs  *logProbs       // nil: not wanted
	offset int             // characters of the tokens so far
	result *generate.Result
}

// newText is the text of a choice, which begins with an echo of the prompt.
func newText(index int, probs bool, echo string) *text {
	t := &text{index: index}
	t.answer.WriteString(echo)
	if probs {
		t.probs = &logProbs{}
	}
	return t
}

// add takes a piece.
func (t *text) add(tok generate.Tokenizer, p generate.Piece) {
	t.answer.WriteString(p.Text)
	if t.probs == nil || p.ID < 0 {
		return
	}
	t.probs.add(tok, p, t.offset)
	for i := range len(p.Token) {
		if utf8.RuneStart(p.Token[i]) {
			t.offset++
		}
	}
}

// empty says whether there is nothing to send.
func (t *text) empty() bool {
	return t.answer.Len() == 0 && (t.probs == nil || len(t.probs.Tokens) == 0)
}

// send returns what has been added since the last time.
func (t *text) send() choice {
	c := choice{Text: t.answer.String(), Index: t.index}
	t.answer.Reset()
	if t.probs != nil && len(t.probs.Tokens) > 0 {
		c.LogProbs, t.probs = t.probs, &logProbs{}
	}
	return c
}

// meanLogProb is that of the tokens of a text, by which the best of several is chosen.
func meanLogProb(r *generate.Result) float64 {
	if len(r.IDs) == 0 {
		return math.Inf(-1)
	}
	return r.LogProb / float64(len(r.IDs))
}
