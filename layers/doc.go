// Package layers composes the ops of this module into layers for Gorgonia
// models: the state space layers, the residual block around them, and the
// linear, embedding, norm and dropout layers that a sequence model needs.
//
// A layer is made on a graph, owns its parameter tensors, and is used like any
// part of a Gorgonia model:
//
//	g := gorgonia.NewGraph()
//	x := gorgonia.NewTensor(g, tensor.Float32, 3, gorgonia.WithShape(b, h, l), gorgonia.WithName("x"))
//	s4d, err := layers.NewS4D(g, tensor.Float32, layers.S4DConfig{DModel: h})
//	y, err := s4d.Fwd(x) // (B, H, L)
//
// Sequences are (B, H, L): batch, features, steps. Configurations are
// JSON-able structs whose zero values are the papers' defaults; names and
// seeds are options. CloneTo puts the same tensors on another graph, so that a
// training graph, an evaluation graph and graphs of other lengths share one
// set of weights; a graph is run by one VM at a time.
//
// Params lists the parameters with the optimiser hints that the papers give
// (learning rate, no weight decay for state space parameters); package train
// has an optimiser that follows them.
package layers
