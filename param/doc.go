// Package param is what layers, models, optimisers and files agree on: a
// trainable parameter with what its layer recommends to an optimiser, and a
// buffer, state that is saved but not learned.
//
// It depends on Gorgonia alone, so that a trainer needs to know nothing of the
// layers it trains, nor a layer of what trains it.
package param
