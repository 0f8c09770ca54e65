package markov

import (
	"fmt"
	"math"
	"slices"
)

// Start returns the belief (S) before the first token.
func (p *Process) Start() []float64 { return slices.Clone(p.start) }

// after returns the belief behind token k, and the probability of k before it. What
// cannot be leaves the belief at nil.
func (p *Process) after(b []float64, k int) (next []float64, probability float64) {
	next = make([]float64, p.states)
	times(next, b, p.t[k])
	for _, v := range next {
		probability += v
	}
	if probability == 0 {
		return nil, 0
	}
	for i := range next {
		next[i] /= probability
	}
	return next, probability
}

// Beliefs returns the belief behind each of some tokens (L, S). It is an error if the
// process cannot emit them.
func (p *Process) Beliefs(tokens []int) ([][]float64, error) {
	all, b := make([][]float64, len(tokens)), p.start
	for l, k := range tokens {
		if k < 0 || k >= len(p.t) {
			return nil, fmt.Errorf("markov: Beliefs: want tokens in [0, %d), got %d", len(p.t), k)
		}
		if b, _ = p.after(b, k); b == nil {
			return nil, fmt.Errorf("markov: Beliefs: want tokens that %s can emit, got %v", p.name, tokens[:l+1])
		}
		all[l] = b
	}
	return all, nil
}

// Losses returns the negative logarithm of the probability of each of some tokens given
// those before it (L), in nats: what a predictor that knows the process has as its loss.
// It is an error if the process cannot emit them.
func (p *Process) Losses(tokens []int) ([]float64, error) {
	beliefs, err := p.Beliefs(tokens)
	if err != nil {
		return nil, err
	}
	losses, b := make([]float64, len(tokens)), p.start
	for l, k := range tokens {
		_, q := p.after(b, k)
		losses[l], b = -math.Log(q), beliefs[l]
	}
	return losses, nil
}

// maxSequences bounds the number of sequences that Entropies looks at.
const maxSequences = 1 << 22

// Entropies returns the entropy of token t given those before it, in nats, for the first
// n tokens: H(X_t | X_<t), t = 1..n. It is the sum over all K^(n-1) beginnings, of which
// there may be a few millions.
func (p *Process) Entropies(n int) ([]float64, error) {
	if n < 1 || float64(n-1)*math.Log(float64(max(2, len(p.t)))) > math.Log(maxSequences) {
		return nil, fmt.Errorf("markov: Entropies: want n >= 1 and at most %d beginnings of n-1 tokens, got n = %d of %d tokens", maxSequences, n, len(p.t))
	}
	h := make([]float64, n)
	p.addEntropies(h, p.start, 1)
	return h, nil
}

// addEntropies adds to h what the beginnings have a part in that have led to belief b,
// and have a probability of weight.
func (p *Process) addEntropies(h, b []float64, weight float64) {
	if len(h) == 0 {
		return
	}
	for k := range p.t {
		next, q := p.after(b, k)
		if q == 0 {
			continue
		}
		h[0] -= weight * q * math.Log(q)
		p.addEntropies(h[1:], next, weight*q)
	}
}
