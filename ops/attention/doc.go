// Package attention is multi-head self-attention as Gorgonia ops: what mixes
// the steps of a sequence between two linear maps, those that give queries, keys
// and values and the one behind the heads.
//
//	qkv, err := ops.Linear(x, in, nil)                                             // (B, E, L) -> (B, 3E, L)
//	y, err := attention.Attend(qkv, attention.Config{Heads: 8, Causal: true})      // (B, E, L)
//	y, err = ops.Linear(y, out, nil)
//
// The input of every op is qkv (B, 3E, L): the queries of all heads, then the
// keys, then the values. Head h of H has the features [h E/H, (h+1) E/H) of each,
// hd = E/H of them. The output is (B, E, L). For the query of step i and the keys
// j that it sees,
//
//	softmax   y_i = sum_j softmax_j(q_i . k_j / sqrt(hd)) v_j
//	linear    y_i = sum_j (phi(q_i) . phi(k_j)) v_j / (sum_j phi(q_i) . phi(k_j) + 1e-6),
//	          phi(x) = elu(x) + 1
//
// It sees all, or j <= i if causal, or i-w < j <= i with a window w. Nothing of
// size L x L is ever held: the softmax is computed in blocks of keys, forward and
// backward, and the memory beside inputs and outputs is O(L); with a window the
// work is O(L w). Linear attention is O(L).
//
// Causal attention is also a recurrence. Its state is a cache of keys and values,
// which grows or has the size of the window, or for the linear form a matrix and
// a vector for each head. [AttendState] goes on from one in a graph, [Step] for
// one step at a time without a graph.
//
// # References
//
//   - Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762
//   - Katharopoulos et al. 2020, "Transformers are RNNs: Fast Autoregressive
//     Transformers with Linear Attention", arXiv:2006.16236
//   - Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position
//     Embedding", arXiv:2104.09864
//   - Dao et al. 2022, "FlashAttention: Fast and Memory-Efficient Exact Attention
//     with IO-Awareness", arXiv:2205.14135
package attention
