// Package cauchy computes the convolution kernels of state space models in
// diagonal plus low-rank form (DPLR), those of S4.
//
//	k, err := cauchy.Kernel(cauchy.Config{L: l}, params)    // (CH, H, L)
//	y, err := fftconv.Conv(u, k, d)                         // (B, CH*H, L)
//	step, err := cauchy.NewStep(cfg, size, values)          // the same step by step, without a graph
//
// Whoever wants a layer takes layers.S4.
//
// The continuous model of a feature is x' = M x + b u, y = c x with
//
//	M = diag(Lambda, conj Lambda) - sum_r p_r p_r^H,  p_r = (P_r, conj P_r)
//	b = (B, conj B),  c = (C, conj C)
//
// of which only the first halves are stored. The bilinear discretisation is
//
//	Ab = (I - dt/2 M)^-1 (I + dt/2 M),  Bb = (I - dt/2 M)^-1 dt b
//
// and the kernel K[l] = c Ab^l Bb, l = 0..L-1. dt is one number or, with
// [Size.DtPerState], the diagonal matrix of the step sizes of the states. Its generating function at the
// n-th roots of unity w,
//
//	Khat(w) = sum_{l<n} K[l] w^l = C~ (I - w Ab)^-1 Bb,  C~ = C (I - Ab^n)
//
// consists of Cauchy sums of poles and nodes, by the Woodbury identity, and the
// kernel is its inverse discrete Fourier transform. C~ is what a layer learns;
// it belongs to the length n. [TuneC] makes it from C, [RetuneC] tunes it to
// twice the length, [UntuneC] is the way back.
//
// The form used here has no pole at w = -1, where the published one divides by
// 1 + w. With w = e^(-i theta), y = 2 sin(theta/2), c = cos(theta/2) and
//
//	s(a, b) = sum_n dt a_n b_n/(i y - c dt Lambda_n) + dt conj(a_n b_n)/(i y - c dt conj Lambda_n)
//
// it is
//
//	Khat = e^(i theta/2) (s(C~,B) - c s(C~,P) (I + c s(conj P,P))^-1 s(conj P,B))
//
// in real arithmetic but for the correction and one phase. Time is O(N n) for
// each feature, memory O(N + n): no array of N x n is ever formed, neither for
// the kernel nor for its gradients, which cost about twice the kernel.
//
// Precision: everything is float64 inside, nodes are exact, and the gradient is
// written so that the large terms near a pole cancel only once. The kernel
// agrees with the recurrence to about 1e-13 at any length; the float32 one is
// the float64 one, rounded. An eigenvalue 0, and eigenvalues on the imaginary
// axis, are allowed. A nearly undamped one costs digits: the relative error
// grows to 1e-16 |p|^2/|Re Lambda|. Steps may be as short or long as they like. A
// mode that Ab^n takes to itself, such as that of an eigenvalue 0 without P, has no
// part in C~: where input and output reach it, kernels and conversions are errors
// that name the pole.
//
// Speed: the sums over poles and nodes, and their adjoint, run in AVX-512, AVX2 or
// NEON registers where the machine has them, in float64 for both element types: near
// a pole the terms of the Woodbury correction cancel to a degree that float32
// does not survive. Each is one pass over the (pole, node) pairs with one division
// for both members of a conjugate pair; the backward pass finds the quotients
// again. A length n is transformed fastest where internal/fft has n/2: powers of
// two from 256 on, and their products with small powers of 3 and 5.
//
// [Kernel] is the Gorgonia op. [StateOutput] is what an initial state adds to the
// output and [FinalState] the state at the end of it, Gorgonia ops too, by
// products of dense matrices. [Step] and [DenseStep] are the recurrence whose
// impulse response the kernel is, without a graph, any number of them with the same
// constants ([Step.Fork]); [Discretize] gives its matrices.
//
// Shapes: CH channels (kernels of one feature), H features, N stored states
// (half the state size), R rank, S state matrices shared by the features
// (n_ssm), L length. Complex arrays have a trailing axis of 2: real and
// imaginary part.
//
// Sources: Gu, Goel, Ré, "Efficiently Modeling Long Sequences with Structured
// State Spaces" (S4, arXiv 2111.00396), section 3 and appendix C; Goel, Gu,
// Donahue, Ré, "It's Raw! Audio Generation with State-Space Models" (SaShiMi,
// arXiv 2202.09729), for P P^H in place of P Q^*.
package cauchy
