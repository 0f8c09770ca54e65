package generate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

// Generator writes texts with a model. It is safe for many goroutines.
//
// The model's parameters are read when the Generator is made, and again by Refresh.
type Generator struct {
	of      *source
	maxRows int
	mu      sync.Mutex
	idle    []*prompts // that nobody reads with
}

// Option is an option of a Generator.
type Option func(*Generator) error

// WithRows says how many texts Batch writes at a time, 64 unless it is given: the
// memory is that of the states of so many.
func WithRows(n int) Option {
	return func(g *Generator) error {
		if n < 1 {
			return fmt.Errorf("WithRows: want at least 1 row, got %d", n)
		}
		g.maxRows = n
		return nil
	}
}

// New returns a Generator that writes with a model, in the tokens of a tokenizer. Without
// one, nil, prompts are token ids, and texts are empty.
func New(m Model, t Tokenizer, opts ...Option) (*Generator, error) {
	of, err := newSource(m, t)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	g := &Generator{of: of, maxRows: 64}
	for _, o := range opts {
		if err := o(g); err != nil {
			return nil, fmt.Errorf("generate: %w", err)
		}
	}
	return g, nil
}

// Refresh reads the model's parameters again, after training steps, for texts that
// begin later. It may not be called while they change.
func (g *Generator) Refresh() error {
	if err := g.of.refresh(); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	return nil
}

// Text writes what follows a prompt. emit, unless it is nil, gets every piece as soon
// as it is there; its error ends the text, and is returned with what was written.
//
// That ctx ends is no error: the result is what was written until then, with
// FinishReason Cancelled.
func (g *Generator) Text(ctx context.Context, prompt string, o Options, emit func(Piece) error) (*Result, error) {
	return g.Write(ctx, Request{Text: prompt, Options: o}, emit)
}

// Write is Text for a Request: of tokens, or from a state.
func (g *Generator) Write(ctx context.Context, q Request, emit func(Piece) error) (*Result, error) {
	r, err := g.of.begin(q)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	r.emit = emit
	results, err := g.run(ctx, []*row{r})
	if err != nil {
		err = fmt.Errorf("generate: %w", err)
	}
	return results[0], err
}

// Batch writes the texts of several requests together, each as if it were alone. emit,
// unless it is nil, gets the pieces of request i; its error ends that text. The results
// are in the order of the requests; those that failed have FinishReason Failed, and
// their errors are joined, with the numbers of the requests.
func (g *Generator) Batch(ctx context.Context, qs []Request, emit func(i int, p Piece) error) ([]*Result, error) {
	rows := make([]*row, len(qs))
	for i, q := range qs {
		var err error
		if rows[i], err = g.of.begin(q); err != nil {
			return nil, fmt.Errorf("generate: request %d: %w", i, err)
		}
		if emit != nil {
			rows[i].emit = func(p Piece) error { return emit(i, p) }
		}
	}
	results, err := g.run(ctx, rows)
	if err != nil {
		err = fmt.Errorf("generate: %w", err)
	}
	return results, err
}

// run writes the texts of rows, so many at a time as the Generator has, and returns
// their results.
func (g *Generator) run(ctx context.Context, rows []*row) ([]*Result, error) {
	w := &writing{of: g.of, ctx: ctx, results: make([]*Result, len(rows)), number: map[*row]int{}}
	for i, r := range rows {
		w.number[r] = i
	}
	var err error
	if w.prompts, err = g.takePrompts(); err == nil {
		err = w.all(rows, g.maxRows)
		g.givePrompts(w.prompts)
	}
	for i, r := range rows {
		if w.results[i] == nil { // something that is of none of them has gone wrong
			r.fail(err)
			w.results[i] = r.done(nil, false)
			continue
		}
		if r.err != nil && len(rows) > 1 {
			err = errors.Join(err, fmt.Errorf("request %d: %w", i, r.err))
		} else {
			err = errors.Join(err, r.err)
		}
	}
	return w.results, err
}

// takePrompts returns something that reads prompts, and givePrompts gives it back.
func (g *Generator) takePrompts() (*prompts, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.idle); n > 0 {
		p := g.idle[n-1]
		g.idle = g.idle[:n-1]
		return p, nil
	}
	return g.of.newPrompts()
}

func (g *Generator) givePrompts(p *prompts) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idle = append(g.idle, p)
}

// writing is the texts of one call.
type writing struct {
	of      *source
	ctx     context.Context
	prompts *prompts
	number  map[*row]int
	results []*Result
}

// all writes the texts of all rows, at most so many at a time.
func (w *writing) all(rows []*row, atOnce int) error {
	g := newGroup(w.of)
	var join []*row
	for len(rows) > 0 || len(g.rows) > 0 {
		for len(rows) > 0 && len(g.rows)+len(join) < atOnce {
			r := rows[0]
			rows = rows[1:]
			if w.begin(r, &g.scratch[0]); !r.ended() {
				join = append(join, r)
			}
		}
		if len(join) > 0 || g.leaving() {
			if err := g.regroup(join...); err != nil {
				return err
			}
			join = join[:0]
		}
		if len(g.rows) == 0 {
			continue
		}
		if err := w.step(g); err != nil {
			return err
		}
	}
	return nil
}

// begin reads the prompt of a row and writes its first token.
func (w *writing) begin(r *row, mem *scratch) {
	for !r.ended() {
		scores, err := (*tensor.Dense)(nil), error(nil)
		if !cancelled(w.ctx) {
			scores, err = r.read(w.ctx, w.prompts)
		}
		switch {
		case cancelled(w.ctx):
			r.cancel()
			w.results[w.number[r]] = r.done(nil, false)
			return
		case err != nil:
			r.fail(err)
		case scores != nil:
			r.choose(scores, 0, mem)
			if !r.write() {
				return
			}
		}
	}
	w.results[w.number[r]] = r.done(r.x0, r.err == nil)
}

// step steps the rows of a group. Those that have ended then have results.
func (w *writing) step(g *group) error {
	stop, stepped := cancelled(w.ctx), true
	if !stop {
		if err := g.step(); err != nil {
			g.isolate(err)
			stepped = false
		}
	}
	for i, r := range g.rows {
		if stop {
			r.cancel()
		} else if stepped {
			r.write()
		}
		if !r.ended() {
			continue
		}
		var x layers.State
		if r.keep && r.err == nil {
			var err error
			if x, err = g.state(i); err != nil {
				return err
			}
		}
		w.results[w.number[r]] = r.done(x, r.err == nil)
	}
	return nil
}
