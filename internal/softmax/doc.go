// Package softmax computes the negative log-likelihoods of tokens whose logits are
// linear in a hidden vector, and their gradients, without holding the logits of a
// batch: it is the core of ops.LinearNLL and of ops/adaptive.
//
// A token is one step of a sequence that has a label. Its classes are in one map, or in
// a head and a number of clusters (Grave et al. 2017, "Efficient softmax approximation
// for GPUs", arXiv:1609.04309), each of which is a map of those tokens alone that are in
// it. A map works on some tokens at a time, and for these on some classes at a time:
// logits Z (classes, tokens) = W X + bias by package gemm, and of each tile of Z the
// largest element of a column and the sum of the exponentials of the others less it, which
// together are the logarithm of the whole sum (Milakov, Gimelshein 2018, "Online
// normalizer calculation for softmax", arXiv:1805.02867).
//
// The exponentials of the tokens under way are kept where gradients follow, and become
// probabilities P by a factor for each tile and token. With g the gradient of a token's
// likelihood and E its label as a unit vector,
//
//	dX = g W^T (P - E),   dW = (P - E) (g X)^T,   dbias = (P - E) g.
//
// What is split over the workers does not depend on their number: tiles of classes, which
// own their rows of dW, and spans of tokens, which own their columns of dX.
package softmax
