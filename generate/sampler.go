package generate

import (
	"errors"
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/splitmix"
	"github.com/gorgonia-s4/s4/internal/weights"
)

// Sampler chooses the tokens of one sequence, each of the scores that a model gives
// all of them. It is for one goroutine.
type Sampler struct {
	o       Options
	vocab   int
	seen    *history
	bias    []bias
	key     uint64 // of the random numbers
	scratch scratch
}

// bias is what is added to the score of a token.
type bias struct {
	id int
	by float64
}

// Choice is the token that a Sampler has chosen.
type Choice struct {
	ID int
	// LogProb is the natural logarithm of the token's probability: of the softmax of
	// the scores as they came, before any filter and the temperature.
	LogProb float64
	// Top are the Options.LogProbs likeliest tokens, the likeliest first, by the same
	// measure; of those that are as likely as each other the lower ids come first.
	Top []TokenLogProb
}

// TokenLogProb is a token and the natural logarithm of its probability.
type TokenLogProb struct {
	ID      int     `json:"id"`
	LogProb float64 `json:"logprob"`
}

// NewSampler returns a sampler of tokens [0, vocab), at the start of a sequence.
//
// A token is chosen of its scores x, of which none may be NaN or +Inf and not all -Inf
// (which is a token that cannot be), by these steps:
//
//  1. LogitBias is added.
//  2. RepetitionPenalty θ, for each token that is among the last PenaltyWindow ones,
//     the prompt's included: x/θ where x > 0, else θx. (Keskar et al. 2019, "CTRL",
//     4.1; for x <= 0 as implementations do since, where the paper's would reward.)
//  3. FrequencyPenalty φ and PresencePenalty ψ, for each token that occurs c > 0 times
//     among those that were written, not read, of the last PenaltyWindow ones:
//     x - φc - ψ. (As the completions protocol defines them.)
//  4. Temperature τ: x/τ. Below 1e-5 the token of the highest score is chosen, of
//     several that of the lowest id, and what follows does not matter.
//  5. TopK k: the k tokens of the highest scores stay. (Fan et al. 2018, "Hierarchical
//     Neural Story Generation", 5.4.)
//  6. TopP p: of the softmax of those, the smallest number of the likeliest tokens
//     stays whose probabilities sum to at least p. (Holtzman et al. 2020, "The Curious
//     Case of Neural Text Degeneration", 3.1.)
//  7. MinP m: tokens stay that are at least m times as likely as the likeliest.
//     (Nguyen et al. 2024, "Turning Up the Heat", 3.)
//  8. One of those that stay is drawn by its probability among them, with a random
//     number of Seed and of how many tokens the sequence has.
//
// In steps 5 and 6, of tokens with one score the lower ids are taken first, so that
// exactly k stay. At least one token always does.
func NewSampler(vocab int, o Options) (*Sampler, error) {
	if err := size.Positive("a vocabulary", vocab); err != nil {
		return nil, fmt.Errorf("generate: Sampler: %w", err)
	}
	if err := o.validateFor(vocab); err != nil {
		return nil, fmt.Errorf("generate: Sampler: %w", err)
	}
	return newSampler(vocab, o), nil
}

// newSampler is NewSampler for options that are known to be good.
func newSampler(vocab int, o Options) *Sampler {
	s := &Sampler{o: o, vocab: vocab, seen: newHistory(o.window(), o.penalised()), key: splitmix.Mix(o.Seed + splitmix.Golden)}
	for _, id := range sortedKeys(o.LogitBias) {
		s.bias = append(s.bias, bias{id, o.LogitBias[id]})
	}
	return s
}

// Read takes note of tokens that the sequence has, of a prompt. Ids out of range are
// an error, after which none is noted.
func (s *Sampler) Read(ids ...int) error {
	for i, id := range ids {
		if id < 0 || id >= s.vocab {
			return fmt.Errorf("generate: Sampler: Read: ids[%d]: want an id in [0, %d), got %d", i, s.vocab, id)
		}
	}
	for _, id := range ids {
		s.seen.add(id, false)
	}
	return nil
}

// Choose chooses a token of a row of scores (B, vocab), float32 or float64, and takes
// note of it.
func (s *Sampler) Choose(scores *tensor.Dense, row int) (Choice, error) {
	c, err := s.choose(scores, row, &s.scratch)
	if err != nil {
		return Choice{}, fmt.Errorf("generate: Sampler: token %d of the sequence: %w", s.seen.count, err)
	}
	s.seen.add(c.ID, true)
	return c, nil
}

