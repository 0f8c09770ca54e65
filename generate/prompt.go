package generate

import (
	"context"
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/layers"
)

// slice is how many tokens of a prompt are read before others have their turn. All
// that read a prompt cut it at the same places, so that all read the same numbers.
const slice = 1024

// read reads the next slice of a row's prompt. Behind the last one it returns the
// scores; of a request that writes nothing the last token is left for later.
func (r *row) read(ctx context.Context, p *prompts) (scores *tensor.Dense, err error) {
	ids := r.prompt
	if r.o.MaxTokens == 0 {
		ids = ids[:len(ids)-1]
	}
	n := min(slice, len(ids))
	if n > 0 {
		var x1 layers.State
		if scores, x1, err = p.read(ctx, r.x0, ids[:n]); err != nil {
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

// prompts reads prompts, many tokens at a time. It is for one goroutine.
type prompts struct{ r *layers.Recurrence }

// newPrompts returns what reads prompts.
func (s *source) newPrompts() (*prompts, error) {
	r, err := s.root.Fork(1)
	return &prompts{r}, err
}

// read reads tokens from a state of one row, nil for the start of a sequence, and
// returns scores (1, Vocab) of the token that follows the last one, which the next read
// overwrites, and the state behind it.
func (p *prompts) read(ctx context.Context, x0 layers.State, ids []int) (scores *tensor.Dense, x1 layers.State, err error) {
	defer guard.Panic(&err)
	p.r.Reset()
	if len(x0) > 0 {
		if err := p.r.SetState(x0); err != nil {
			return nil, nil, err
		}
	}
	if scores, err = p.r.Read(ctx, tensor.New(tensor.WithShape(len(ids)), tensor.WithBacking(ids))); err != nil {
		return nil, nil, err
	}
	return scores, p.r.State(), nil
}

// refresh reads the parameters again, for all that are of the source.
func (s *source) refresh() error { return s.root.Refresh() }
