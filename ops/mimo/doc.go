// Package mimo computes diagonal state space models with many inputs and many
// outputs over whole sequences: one state of P complex numbers that all features
// share, where the models of the other packages of kernels have one state for each
// feature. S5 and the LRU are such models.
//
//	poles, err := mimo.S5Poles(mimo.PolesConfig{}, dynamics, nil, nil)
//	y, err := mimo.Sequence(mimo.Config{Pairs: true}, x, mimo.Params[*gorgonia.Node]{Poles: poles, B: b, C: c, D: d}, nil, lengths)
//	step, err := mimo.NewStep(cfg, p, h, values)    // the same step by step, without a graph
//
// Whoever wants a layer takes layers.S5 or layers.LRU.
//
// With x_l the input at step l, H features, and s_l the state after it,
//
//	s_l = a * s_{l-1} + beta * (B x_l)
//	y_l = gain Re(C s_l) + D * x_l
//
// where * is the product element by element. The poles a and the factors beta of the
// inputs are what [S5Poles] and [LRUPoles] make of their parameters. They are those of
// all steps or, for a sequence that is sampled irregularly, different at each. In both
// directions there is a second state, from the last step that counts to the first,
//
//	r_l = a * r_{l+1} + beta * (B x_l)
//	y_l = gain Re(C_0 s_l + C_1 r_l) + D * x_l
//
// in which step l itself counts a second time, as in S5. gain is 2 where a state stands
// for a conjugate pair, else 1.
//
// [Sequence] and [SequenceState] are the Gorgonia ops. [Step] is the recurrence by
// itself, without a graph, a step at a time.
//
// B x and C s are products of matrices over a chunk of steps, and between them the
// state is scanned: O(L P) beside O(L P H) of the products, and no transform. Both
// split into pieces that depend on the shapes alone, whose partial sums are added in
// order, so that results do not depend on the number of workers.
//
// Shapes: B rows of a batch, H features, P states that are stored, L steps. A complex
// array has a last axis of 2, but for the poles and the states inside, whose rows are
// planes: P real parts, then P imaginary parts.
//
// Sources: Smith, Warrington, Linderman, "Simplified State Space Layers for Sequence
// Modeling" (S5, arXiv 2208.04933); Orvieto et al., "Resurrecting Recurrent Neural
// Networks for Long Sequences" (LRU, arXiv 2303.06349).
package mimo
