// Package s4 is the root of a library of structured state space models, and what
// they are compared with, for Gorgonia. It holds whole programs as examples; the
// packages are
//
//	layers    the layers, blocks and stacks, in training and step by step
//	models    encoders, stacks and heads, saved and loaded
//	generate  text of a language model, for one or for many at a time
//	train     the trainer, optimisers, schedules, metrics, checkpoints
//	          and, in train/data, published data
//	ops       the Gorgonia ops under the layers
//	task      what a model, its data and a trainer agree on
//	param     parameters and buffers, and their files
//
// ARCHITECTURE.md says how they hang together and how to add to them.
package s4
