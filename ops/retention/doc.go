// Package retention is the retention of RetNet as Gorgonia ops: linear attention whose
// weights decay by a factor for each step, the same for all features of a head, and are
// not normalised.
//
//	cfg := retention.Config{Heads: 4, ScaleKeys: true}
//	o, err := retention.Retain(cfg, q, k, v, nil, lengths)                                  // (B, V, L)
//	y, err := retention.Gate(retention.NormConfig{Heads: 4, Eps: 1e-6}, o, gate, nil, nil)
//	step, err := retention.NewStep[float32](cfg, keys, values)                              // the same step by step
//
// Queries and keys are (B, E, L), values and the output (B, V, L). Head h of H has the
// features [h dk, (h+1) dk) of queries and keys, dk = E/H, and [h dv, (h+1) dv) of
// values and output, dv = V/H. With the decay gamma of the head, and q_n and k_n turned
// by the position n as [Positions] says,
//
//	o_n = sum_{m<=n} gamma^(n-m) (q_n . k_m) v_m                   parallel
//	    = q_n S_n,  S_n = gamma S_{n-1} + k_n^T v_n                recurrent, S (dk, dv)
//
// [Retain] computes it chunk by chunk, which is exact: the steps of a chunk of each
// other in parallel, and all that was before by way of the state, so that the work is
// O(L chunk) and nothing of size L x L is ever held. [RetainState] goes on from a state
// and returns the last one, [Step] is the recurrence without a graph.
//
// With the scores [Normalized] it is the parallel form of torchscale, which divides what
// a step gives the others by sums over all steps before it: O(L^2) work, and no state.
//
// # States
//
// The rows of a state are in the frame of its last step: keys are turned by how long ago
// their step was, and queries are not turned at all,
//
//	S_n = gamma M S_{n-1} + k_n^T v_n,  o_n = q_n S_n,
//
// where M turns every pair of rows by -theta_i, and for xPos shrinks it by
// zeta_i^(1/512). It is the state of the papers, whose rows are in the frame of step 0,
// turned by -n theta_i, and it needs no position: no power of zeta overflows, and the
// angles stay exact, however long the sequence.
//
// # References
//
//   - Sun et al. 2023, "Retentive Network: A Successor to Transformer for Large Language
//     Models", arXiv:2307.08621
//   - Sun et al. 2022, "A Length-Extrapolatable Transformer" (xPos), arXiv:2212.10554
package retention