// choose chooses a token and takes no note of it.
func (s *Sampler) choose(scores *tensor.Dense, row int, mem *scratch) (Choice, error) {
	if scores == nil || scores.Dims() != 2 || scores.Shape()[1] != s.vocab || row < 0 || row >= scores.Shape()[0] {
		return Choice{}, fmt.Errorf("want scores (B, %d) and row %d of them, got %s", s.vocab, row, shapeOf(scores))
	}
	if x, ok := weights.Memory[float32](scores); ok {
		return choose(s, x[row*s.vocab:][:s.vocab], &mem.of32)
	}
	if x, ok := weights.Memory[float64](scores); ok {
		return choose(s, x[row*s.vocab:][:s.vocab], &mem.of64)
	}
	return Choice{}, fmt.Errorf("want contiguous row-major scores of float32 or float64, got %v, strides %v", scores.Dtype(), scores.Strides())
}

// uniform returns the random number in [0, 1) of the next token.
func (s *Sampler) uniform() float64 {
	return float64(splitmix.Mix(s.key+uint64(s.seen.count)*splitmix.Golden)>>11) / (1 << 53)
}

// scratch is memory of choosing, which rows that take turns share.
type scratch struct {
	of32 memory[float32]
	of64 memory[float64]
}

// choose chooses a token of scores x.
func choose[T num.Float](s *Sampler, x []T, m *memory[T]) (Choice, error) {
	highest, z, shift, err := m.normalise(x)
	if err != nil {
		return Choice{}, err
	}
	var c Choice
	if s.o.LogProbs > 0 {
		c.Top = m.likeliest(x, min(s.o.LogProbs, len(x)), shift)
	}
	y, tau := x, s.o.Temperature
	if len(s.bias) > 0 || s.seen.counts != nil {
		m.x = num.Grow(m.x, len(x))
		y = m.x
		copy(y, x)
		numbers := adjust(s, y)
		if highest = m.highest(y); !numbers || highest == T(math.Inf(-1)) || highest == T(math.Inf(1)) {
			return Choice{}, errors.New("want biases and penalties that leave a score finite and none +Inf, got others")
		}
		if tau >= greedyBelow {
			z = m.exp(y, highest, tau)
		}
	} else if tau >= greedyBelow && tau != 1 {
		z = m.exp(y, highest, tau)
	}
	if tau < greedyBelow {
		c.ID = m.first(y, highest)
	} else {
		c.ID = m.draw(&s.o, y, z, s.uniform())
	}
	c.LogProb = float64(x[c.ID]) - shift
	return c, nil
}

// normalise returns the highest of scores, the sum of e to all of them less that, and
// what they are less to be log probabilities.
func (m *memory[T]) normalise(x []T) (highest T, z, shift float64, err error) {
	highest = m.highest(x)
	if highest == T(math.Inf(-1)) || highest == T(math.Inf(1)) {
		return 0, 0, 0, badScores(x)
	}
	if z = m.exp(x, highest, 1); math.IsNaN(z) {
		return 0, 0, 0, badScores(x)
	}
	return highest, z, float64(highest) + math.Log(z), nil
}

// adjust adds biases to scores, and takes penalties off. It says whether all are numbers
// then: a penalty may be too large to be taken off.
func adjust[T num.Float](s *Sampler, x []T) (numbers bool) {
	for _, b := range s.bias {
		x[b.id] = T(float64(x[b.id]) + b.by) // what is -Inf stays so
	}
	numbers = true
	theta := s.o.RepetitionPenalty
	if theta == 0 {
		theta = 1
	}
	for id, n := range s.seen.counts {
		v := float64(x[id])
		if v > 0 {
			v /= theta
		} else {
			v *= theta
		}
		if n.written > 0 {
			v -= s.o.FrequencyPenalty*float64(n.written) + s.o.PresencePenalty
		}
		x[id] = T(v)
		numbers = numbers && !math.IsNaN(v)
	}
	return numbers
}

// badScores says what is wrong with scores of which no token can be chosen.
func badScores[T num.Float](x []T) error {
	for id, v := range x {
		if v != v || v == T(math.Inf(1)) {
			return fmt.Errorf("want scores that are finite or -Inf, got %v for id %d", v, id)
		}
	}
	return errors.New("want a score that is finite, got -Inf for all ids")
}

// shapeOf describes a tensor for errors.
func shapeOf(t *tensor.Dense) string {
	if t == nil {
		return "nil"
	}
	return fmt.Sprint(t.Shape())
}
