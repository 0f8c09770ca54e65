// Package layers composes the ops of this module into layers for Gorgonia
// models: the state space layers and those that they are compared with, the residual
// blocks and stacks that models are made of, and the linear, embedding, norm and
// dropout layers around them.
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
// seeds are options. CloneTo, or [Clone] for a layer of any type, puts the same
// tensors on another graph, so that a training graph, an evaluation graph and
// graphs of other lengths share one set of weights; a graph is run by one VM at a
// time. Whether dropouts drop and a BatchNorm normalises by the batch is up to the
// VM: it trains unless it was made with gorgonia.EvalMode.
//
// # Goroutines
//
// Several goroutines may each make a copy of a layer, a machine for its graph and
// a recurrence, and run them at the same time, while nothing updates the weights
// and the original's own graph is at rest. The nodes of a copy hold tensors of
// their own over the memory of the original's, so that an update in place, which
// is what solvers do, is seen by all; gorgonia.Let binds a new tensor to one of
// them. Dropouts of copies draw from streams of their own: see OnStream, and
// InTurn for copies that take turns, and BeginRows for those that run on rows of one
// batch. Copies with a BatchNorm, which write one set of running statistics when they
// train, train in turn.
//
// # Mixers, blocks and stacks
//
// A [Mixer] maps sequences to sequences. A [Block] is one with a norm, a dropout
// and a residual around it, and a [Stack] is blocks in a row, whose mixers may be
// of different kinds: a [StackConfig] in JSON names them ("mixer": {"kind": "s4d",
// ...}, see [RegisterMixer]). The mixers of this package are the state space
// layers, the layers that they are compared with, and [Linear].
//
// What else a mixer can do are interfaces of their own: it steps ([Stepper]), goes
// on from a state in a graph ([Stateful]), is a convolution ([Kernels]) or a set of
// linear systems ([Systems]). A block or a stack can what its mixers can, and where
// one cannot, the error names it and the interface that it lacks.
//
// A mixer of another package is a configuration, which is a [MixerConfig], and a
// layer, which its Build makes with a [Builder]; copies, checkpoints, blocks and
// recurrences need no more. Its Fwd has Gorgonia's ops to build with and those of
// package ops. Some of Gorgonia's (v0.9.18) are wrong, without an error: two Slices
// of one node are taken for one, Reshape shares its input's memory and with it
// gradients, and Dropout, InverseSqrt and BatchNorm have wrong gradients. A test
// that steps the mixer through a sequence and compares with Fwd finds that out.
//
// # State space layers
//
// All have the same surroundings (skip, activation, gate, dropout, mixing of the
// features, two directions: see [SSM]) and go into a Block. They differ in the state
// matrix A:
//
//	S4D   diagonal [1]: the one to begin with
//	S4    diagonal plus low rank, so that it can be the HiPPO matrix itself [2];
//	      with a gate and a bottleneck, gated state spaces [3]
//	DSS   diagonal, shared by all features, without conjugate pairs [4]
//	LSSL  dense with O(N) parameters, and several outputs of each state [5]
//	S5    diagonal, one model with as many inputs and outputs as features [14]
//
// S5, and the LRU [15], which is a linear recurrence without a continuous time behind it,
// have one state for all features: Fwd, FwdState and Recurrence are the same recurrence,
// and they have no kernels. Steps that are not equally far apart are for S5 alone
// (FwdSteps). Each of the others is three things with the same parameters. Fwd is a
// convolution with the kernels that Kernel returns, for training and for whole sequences.
// Recurrence is a recurrent network, for one step at a time without a graph. FwdState is the
// convolution again, but starts from a state and returns the last one: for
// sequences in parts, with gradients through the state, or, where a Carry hands the
// state over from one run of the graph to the next, with gradients that end where
// the part begins. Copies read another sampling rate (AtRate) or longer sequences
// (ForLength).
//
// S4ND [17] is for images and volumes, which it reads as a sequence of their rows: a
// convolution whose kernel is a product of kernels of S4D, or S4, one for each axis. It has no
// state and no steps. A copy at half the rate reads twice as many pixels along each axis.
//
// A stays stable whatever the optimiser does, except in S4D, S4 and S4ND with the
// transform ssm.None, and in DSS of version softmax or clip, which as published
// let a state grow.
//
// # Layers to compare with
//
// They are mixers as good as the others: every one has lengths, copies and, unless it
// reads the future, a state and steps.
//
//	Transformer  an Attention and a FeedForward, each in a Block [6]; its state is a
//	             cache of keys and values that grows, or is as long as a window, or for
//	             linear attention [7] a matrix for each head; with a Position in front,
//	             or rotary ones
//	LSTM, GRU    gated recurrences [8, 9], and RNN without gates: one op for a whole
//	             sequence, also of several layers and in two directions
//	HiPPORNN     a gated state that writes to a HiPPO memory, and sees it: the first of
//	             the line [18]; its steps may be irregular (FwdSteps)
//	ESN          a reservoir of random weights that are not learned, and a linear map of its
//	             state that is [22]
//	Conv1D       short kernels, dilated, grouped or depthwise; its state is the last
//	             inputs, and so is that of what is made of it: TCN, residual levels of
//	             growing dilation [10], and ConvNet
//	Mamba        a selective state space model between a short convolution and a gate [16]:
//	             what it keeps of an input depends on the input; its state is the last
//	             inputs of the convolution, and N numbers for each channel
//	RetNet       a Retention, linear attention whose heads forget at rates of their own, and
//	             a FeedForward, each in a Block [19]; its state is a matrix for each head
//	Mega         a MegaAttention, within chunks, with queries and keys of moving averages, an
//	             EMA, and a FeedForward [20]; its state is the averages and one chunk
//	CKConv       kernels as long as the sequence, of all pairs of features, from a network
//	             with sines over positions, which other rates read elsewhere [21]; a
//	             CKBlock is two of them with norms and a residual
//	LongConv     kernels as long as the sequence with a weight for each lag, in the
//	             surroundings of the state space layers [11]
//
// Transformer, RetNet, Mega, TCN and CKBlock have residuals of their own: in a stack they
// are in a Block with NoResidual and NoNorm.
//
// # Heads
//
// A [Head] ends a language model: its NLL is the cross-entropy of each label without the
// scores of all classes in memory, its Fwd these scores. [Softmax] is linear; an
// [AdaptiveSoftmax], with an [AdaptiveEmbedding] at the other end, gives rare tokens fewer
// features, for vocabularies of hundreds of thousands [12, 13]. [TiedTo] makes parameters of
// an embedding those of a head too: one tensor, listed by the embedding alone.
//
// # Steps
//
// A [Snapshot] is the parameters of a layer at one moment, prepared for steps, and
// a [Session] a batch of sequences that is under way: it owns nothing but a
// [State], named tensors that are saved as bytes, split and joined by rows. A
// [Recurrence] is a session that follows its layer (Refresh) and is forked: forks
// share a snapshot. Every layer but Dropout and S4ND is a Stepper, and a [Chain] makes one
// of several: of an embedding, a stack and a decoder, say. [ScanStates] steps
// through a sequence and collects the states.
//
// # Parameters
//
// Params lists the parameters with the optimiser hints that the papers give
// (learning rate, no weight decay for state space parameters); package train
// has an optimiser that follows them, package param the files, and [Summary] a
// table.
//
// # References
//
//  1. Gu, Gupta, Goel, Ré 2022, arXiv:2206.11893
//  2. Gu, Goel, Ré 2022, arXiv:2111.00396
//  3. Mehta, Gupta, Cutkosky, Neyshabur 2022, arXiv:2206.13947
//  4. Gupta, Gu, Berant 2022, arXiv:2203.14343
//  5. Gu, Johnson, Goel, Saab, Dao, Rudra, Ré 2021, arXiv:2110.13985
//  6. Vaswani et al. 2017, arXiv:1706.03762
//  7. Katharopoulos et al. 2020, arXiv:2006.16236
//  8. Hochreiter, Schmidhuber 1997, Long Short-Term Memory
//  9. Cho et al. 2014, arXiv:1406.1078
//  10. Bai, Kolter, Koltun 2018, arXiv:1803.01271
//  11. Fu et al. 2023, arXiv:2302.06646
//  12. Grave, Joulin, Cissé, Grangier, Jégou 2017, arXiv:1609.04309
//  13. Baevski, Auli 2019, arXiv:1809.10853
//  14. Smith, Warrington, Linderman 2022, arXiv:2208.04933
//  15. Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu, De 2023, arXiv:2303.06349
//  16. Gu, Dao 2023, arXiv:2312.00752
//  17. Nguyen, Goel, Gu, Downs, Shah, Dao, Baccus, Ré 2022, arXiv:2210.06583
//  18. Gu, Dao, Ermon, Rudra, Ré 2020, arXiv:2008.07669
//  19. Sun et al. 2023, arXiv:2307.08621
//  20. Ma et al. 2022, arXiv:2209.10655
//  21. Romero, Kuzina, Bekkers, Tomczak, Hoogendoorn 2022, arXiv:2102.02611
//  22. Jaeger 2001, The echo state approach to analysing and training recurrent neural networks
package layers
