// Package task is what a model, its data and a trainer agree on: a [Dataset]
// declares named fields and gives them example by example, a [Batch] holds them
// for B examples padded to one length L, and a [Graph] is a model for batches of
// one size: which of the fields it reads, the loss, the outputs that metrics
// look at, and the states that it carries from one batch to the next.
//
//	trainSet, err := task.NewTable(
//		task.Col(task.Tokens(task.X, 0), documents),     // [][]int, of any lengths
//		task.Col(task.Label(task.Target), classes))      // []int
//	trainer, err := train.New(cfg, model, trainSet, valSet)
//
// Nothing here knows of classes, of labels or of any one layer: two inputs,
// targets that are numbers, or one for every step, are fields like any other.
//
// It depends on Gorgonia and package param alone, so that a model that can be
// trained links no trainer.
package task
