package models

import (
	"context"
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

// Prefill reads prompts: a text of many tokens, whose state a recurrence goes on from.
// All tokens of a part of the text go through a layer at once, as products of
// matrices, scans of a recurrence, and attention to what is before; the decoder sees
// the last token alone. The numbers are those of a recurrence that steps through the
// text, to the bit but for a softmax attention, whose sums are in another order. What
// memory it needs does not depend on how long a text is, but for states that grow.
//
// The parameters are read when it is made, and again by Refresh. It is for one
// goroutine; its forks, which share them, are for others.
type Prefill struct {
	r     *layers.Recurrence // of one row
	vocab int                // 0: not known
}

// NewPrefill returns what reads prompts for the recurrences of a model.
func NewPrefill(m *LanguageModel) (*Prefill, error) {
	if m == nil {
		return nil, errors.New("models: NewPrefill: want a model, got nil")
	}
	r, err := m.Recurrence(1)
	if err != nil {
		return nil, err
	}
	p, err := PrefillOf(r)
	if err == nil {
		p.vocab = m.cfg.Vocab
	}
	return p, err
}

// PrefillOf is NewPrefill for a recurrence of a model that there is already, with
// which it shares the parameters: Refresh of either is one of both.
func PrefillOf(r *layers.Recurrence) (*Prefill, error) {
	own, err := r.Fork(1)
	if err != nil {
		return nil, fmt.Errorf("models: Prefill: %w", err)
	}
	return &Prefill{r: own}, nil
}

// Fork returns another, for another goroutine, that shares the parameters.
func (p *Prefill) Fork() (*Prefill, error) {
	if p == nil || p.r == nil {
		return nil, errNoPrefill
	}
	f, err := PrefillOf(p.r)
	if err == nil {
		f.vocab = p.vocab
	}
	return f, err
}

// errNoPrefill is what the zero value returns.
var errNoPrefill = errors.New("models: Prefill: want one that NewPrefill, PrefillOf or Fork made, got the zero value")

// Refresh reads the parameters again, for p, its forks, and the recurrence that it
// shares them with, each of which has the new ones from its next call on. It may be
// called while others read, but not while the parameters change.
func (p *Prefill) Refresh() error {
	if p == nil || p.r == nil {
		return errNoPrefill
	}
	return p.r.Refresh()
}

// Read reads ids behind a text whose state is x0, nil for the start of a text. It
// returns the scores (1, Vocab) of the token behind the last, which the next Read
// overwrites, and the state there, of which nothing is kept: it is one of a recurrence
// of one row, for SetState and for Regroup. A number that is no id is an error that
// names its place, and no ids are one: a recurrence has no scores before the first
// token. When ctx ends, Read returns its error.
func (p *Prefill) Read(ctx context.Context, x0 layers.State, ids []int) (scores *tensor.Dense, x1 layers.State, err error) {
	switch {
	case p == nil || p.r == nil:
		return nil, nil, errNoPrefill
	case len(ids) == 0:
		return nil, nil, errors.New("models: Prefill: Read: want at least one token, got none")
	}
	if p.vocab > 0 {
		for i, id := range ids {
			if id < 0 || id >= p.vocab {
				return nil, nil, fmt.Errorf("models: Prefill: Read: ids[%d]: want an id in [0, %d), got %d", i, p.vocab, id)
			}
		}
	}
	p.r.Reset()
	if len(x0) > 0 {
		if err := p.r.SetState(x0); err != nil {
			return nil, nil, fmt.Errorf("models: Prefill: Read: %w", err)
		}
	}
	scores, err = p.r.Read(ctx, tensor.New(tensor.WithShape(len(ids)), tensor.WithBacking(ids)))
	if err != nil {
		return nil, nil, fmt.Errorf("models: Prefill: Read: %w", err)
	}
	return scores, p.r.State(), nil
}
