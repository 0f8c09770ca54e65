// Package adaptive is the adaptive softmax of a large vocabulary, and the embedding that
// goes with it, as Gorgonia ops.
//
//	hidden, err := adaptive.Embedding(ids, lengths, table, h)          // (B, L) -> (B, H, L)
//	nll, err := adaptive.NLL(hidden, labels, lengths, softmax)         // (B, L)
//	logp, err := adaptive.LogProbs(hidden, lengths, softmax)           // (B, Vocab, L), where all are wanted
//
// Layers of it are layers.AdaptiveEmbedding and layers.AdaptiveSoftmax.
//
// Token ids are sorted by frequency, so that the first are the most frequent ones. Cutoffs
// c_1 < ... < c_K divide them into the shortlist [0, c_1) and the clusters [c_i, c_(i+1)),
// the last of which ends with the vocabulary. The head is a softmax over the shortlist and
// the K clusters, and each cluster one over its tokens; with h the hidden vector,
//
//	log p(v) = log softmax(head)[v]                                     v in the shortlist
//	         = log softmax(head)[column of i] + log softmax(cluster i)[v - c_i]   v in cluster i
//
// where the logits of either are W_i (Q_i^T h) + b_i. What is rare may have few features:
// Q_i is (H, D_i) and W_i (classes, D_i). The clusters that no label of a batch is in cost
// nothing. The embedding of a token of cluster i is, transposed, the same:
//
//	e(v) = scale P_i E_i[v - c_i],
//
// and E_i may be W_i and P_i be Q_i: gradients add up.
//
// There are two published variants. In the head of PyTorch's module the column of cluster i
// (from 1) is c_1 + i - 1, and in that of Transformer-XL c_1 + K - i, the clusters are last
// to first.
//
// # References
//
//   - Grave et al. 2017, "Efficient softmax approximation for GPUs", arXiv:1609.04309
//   - Baevski, Auli 2019, "Adaptive Input Representations for Neural Language Modeling",
//     arXiv:1809.10853
//   - Dai et al. 2019, "Transformer-XL", arXiv:1901.02860
package adaptive
