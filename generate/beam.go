package generate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
)

// MaxBeam is the largest width of a search, whose steps are of one batch: none takes
// longer than the end of a context may have to wait.
const MaxBeam = 1024

// BeamOptions say how Beam searches.
type BeamOptions struct {
	// Width is how many texts are kept at each step, at most MaxBeam.
	Width int `json:"width"`
	// N is how many texts are wanted, at most Width; 0: 1.
	N int `json:"n,omitempty"`
	// LengthPenalty is the power α of the length by which the log probability of a text
	// is divided: its score is log p / n^α of its n tokens, the one that ends it
	// included. With 0 short texts win, as each token makes a text less likely; more
	// favours longer ones.
	LengthPenalty float64 `json:"length_penalty,omitempty"`
	// EarlyStopping ends the search when N texts have ended. Without it the search goes
	// on until none of those under way can reach a better score.
	EarlyStopping bool `json:"early_stopping,omitempty"`
}

// Validate reports the first option that is out of range.
func (o BeamOptions) Validate() error {
	switch {
	case o.Width < 1 || o.Width > MaxBeam:
		return fmt.Errorf("BeamOptions: want width in [1, %d], got %d", MaxBeam, o.Width)
	case o.N < 0 || o.N > o.Width:
		return fmt.Errorf("BeamOptions: want n in [0, %d], the width, got %d", o.Width, o.N)
	case !finite(o.LengthPenalty):
		return fmt.Errorf("BeamOptions: want a finite length_penalty, got %v", o.LengthPenalty)
	}
	return nil
}

// Hypothesis is a text that a beam search has found.
type Hypothesis struct {
	Text         string  `json:"text"`
	IDs          []int   `json:"ids"`     // the one that ended it included
	LogProb      float64 `json:"logprob"` // the sum of those of the tokens
	Score        float64 `json:"score"`   // by which it was found: see BeamOptions.LengthPenalty
	FinishReason string  `json:"finish_reason"`
	Usage        Usage   `json:"usage"`
}

// Beam searches for likely texts behind a prompt, and returns the best N, the best
// first. At each step, of all texts that are a token longer than those that are kept
// the Width likeliest are; those that have ended are put aside. Of several that are as
// likely as each other, those of the better text before, and of lower ids, come first.
//
// Of Request.Options it heeds MaxTokens, StopIDs and IgnoreEOS; stop strings are an
// error. That ctx ends is none: the texts are those found until then.
func (g *Generator) Beam(ctx context.Context, q Request, o BeamOptions) ([]Hypothesis, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	r, err := g.of.begin(q)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	switch {
	case len(q.Options.Stop) > 0:
		return nil, fmt.Errorf("generate: Beam: want no stop strings, got %d", len(q.Options.Stop))
	case q.Options.MaxTokens < 1:
		return nil, fmt.Errorf("generate: Beam: want max_tokens >= 1, got %d", q.Options.MaxTokens)
	}
	if err := size.Tensor("the scores of a beam (Width, Vocab)", o.Width, g.of.vocab); err != nil {
		return nil, fmt.Errorf("generate: Beam: %w", err)
	}
	s := &search{of: g.of, o: o, n: max(1, o.N), row: r}
	p, err := g.takePrompts()
	if err == nil {
		err = s.run(ctx, p)
		g.givePrompts(p)
	}
	if err != nil {
		return nil, fmt.Errorf("generate: Beam: %w", err)
	}
	return s.found(), nil
}

// search is a beam search under way.
type search struct {
	of    *source
	o     BeamOptions
	n     int
	row   *row               // of the request
	r     *layers.Recurrence // a row for each text under way
	open  []path             // texts under way, the likeliest first
	ended []path             // the best that have ended, the best first
	next  []path             // room for what goes on from open
	mem   scratch
}

// path is a text of a search. Many share their beginnings.
type path struct {
	last   *link
	length int
	sum    float64 // of log probabilities
	parent int     // its row before the last token
	score  float64
	why    string
}

// link is a token of a text and those before it.
type link struct {
	id     int
	before *link
}

// run searches until the best texts are known, or ctx ends.
func (s *search) run(ctx context.Context, p *prompts) error {
	var scores *tensor.Dense
	for scores == nil {
		if cancelled(ctx) {
			return nil
		}
		var err error
		if scores, err = s.row.read(ctx, p); err != nil {
			if cancelled(ctx) {
				return nil
			}
			return err
		}
	}
	var err error
	if s.r, err = s.of.root.Fork(1); err != nil {
		return err
	}
	if len(s.row.x0) > 0 {
		if err := s.r.SetState(s.row.x0); err != nil {
			return err
		}
	}
	s.open = []path{{}}
	for step := 0; ; step++ {
		if err := s.extend(scores); err != nil {
			return fmt.Errorf("token %d: %w", step, err)
		}
		if len(s.open) == 0 || s.decided() {
			return nil
		}
		if cancelled(ctx) {
			for _, p := range s.open {
				s.end(p, Cancelled)
			}
			return nil
		}
		if scores, err = s.step(); err != nil {
			return fmt.Errorf("token %d: %w", step+1, err)
		}
	}
}

