// Package mega is what is Mega's own in its gated attention, as Gorgonia ops: attention of
// one head within chunks of a sequence ([Attend]), with biases of relative positions
// ([RotaryBias]), the cache of a chunk that is under way ([Cache]), and the gate between a
// layer's input and what it computes ([Blend]). The moving average is package ema.
//
//	cfg := mega.Config{Causal: true, Chunk: 128}
//	bias, err := mega.RotaryBias(alpha, beta, cfg.Chunk)
//	h, err := mega.Attend(cfg, mega.Inputs[*gorgonia.Node]{Z: z, V: v, Gamma: gamma, Beta: shift, Bias: bias}, nil, lengths)
//
// Whoever wants a layer takes layers.Mega.
//
// Queries and keys of a step are affine functions of one vector z of Z features,
//
//	q = z*gamma_0 + beta_0,  k = z*gamma_1 + beta_1,
//
// and of the steps i and j of one chunk, counted from its start,
//
//	softmax   a_ij = softmax_j(q_i . k_j / sqrt(Z) + bias_(j-i))
//	laplace   a_ij = (1 + erf((q_i . k_j / n_i + bias_(j-i) - mu) / (sigma sqrt 2))) / 2,
//	          mu = 0.707107, sigma = 0.282095, n_i: the number of keys that i sees
//	h_i = sum_j a_ij v_j
//
// where j <= i if causal, else j is any step of the chunk that counts. Scores of a few
// queries at a time are held, forward and backward: the work is O(L chunk), the memory
// beside inputs and outputs O(chunk) for each worker.
//
// # References
//
//   - Ma et al. 2022, "Mega: Moving Average Equipped Gated Attention", arXiv:2209.10655
//   - Hua, Dai, Liu, Le 2022, "Transformer Quality in Linear Time", arXiv:2202.10447
package mega
