// Package param is what layers, models, optimisers and files agree on: a
// trainable parameter with what its layer recommends to an optimiser, and a
// buffer, state that is saved but not learned.
//
//	err := param.Save("weights.safetensors", s4, head)   // layers, or models
//	err = param.Load("weights.safetensors", s4, head)
//	rules := param.Rules{param.Freeze("encoder.*"), param.Rate("*.kernel.*", 1e-3)}
//	err = rules.Apply(params)                            // or Rules of a train.Config
//
// It depends on Gorgonia alone, so that a trainer needs to know nothing of the
// layers it trains, nor a layer of what trains it.
package param
