// Package ops holds the Gorgonia ops a sequence model needs and Gorgonia lacks
// or gets wrong: position-wise linear maps, gated and plain activations, sines,
// normalisation over features and over the batch, dropout, embedding, pooling,
// cross-entropy, also that of a linear map without its logits in memory, and the copies
// that stand in for Gorgonia's views.
//
//	x, err := ops.Embedding(ids, table)                          // (B, L) -> (B, H, L)
//	x, err = ops.LayerNorm(x, weight, bias, 1e-5, ops.Lengths(lengths))
//	y, err := ops.Linear(x, w, b, ops.Activated(ops.ActGELU))
//	h, err := ops.Pool(ops.PoolMean, y, lengths)                 // (B, H, L) -> (B, H)
//	loss, err := ops.CrossEntropy(h, labels)
//
// Sequences are (B, H, L): batch, features, steps, row-major. Every function
// takes nodes and returns a node; shapes and dtypes are checked when the graph
// is built, values (token ids, labels, lengths) when it runs, and both give
// errors that name the op, the argument, what was wanted and what came.
//
// Every op works in float32 and float64, on the TapeMachine and on the
// LispMachine. Gradients are exact, and bitwise the same whatever the number of
// processors: sums are split in pieces that depend on the shapes alone. An op
// owns its output and the memory its backward pass needs, and uses them again
// at every step, so a graph may be run by one VM at a time; to train and to
// evaluate, build two graphs that share their tensors.
//
// A gradient that only the backward passes of these ops read is in memory that
// is lent to it for a part of the step. Read the gradient of an inner node by
// gorgonia.BindDualValues or gorgonia.Read, which take it in time, not by the
// Value of its node after the run.
//
// A graph may be unbound between runs (UnbindAll of a LispMachine,
// UnbindAllNonInputs of the graph). Importing this package switches the pool of
// package tensor off, with tensor.DontUsePool: it hands out tensors that ops of
// Gorgonia still use.
//
// Each op has two files: x.go holds the function on nodes, x_core.go the
// arithmetic on slices.
package ops
