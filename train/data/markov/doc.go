// Package markov is tokens of small hidden Markov processes, with what can be known of
// them: the exact belief about the hidden state behind each token, and the entropy that
// no model's loss can be below. All are drawn when they are read; nothing is stored.
//
//	p, err := markov.Mess3(0.05, 0.85)
//	trainSet, err := p.Dataset(length, n, seed)    // for a models.LanguageModel of p.Tokens() tokens
//	beliefs, err := p.Beliefs(tokens)              // what the best predictor knows
//
// A process of S states has a matrix T^k (S, S) for each token k: T^k_ij is the
// probability that in state i it emits k and goes to j. The belief b (S) is the
// distribution of the hidden state given all tokens so far: at the start it is the
// stationary one, and token k makes it
//
//	b <- b T^k / (b T^k 1)
//
// where b T^k 1 is the probability of k. Shai, Marzen, Teixeira, Oldenziel, Riechers
// 2024, "Transformers Represent Belief State Geometry in their Residual Stream",
// arXiv:2405.15943, whose processes [Mess3], [Z1R] and [RRXOR] are.
package markov
