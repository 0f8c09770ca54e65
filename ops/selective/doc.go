// Package selective computes the selective scan of S6, the state space model of Mamba:
// a diagonal recurrence whose step size, input and output matrices are inputs, another
// one at every step.
//
//	y, err := selective.Scan(selective.Config{Softplus: true, LogA: true}, selective.Inputs[*gorgonia.Node]{
//		U: u, Delta: delta, A: logA, B: b, C: c, D: d, Z: gate,
//	}, nil, lengths)                                             // (B, D, L)
//	step, err := selective.NewStep(cfg, d, n, values)            // the same step by step, without a graph
//
// Whoever wants a layer takes layers.Mamba. For channel d of D, with N states,
//
//	delta' = softplus(delta_l + bias)             one or both of which may be absent
//	x_l    = exp(delta' A) x_{l-1} + delta' B_l u_l
//	v_l    = sum_n C_l x_l + D u_l
//	y_l    = v_l silu(z_l)                         or v_l without a gate z
//
// A (D, N) is real and as a rule negative. B and C are those of their step, shared by
// all channels (B, N, L) or by those of a group (B, G, N, L), or the same at all steps
// (D, N). B is discretised by Euler's rule, delta' B, and A exactly.
//
// [Scan] and [ScanState] are the Gorgonia ops, [Step] is the recurrence without a
// graph.
//
// # How it is computed
//
// A chunk of 64 steps of a vector of channels is in the first-level cache while all
// states are taken through it, one after the other, the channels side by side in
// vector registers: an exponential and three products each step and state, and no sum
// over the lanes of a register but for the gradients of B and C. Of the states only
// those at the starts of chunks are kept for the backward pass, N/64 of the input,
// which takes a chunk forward again, keeps states and decays in the cache, and goes
// back through it:
//
//	g_l = gy_l C_l + exp(delta'_{l+1} A) g_{l+1}
//	dL/d(delta' A) = g_l exp(delta'_l A) x_{l-1},  dL/dB_l = delta'_l u_l g_l
//	dL/du_l += delta'_l B_l g_l,  dL/dC_l = gy_l x_l
//
// A row of the batch, or where there are few of them a part of its channels, is a task
// of a worker. How it is cut depends on the sizes alone, and sums are added in order,
// so that results do not depend on the number of workers. B and C that are the same at
// all steps are for the portable pass.
//
// Source: Gu, Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces"
// (arXiv:2312.00752), algorithm 2 and section 3.3.
package selective
