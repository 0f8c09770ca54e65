// Package digits reads drawn digits pixel by pixel, as a recurrent network and as a
// convolution, with a small S4D classifier that is part of the package.
//
// A [Reader] has the classifier on a page of [Side] x [Side] pixels, which are the steps
// of a sequence, row by row. [Ink] makes such a page of strokes, in the way of those that
// the model was trained on.
package digits
