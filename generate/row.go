package generate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

// row is a sequence that is being written.
type row struct {
	of      *source
	o       Options
	keep    bool
	x0      layers.State // before prompt; nil: the start
	prompt  []int        // what the model has to read first
	sampler *Sampler
	writer  *writer // nil: there is no tokenizer
	next    int     // the token that the model reads at its next step

	choice Choice
	text   strings.Builder
	result Result
	err    error
	emit   func(Piece) error // may be nil
	stream *Stream           // of an Engine's
}

// newRow returns the row of a request that is checked but for its state.
func (s *source) newRow(q Request, ids []int) (*row, error) {
	p, err := s.placeOf(q.State)
	if err != nil {
		return nil, err
	}
	if len(p.model) > 0 {
		if err := s.check(p.model); err != nil {
			return nil, err
		}
	}
	r := &row{of: s, o: q.Options, keep: q.KeepState, x0: p.model, sampler: newSampler(s.vocab, q.Options)}
	r.result.Usage.Prompt = len(ids)
	seen := r.sampler.seen
	seen.goOn(p.seen, p.count)
	for _, id := range ids {
		seen.add(id, false)
	}
	if p.next >= 0 {
		r.prompt = append(r.prompt, p.next)
	}
	if r.prompt = append(r.prompt, ids...); len(r.prompt) == 0 {
		return nil, errNoPrompt
	}
	r.next = r.prompt[len(r.prompt)-1]
	if s.tokens != nil {
		r.writer = newWriter(s.tokens, q.Options.Stop, r.latest())
	}
	return r, nil
}

// latest returns the latest tokens.
func (r *row) latest() []int {
	ids := r.sampler.seen.latest(nil, remembered)
	for i, id := range ids {
		ids[i] = idOf(id)
	}
	return ids
}

// choose chooses the next token of row i of scores. Rows do so at the same time, each
// with scratch memory of its own.
func (r *row) choose(scores *tensor.Dense, i int, mem *scratch) {
	r.choice, r.err = r.sampler.choose(scores, i, mem)
}

// write writes the token that has been chosen, and says whether the text has ended.
func (r *row) write() (ended bool) {
	if r.err != nil {
		r.fail(fmt.Errorf("step %d, token %d of the text: %w", r.sampler.seen.count-1, len(r.result.IDs), r.err))
		return true
	}
	c := r.choice
	r.next = c.ID
	r.sampler.seen.add(c.ID, true)
	r.result.IDs = append(r.result.IDs, c.ID)
	r.result.LogProb += c.LogProb
	r.result.Usage.Completion++
	p := Piece{ID: c.ID, LogProb: c.LogProb, Top: c.Top}
	end := r.ends(c.ID)
	if r.writer != nil {
		end = r.spell(&p, end)
	}
	if err := r.give(p); err != nil {
		r.fail(err)
		return true
	}
	if end != "" {
		r.finish(end)
	}
	return end != ""
}

// ends says why a text ends with a token, "" if it does not.
func (r *row) ends(id int) string {
	switch {
	case id == r.of.eos && !r.o.IgnoreEOS, slices.Contains(r.o.StopIDs, id):
		return Stop
	case r.result.Usage.Completion >= r.o.MaxTokens:
		return Length
	}
	return ""
}

// spell gives a piece its text, and returns why the text ends with it.
func (r *row) spell(p *Piece, end string) string {
	token := r.writer.token(p.ID)
	if end == Stop {
		p.Token = string(token)
		p.Text = r.writer.flush(false)
		return end
	}
	p.Text = r.writer.write(token)
	if p.Token = p.Text; string(token) != p.Text {
		p.Token = string(token)
	}
	if r.writer.found != "" {
		r.result.StopString = r.writer.found
		return Stop
	}
	if end == Length {
		p.Text += r.writer.flush(true)
	}
	return end
}

// give gives a piece out.
func (r *row) give(p Piece) error {
	r.text.WriteString(p.Text)
	if r.emit == nil {
		return nil
	}
	return r.emit(p)
}

// fail ends a text with an error.
func (r *row) fail(err error) {
	r.err = err
	r.finish(Failed)
}

// cancel ends a text whose context has ended.
func (r *row) cancel() {
	r.finish(Cancelled)
	if r.writer == nil {
		return
	}
	if rest := r.writer.flush(true); rest != "" {
		if err := r.give(Piece{ID: -1, Text: rest}); err != nil {
			r.fail(err)
		}
	}
}

// finish ends a text.
func (r *row) finish(reason string) { r.result.FinishReason = reason }

// ended says whether the text has ended.
func (r *row) ended() bool { return r.result.FinishReason != "" }

// done returns the result, with the state behind its tokens if model is that of the
// model before the last of them.
func (r *row) done(model layers.State, known bool) *Result {
	out := r.result
	out.Text = r.text.String()
	if r.keep && known {
		seen := r.sampler.seen
		p := place{model: model, next: r.next, seen: seen.latest(nil, len(seen.ring)), count: seen.count}
		out.State = p.state()
	}
	return &out
}

// cancelled says whether a context has ended.
func cancelled(ctx context.Context) bool { return ctx.Err() != nil }
