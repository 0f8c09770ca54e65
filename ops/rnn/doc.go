// Package rnn computes recurrent networks over whole sequences: the LSTM, the GRU
// and the network without gates, a layer at a time. What a stack of layers with dropout
// makes of them is in package layers.
//
//	cfg, params := rnn.Config{Cell: rnn.LSTM}, []rnn.Params[*gorgonia.Node]{{WeightIH: wi, WeightHH: wh, BiasIH: bi, BiasHH: bh}}
//	y, err := rnn.Sequence(cfg, x, params, rnn.State[*gorgonia.Node]{}, lengths)    // (B, I, L) -> (B, H, L)
//	weights, err := rnn.NewWeights(rnn.LSTM, i, h, values)                          // whose NewStep does the same step by step
//
// With x_t the input and h, c the state before step t, sigma the logistic function
// and * the product element by element, the state after it is for
//
//	LSTM  i, f, g, o = W_ih x + b_ih + W_hh h + b_hh    in this order, of H features each
//	      c' = sigma(f) * c + sigma(i) * tanh(g)
//	      h' = sigma(o) * tanh(c')
//	GRU   r, z = sigma(W_ih x + b_ih + W_hh h + b_hh)   their rows come before those of n
//	      n = tanh(W_ih x + b_ih + r * (W_hh h + b_hh))
//	      h' = (1 - z) * n + z * h
//	Tanh  h' = tanh(W_ih x + b_ih + W_hh h + b_hh)
//	      with a leak a  h' = (1 - a) h + a tanh(W_ih x + b_ih + W_hh h + b_hh)
//	ReLU  h' = max(W_ih x + b_ih + W_hh h + b_hh, 0)
//
// and the output is h'. W_ih is WeightIH, W_hh WeightHH, b_ih BiasIH, b_hh BiasHH: order
// of the gates, names and equations are those of torch.nn.
//
// [Sequence] and [SequenceState] are the Gorgonia ops: one for a whole sequence, not
// one for each step. [Step] is the recurrence by itself, without a graph.
//
// A block of rows of the batch goes through all its steps on one worker, without
// waiting for the others, so that the weights W_hh stay in its cache. A chunk of steps
// at a time, the inputs are mapped in one product; a step is then a product of the
// states with W_hh and one pass over the gates. Backward, a step is a pass and a product
// with the transpose; the gradients of the weights, and that of the inputs, are
// products over a chunk. Blocks are of a size that depends on the batch alone, and
// their sums are added in order, so that results do not depend on the number of
// workers.
//
// Shapes: B rows of a batch, I features of the input, H of the state and of the output
// of a direction, L steps, S states of several layers and directions side by side.
//
// Sources: Hochreiter, Schmidhuber, "Long Short-Term Memory" (1997), with the forget
// gate of Gers, Schmidhuber, Cummins (2000); Cho et al., "Learning Phrase
// Representations using RNN Encoder-Decoder" (arXiv:1406.1078), the GRU, with the
// reset gate after the product; Elman, "Finding Structure in Time" (1990), the network
// without gates.
package rnn