// step lets every text under way read its last token.
func (s *search) step() (scores *tensor.Dense, err error) {
	defer guard.Panic(&err)
	keep, ids := make([]int, len(s.open)), make([]int, len(s.open))
	for i, p := range s.open {
		keep[i], ids[i] = p.parent, p.last.id
	}
	if err := s.r.Regroup(keep); err != nil {
		return nil, err
	}
	return s.r.Step(tensor.New(tensor.WithShape(len(ids)), tensor.WithBacking(ids)))
}

// extend puts the likeliest texts that are a token longer in the place of those under
// way, and those that end aside.
func (s *search) extend(scores *tensor.Dense) error {
	s.next = s.next[:0]
	for i, p := range s.open {
		var err error
		if x, ok := weights.Memory[float32](scores); ok {
			err = extendBy(s, p, i, x[i*s.of.vocab:][:s.of.vocab], &s.mem.of32)
		} else if x, ok := weights.Memory[float64](scores); ok {
			err = extendBy(s, p, i, x[i*s.of.vocab:][:s.of.vocab], &s.mem.of64)
		} else {
			err = fmt.Errorf("want contiguous row-major scores of float32 or float64, got %v", scores.Dtype())
		}
		if err != nil {
			return err
		}
	}
	slices.SortStableFunc(s.next, func(a, b path) int { return cmp.Compare(b.sum, a.sum) })
	s.open = s.open[:0]
	for _, p := range s.next {
		if len(s.open) == s.o.Width {
			break
		}
		if why := s.ends(p); why != "" {
			s.end(p, why)
		} else {
			s.open = append(s.open, p)
		}
	}
	return nil
}

// extendBy adds the likeliest texts that are a token longer than one of row i, whose
// scores are x: as many as can be among the Width likeliest that do not end.
func extendBy[T num.Float](s *search, p path, i int, x []T, m *memory[T]) error {
	_, _, shift, err := m.normalise(x)
	if err != nil {
		return err
	}
	m.highestOf(x, min(len(x), s.o.Width+1+len(s.row.o.StopIDs)))
	slices.SortFunc(m.stay, candidate[T].compare)
	for _, c := range m.stay {
		if c.x == T(math.Inf(-1)) {
			break
		}
		s.next = append(s.next, path{last: &link{int(c.id), p.last}, length: p.length + 1, sum: p.sum + float64(c.x) - shift, parent: i})
	}
	return nil
}

// ends says why a text ends, "" if it does not.
func (s *search) ends(p path) string {
	s.row.result.Usage.Completion = p.length
	return s.row.ends(p.last.id)
}

// end puts a text aside that has ended, if it is one of the best.
func (s *search) end(p path, why string) {
	p.score, p.why = p.sum/math.Pow(float64(p.length), s.o.LengthPenalty), why
	at, _ := slices.BinarySearchFunc(s.ended, p, func(a, b path) int {
		if a.score >= b.score {
			return -1
		}
		return 1
	})
	s.ended = slices.Insert(s.ended, at, p)
	s.ended = s.ended[:min(len(s.ended), s.n)]
}

// decided says whether the best texts are known: none that is under way can reach a
// score that is better than the last of them.
func (s *search) decided() bool {
	if len(s.ended) < s.n {
		return false
	}
	if s.o.EarlyStopping {
		return true
	}
	// The sum only falls from here. A longer text divides it by more if α > 0.
	length := s.open[0].length + 1
	if s.o.LengthPenalty > 0 {
		length = s.row.o.MaxTokens
	}
	return s.open[0].sum/math.Pow(float64(length), s.o.LengthPenalty) <= s.ended[len(s.ended)-1].score
}

// found returns the texts that have ended.
func (s *search) found() []Hypothesis {
	out := make([]Hypothesis, len(s.ended))
	for i, p := range s.ended {
		h := Hypothesis{LogProb: p.sum, Score: p.score, FinishReason: p.why, IDs: make([]int, p.length)}
		h.Usage = Usage{Prompt: s.row.result.Usage.Prompt, Completion: p.length}
		for l, k := p.last, p.length-1; l != nil; l, k = l.before, k-1 {
			h.IDs[k] = l.id
		}
		if s.of.tokens != nil {
			h.Text = s.text(h.IDs, p.why)
		}
		out[i] = h
	}
	return out
}

// text is the text of tokens behind the prompt, less the one that ended it.
func (s *search) text(ids []int, why string) string {
	w := newWriter(s.of.tokens, nil, s.row.latest())
	if why == Stop {
		ids = ids[:len(ids)-1]
	}
	text := ""
	for _, id := range ids {
		text += w.write(w.token(id))
	}
	return text + w.flush(why != Stop)
}
