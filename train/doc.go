// Package train trains sequence models on Gorgonia.
//
// A [Trainer] runs one loop: take a batch, run the training graph, step the
// optimiser, and from time to time evaluate and save. It knows a model only
// through the small interface [Model]; the data only through [Dataset].
// Everything that watches a run is a [Hook]: the progress display
// ([NewProgress]) and the metrics file ([NewMetricsFile]) are two.
//
//	tr, err := train.New(cfg, model, trainSet, valSet, train.NewProgress(os.Stderr))
//	if err != nil { ... }
//	defer tr.Close()
//	result, err := tr.Fit(ctx)
//
// # Reproducibility
//
// A run is a function of its configuration, the model's initial parameters
// and the data: the order of the examples is drawn from Config.Seed and the
// number of the epoch, and a checkpoint stores all that the rest of the run
// depends on. On one machine a run that was stopped and resumed is therefore
// equal, bit for bit, to one that never stopped. The one exception is a run
// that MaxDuration cut short, which depends on the speed of the machine. A
// checkpoint knows its data by a fingerprint: Resume refuses others.
//
// A run that is killed at whatever moment leaves a directory that it can be
// resumed from; one that ends with an error leaves the steps before it.
//
// # Without the trainer
//
// The pieces work alone. [AdamW] is a gorgonia.Solver for any Gorgonia
// training loop:
//
//	solver := train.NewAdamW(train.Groups(layer.Params(), train.LR(4e-3), train.WeightDecay(0.01)))
//	for ... {
//		err = vm.RunAll()
//		err = solver.Step(gorgonia.NodesToValueGrads(layer.Learnables()))
//		vm.Reset()
//	}
//
// A [Loader] makes batches of a data set, and a [Scheduler] the learning rate
// of each step.
package train
