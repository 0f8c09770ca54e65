// Package ndconv convolves images and volumes with kernels that are products of one
// kernel for each axis, and computes the gradients: the convolution of S4ND.
//
//	cfg := ndconv.Config{Shape: []int{height, width}, Modes: []fftconv.Mode{fftconv.Bidirectional, fftconv.Bidirectional}}
//	y, err := ndconv.Conv(cfg, u, []*gorgonia.Node{down, across}, d)    // u (B, H, height*width)
//
// The output is
//
//	y[b,c,h,l1,..] = d[c,h] u[b,h,l1,..] + 1/R sum_r sum_j k1[r,c,h,j1] k2[r,c,h,j2] .. u[b,h,l1-j1,l2-j2,..]
//
// for one to three axes and R terms (the tensor rank of the kernel). A lag j is 0 or more
// along an axis that is causal, and any along one that is bidirectional, for which a
// second kernel has the lags below zero: see [fftconv.Mode]. Nothing wraps around.
//
// # How
//
// The kernel of all axes is never made. It is a product, and so a term is a convolution
// along the last axis, then one along the axis before it, and so on: Lk numbers for each
// axis in the place of their product. Along a short axis a convolution is the product with
// a Toeplitz matrix (toeplitz.go), along a long one that of spectra, two rows at a time
// (spectral.go, by internal/fft); longAxis is where the one becomes faster than the other.
//
// An image at a time goes through all axes, and what is between them stays in the cache.
// Backward goes through them once more to have it, and back: the gradient of the kernel of
// an axis is the correlation of what went into it with the gradient of what came out,
// summed over the other axes and the batch.
//
// A task is a feature or, where there are few, a piece of its batch. Sums over pieces are
// taken in order, so that results are the same to the last bit on any number of workers.
// Rows of a batch are apart: nothing of one is heard in another.
//
// Shapes: B batch, H features, C channels, R terms, L length of u and y, the product of
// the axes, the last of them contiguous, Lk length of the kernels of an axis.
//
// Source: Nguyen et al., "S4ND: Modeling Images and Videos as Multidimensional Signals
// Using State Spaces" (arXiv 2210.06583), section 3: the kernel as an outer product,
// its low rank, and the band limit, which [BandLimit] is.
package ndconv
