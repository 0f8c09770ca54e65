// Package conv1d convolves sequences with short kernels: dense, grouped and
// depthwise, dilated, strided, causal or with zeros on both sides.
//
//	y, err := conv1d.Conv(x, w, bias, conv1d.WithDilation(2))     // (B, C_in, L) -> (B, C_out, L)
//	weights, err := conv1d.NewWeights(shape, taps, nil)           // the same step by step,
//	step, err := weights.NewStep(batch)                           // without a graph
//
// The convolution, which like everybody's is a correlation, is
//
//	y[o, l] = bias[o] + sum_{c, j} w[o, c, j] x[g(o) Cg + c, l stride + j dilation - pad]
//
// for x (B, C_in, L), w (C_out, Cg, K), bias (C_out) and y (B, C_out, L_out). The
// C_in features and the C_out of the output are cut into as many groups, Cg = C_in
// / groups, and feature o of the output reads those of its group, g(o) = o div
// (C_out / groups). With C_in groups it is depthwise: each feature is convolved by
// itself, with C_out / C_in kernels.
//
// What x is not known at counts as 0. A causal convolution, the default, has pad =
// (K-1) dilation zeros before the first step and none behind the last, so that
// the last tap, w[:, :, K-1], reads the current step, and L_out = ceil(L /
// stride). [WithPadding] has pad zeros on both sides instead, and
//
//	L_out = floor((L + 2 pad - (K-1) dilation - 1) / stride) + 1
//
// which [OutputLength] returns; [SamePadding] is the padding that keeps the length.
//
// # Lengths
//
// With [WithLengths] a row of n steps gives what it gives alone: zeros are behind
// its step n, whatever stands there, which is not read. Its output has
// OutputLength(n) steps, and is 0 behind them; of n = 0 it has none.
//
// # State
//
// A causal convolution of stride 1 can go on: its state (B, C_in, (K-1) dilation)
// is the inputs before the first step, oldest first, in the place of the zeros.
// [WithState] takes one, [FinalState] returns that after the last step. A kernel
// of one tap has none. [Step] is the same, step by step, without a graph.
//
// # How it is computed
//
// A depthwise convolution reads and writes each row once, with all taps applied
// while it is in the first-level cache; its backward pass computes the gradients
// of the row, the kernel and the bias together. Others are matrix products of
// package gemm: blocks of steps are laid out as (Cg K, steps), K times a block and
// never K times the input, and multiplied by w as (C_out / groups, Cg K).
//
// Results do not depend on the number of threads.
package conv1d
