// Package hippornn computes recurrent networks with a HiPPO memory over whole
// sequences. What a layer makes of them is in package layers.
//
//	cfg := hippornn.Config{Order: hippornn.Code, N: n}              // a LegS memory
//	y, err := hippornn.Sequence(cfg, x, params, start, nil, nil)    // (B, I, L) -> (B, H, L)
//	weights, err := hippornn.NewWeights(cfg, i, h, m, values)       // whose NewStep does the same step by step
//
// Beside the state h of H features there is a memory m of M signals f, each as N
// coefficients of its past. It is updated by
//
//	m' = A m + B f                                            a constant measure
//	m' = (I - a A)^-1 ((I + a A) m + 2 a B f), a = dt/(2 t)   LegS, at time t, which came by dt
//	m' = (f, 0, .. 0)                                         LegS, at the first step
//
// where A and B of LegS are those of HiPPO, A_nk = -sqrt((2n+1)(2k+1)) for n > k and
// -(n+1) for n = k, B_n = sqrt(2n+1), and steps are at the times 0, 1, 2 and so on unless
// dt says otherwise. With [x; v] the one vector below the other, m' the memory after the
// step and sigma the logistic function, a step is in the order [Code]
//
//	f  = Write [x; h] + WriteBias (+ sum over n of WriteMemory * m)
//	m' = the update of m by f
//	c  = tanh(Hidden [x; m'] + HiddenBias (+ HiddenHidden h))
//	g  = sigma(Gate [x; m'] + GateBias), of [x; m'; h] with HiddenHidden
//
// and in the order [Paper]
//
//	c  = tanh(Hidden [x; m; h] + HiddenBias)
//	g  = sigma(Gate [x; m; h] + GateBias)
//	f  = Write h' + WriteBias
//	m' = the update of m by f
//
// where h' = (1 - g) h + g c, or c without Gate, is the state after it, and the output.
//
// [Sequence] and [SequenceState] are the Gorgonia ops: one for a whole sequence, not one
// for each step. [Step] is the recurrence by itself, without a graph.
//
// The update of LegS takes O(N): below the diagonal its matrix is of rank one, so that a
// running sum over the coefficients takes the place of its products and of its inverse
// (legs.go). That of a constant measure is a product with A. The rest is as in package
// rnn: a block of rows of the batch goes through all its steps on one worker, the
// inputs of a chunk of steps are mapped in one product, and results do not depend on the
// number of workers.
//
// Shapes: B rows of a batch, I features of the input, H of the state and of the output, M
// signals of N coefficients, L steps.
//
// Sources: Gu, Dao, Ermon, Rudra, Re 2020, "HiPPO: Recurrent Memory with Optimal
// Polynomial Projections", arXiv:2008.07669, figure 2 and its public code, whose orders
// differ; Voelker, Kajic, Eliasmith 2019, "Legendre Memory Units".
package hippornn
