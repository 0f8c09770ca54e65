// Package portrait is what a layer that is a convolution looks like: its kernels and
// how far they reach, and, of a state space layer, its eigenvalues. It computes; who
// draws is elsewhere.
package portrait
