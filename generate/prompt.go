package generate

import (
	"context"
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/layers"
)

// Prompts reads prompts, many tokens at a time: a models.Prefill does. It is for one
// goroutine.
type Prompts interface {
	// Read reads tokens from a state of one row, nil for the start of a sequence, and
	// returns scores (1, Vocab) of the token that follows the last one, and the state
	// behind it, as that of a Recurrence is. x0 is not changed.
	Read(ctx context.Context, x0 layers.State, ids []int) (scores *tensor.Dense, x1 layers.State, err error)
}

// slice is how many tokens of a prompt are read before others have their turn. All
// that read a prompt cut it at the same places, so that all read the same numbers.
const slice = 4096

// read reads the next slice of a row's prompt. Behind the last one it returns the
// scores; of a request that writes nothing the last token is left for later.
func (r *row) read(ctx context.Context, p Prompts) (scores *tensor.Dense, err error) {
	ids := r.prompt
	if r.o.MaxTokens == 0 {
		ids = ids[:len(ids)-1]
	}
	n := min(slice, len(ids))
	if n > 0 {
		var x1 layers.State
		if scores, x1, err = readGuarded(ctx, p, r.x0, ids[:n]); err != nil {
			return nil, fmt.Errorf("the prompt: %w", err)
		}
		r.x0 = x1
	}
	r.prompt = r.prompt[n:]
	switch {
	case len(ids) > n:
		return nil, nil
	case r.o.MaxTokens == 0:
		r.prompt = nil
		r.finish(Length)
		return nil, nil
	}
	return scores, nil
}

// readGuarded is Read, where a panic of a model is an error.
func readGuarded(ctx context.Context, p Prompts, x0 layers.State, ids []int) (scores *tensor.Dense, x1 layers.State, err error) {
	defer guard.Panic(&err)
	return p.Read(ctx, x0, ids)
}

// steps reads prompts step by step.
type steps struct {
	r  *layers.Recurrence
	id *tensor.Dense // (1)
}

// newPrompts returns what reads prompts.
func (s *source) newPrompts() (Prompts, error) {
	r, err := s.root.Fork(1)
	if err != nil {
		return nil, err
	}
	return &steps{r, tensor.New(tensor.WithShape(1), tensor.WithBacking(make([]int, 1)))}, nil
}

// Read implements Prompts.
func (p *steps) Read(ctx context.Context, x0 layers.State, ids []int) (scores *tensor.Dense, x1 layers.State, err error) {
	p.r.Reset()
	if len(x0) > 0 {
		if err := p.r.SetState(x0); err != nil {
			return nil, nil, err
		}
	}
	for i, id := range ids {
		if cancelled(ctx) {
			return nil, nil, context.Cause(ctx)
		}
		p.id.Ints()[0] = id
		if scores, err = p.r.Step(p.id); err != nil {
			return nil, nil, fmt.Errorf("token %d: %w", i, err)
		}
	}
	return scores, p.r.State().Clone(), nil
}

// refresh reads the parameters again, for all that are of the source.
func (s *source) refresh() error { return s.root.Refresh() }
