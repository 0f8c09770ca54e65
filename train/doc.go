// Package train trains sequence models on Gorgonia.
//
// A [Trainer] runs one loop: take a batch, run the training graph, step the
// optimiser, and from time to time evaluate and save. It knows a model only
// through the small interface [Model], the data only through task.Dataset, and
// what they are about not at all: package task has the fields that a batch
// consists of, and the graph that a model makes of them, with a loss, outputs,
// and states that go from batch to batch.
//
//	tr, err := train.New(cfg, model, trainSet, valSet,
//		train.WithMetrics(train.Accuracy()), train.WithHooks(train.NewProgress(os.Stderr)))
//	if err != nil { ... }
//	defer tr.Close()
//	result, err := tr.Fit(ctx)
//
// A [Metric] measures; [NewMean] makes one of a function. An [Optimizer] steps:
// AdamW, unless it is told otherwise; [FromSolver] makes one of a solver of
// Gorgonia's. A [Hook] watches the run: the progress display ([NewProgress]) and
// the metrics file ([NewMetricsFile]) are two.
//
// Between the backward pass and the optimiser lie [Gradients]: there those of
// micro-batches, of clones of a model and, by a [Reducer], of several ranks
// become one, whatever the split, and are checked and clipped. [NewReducer] makes
// one for the ranks of a [Group].
//
// # Reproducibility
//
// A run is a function of its configuration, the model's initial parameters
// and the data: the order of the examples is drawn from Config.Seed and the
// number of the epoch, and a checkpoint stores all that the rest of the run
// depends on. On one machine a run that was stopped and resumed is therefore
// equal, bit for bit, to one that never stopped. There are two exceptions: a run
// that MaxDuration cut short, which depends on the speed of the machine, and one
// whose ranks send bfloat16 ([GroupReducer]). A checkpoint knows its data by a
// fingerprint: Resume refuses others.
//
// A run that is killed at whatever moment leaves a directory that it can be
// resumed from; one that ends with an error leaves the steps before it.
//
// # Many ranks
//
// Several processes, or goroutines of one, can train one model together: each is a rank
// of a [Group], makes its trainer [WithGroup], and computes the gradients of its rows of
// every batch. [RunGroup] runs ranks that are goroutines, and [Replicas] trainers on
// them; package train/mpi has those that MPI has started.
//
// Config.BatchSize and MicroBatch are those of the whole batch, and the order of the
// examples is that of one process: any number of ranks makes the same steps, to
// rounding, and what is random in a model of this module too. Batch normalisation is
// the exception, unless Config.SyncNorm is set and MicroBatch is not. A group of one rank
// is the trainer without one, bit for bit. After every step all ranks hold the same, to
// the bit on processors of one kind.
//
// All ranks call Fit, if all have a trainer: [Agree] tells them. They end together: after
// an error of one of them with a *[RankError] on all, after the end of the context of one
// with an *[InterruptedError] on all. Rank 0 alone writes checkpoints and calls hooks, and it is
// enough that it resumes: the others begin with what it has. Ranks that differ in their
// configuration, model, data, metrics or optimiser do not start. Another number of
// ranks can go on with a run.
//
// # Without the trainer
//
// The pieces work alone. [AdamW] is a gorgonia.Solver for any Gorgonia
// training loop:
//
//	solver := train.NewAdamW(train.ParamGroups(layer.Params(), train.LR(4e-3), train.WeightDecay(0.01)))
//	for ... {
//		err = vm.RunAll()
//		err = solver.Step(gorgonia.NodesToValueGrads(layer.Learnables()))
//		vm.Reset()
//	}
//
// A [Loader] makes batches of a data set, and a [Scheduler] the learning rate
// of each step. Over ranks, [BroadcastParams] lets all begin with the same, and
// [Gradients] with a [NewReducer] make the same step.
package train
