// Package ssm holds what the kernels of all state space models share: the
// names of discretisations and of parameter transforms, the transforms
// themselves, the discretisation of one complex pole with its derivatives, and
// the rule by which features share a state matrix.
//
//	dt, _ := ssm.Dynamics{}.Dt(raw)                       // of a raw parameter
//	pole := ssm.ZOHPole(complex(dt, 0) * lambda)          // Ab and Phi, Bb = dt Phi B
//	raw, err := ssm.Softplus.Inverse(0.01)                // what a layer starts from
//
// The continuous model is x'(t) = A x(t) + B u(t), y(t) = C x(t); a step size
// dt > 0 turns it into x_l = Ab x_{l-1} + Bb u_l, y_l = C x_l. All arithmetic
// here is float64 and knows no graph.
//
// # Glossary
//
// One idea has one name in this module. Shapes are those of a bank of models; a
// complex array has a last axis of 2. Where the number of states is given as N, a
// layer's DState counts both members of each conjugate pair, 2N, for S4 and S4D.
//
//	paper                         here                        symbol   shape
//	sequences, sequence length    batch, steps                B, L
//	channels, H SSMs              features (DModel)           H
//	outputs of an SSM (M)         channels (Channels)         CH
//	independent SSMs (n_ssm)      state matrices (NSSM)       S
//	state size                    stored states (DState)      N
//	rank of the correction        rank (Rank)                 R
//	input, output                 input, output               u, y     (B, H, L), (B, CH*H, L)
//	state                         state                       x        (B, H, N) or (B, H, N, 2)
//	step size, time scale         step size (Dt; log_dt)      dt       (H, 1) or (H, N)
//	resampling                    Rate: what dt is multiplied by
//	parametrisation               transform                   p        dt = p(raw), Re A = -p(raw)
//	state matrix                  A: AReal, AImag; Lambda     A        (S, N)
//	low-rank correction           P                           P        (R, S, N, 2)
//	input, output matrix          B, C                        B, C     (S, N, 2), (CH, H, N, 2)
//	output times input of DSS     weights (W)                 W        (CH, H, N, 2)
//	discretisation                discretise (Discretize)     Ab, Bb   of one feature (N, N), (N)
//	convolution kernel            kernel (Kernel)             K        (CH, H, L), K_l = C Ab^l Bb
//	generating function           generating function         Khat     at the n-th roots of unity
//	C (I - Ab^L), "truncated C"   C tuned to L steps          C~       (CH, H, N, 2)
//	set up C                      TuneC: C to C~
//	double the length             RetuneC: C~ to that for twice the steps
//	                              UntuneC: C~ to C
//	response to the first state   StateOutput                          (B, CH*H, L), C Ab^(l+1) x0
//	last state                    FinalState                           (B, H, N) or (B, H, N, 2)
//	recurrent mode                Step: Load, Store, Advance
//
// Sources: Gu, Goel, Ré, "Efficiently Modeling Long Sequences with Structured
// State Spaces" (S4, arXiv 2111.00396); Gu, Gupta, Goel, Ré, "On the
// Parameterization and Initialization of Diagonal State Space Models" (S4D,
// arXiv 2206.11893).
package ssm
