// Package ema is the multi-dimensional damped exponential moving average of Mega as
// Gorgonia ops: for each feature of x, N averages of its past, damped, and their weighted
// sum.
//
//	k, err := ema.Kernel(params, l)            // (D, L)
//	y, err := fftconv.Conv(x, k, omega)        // (B, D, L)
//	step, err := ema.NewStep(d, n, values, w)  // the same step by step, without a graph
//
// With
//
//	p = sigmoid(delta),  q = 1 - p sigmoid(alpha),  b = p beta,  g = gamma / sqrt(N)
//
//	h_l = q h_{l-1} + b x_l,  y_l = sum_n g h_l           recurrent, h (B, D, N)
//	y_l = sum_j k_j x_{l-j},  k_j = sum_n g b q^j         convolution
//
// [Kernel] computes k, for a convolution by package fftconv; [StateOutput] what a state
// before the first step adds to the outputs, and [FinalState] the state after the last
// one; [Step] is the recurrence without a graph. q is in (0, 1), so that nothing grows.
//
// Powers are computed in float64, and those of a kernel by products of matrices: of L
// powers of each average, which are those of a few steps times those of many.
//
// Source: Ma, Zhou, Kong, He, Gui, Neubig, May, Zettlemoyer 2022, "Mega: Moving Average
// Equipped Gated Attention", arXiv:2209.10655, section 3.1.
package ema
