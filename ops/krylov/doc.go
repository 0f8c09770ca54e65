// Package krylov computes the convolution kernels of state space models with a
// dense state matrix: the linear state space layer (LSSL) with its trainable,
// structured A.
//
//	k, err := krylov.Kernel(krylov.Config{L: l}, params)    // (CH, H, L)
//	y, err := fftconv.Conv(u, k, d)                         // (B, CH*H, L)
//	step, err := krylov.NewStep(cfg, size, values)          // the same step by step, without a graph
//
// Whoever wants a layer takes layers.LSSL.
//
// With the model discretised, x_l = Ab x_{l-1} + Bb u_l and y_l = C x_l, the
// kernel is
//
//	K[l] = C Ab^l Bb,  l = 0..L-1
//
// the product of C with the Krylov matrix of Ab and Bb. That N x L matrix is
// not formed. With l = j T + t, T about 2 sqrt(L) and a power of 2, the kernel
// is the product of the rows C Ab^(jT) and the columns Ab^t Bb. The columns grow
// by doubling, with the powers Ab^2, Ab^4, .., Ab^T by repeated squaring; the
// rows are a chain of products with Ab^T. The gradient is the exact adjoint of
// these steps. Time for one feature is O(N^3 log L + N^2 sqrt(L) + N L) in
// matrix products, memory O(N^2 log L + N sqrt(L) + L) for each thread. All of
// it is in float64: a float32 result is within rounding of the exact one for its
// parameters.
//
// # The model
//
// [Kernel] takes LSSL's O(N) parameters (see [ssm.Tridiagonal]; package hippo
// gives those of the HiPPO measures),
//
//	x' = -A x + B u,  A = diag(Pl) (T^-1 + diag(C)) diag(Pr),  B = diag(Pl) B'
//
// and neither A nor T^-1 is formed: the discretised matrix takes N solves with
// one tridiagonal matrix, O(N^2) for each feature, since each has its own step
// size. Every discretisation of package ssm will do.
//
// [Step] is the recurrence whose impulse response the kernel is, [Discretize] its
// matrices and [Continuous] what they are made of.
//
// For sequences that go on from a state, [StateOutput] and [FinalState] are what
// the state adds to the output of a structured model, and the state after the
// sequence. They take the recurrence in blocks of steps, for a whole batch at a
// time, as package linrec does.
//
// # Frozen parameters
//
// With Config.Frozen (LSSL-fixed) all but C is constant. The columns Ab^t Bb
// and the matrix Ab^T of each feature, N (T + N) numbers with T at least N, are
// computed once and kept until one of the values they follow from changes: the
// parameters are compared with a copy at each call. A step then costs two
// matrix products. Keeping the Krylov matrices themselves would take N L numbers
// for each feature.
//
// # Stability
//
// Nothing keeps a free A stable: an optimiser can carry an eigenvalue into the
// right half plane, and Ab^l then grows with l. LSSL as published has no guard.
// Config.Stable is one: it takes |Pl| and |Pr|, and adds to every element of C the
// smallest rho >= 0 for which the symmetric part of T^-1 + diag(C) is not
// negative. In the coordinates z = (Pr/Pl)^(1/2) x then z' = -(Pl Pr)^(1/2) (T^-1 +
// diag(C)) (Pl Pr)^(1/2) z, and |z| never grows, before and after discretisation.
//
// So |K[l]| is bounded for all l, whatever finite values the parameters take;
// rounding aside, which with zero-order hold asks for dt |A| well below 1e15.
// This is sufficient, not necessary: stable models exist that it moves. The
// HiPPO systems are not moved, since in these coordinates they are dissipative.
// LegT, LagT and FouT lie on the boundary, where the derivative of rho depends on the side and
// the inner one, 0, is used. Elsewhere gradients include that of rho. It costs
// one symmetric eigenvalue problem for each state matrix that has changed.
//
// The discretisations of Stable map the left half plane into the unit disc;
// forward Euler, and the generalised bilinear transform with alpha < 1/2, do
// not, and can grow however stable A is.
//
// Shapes: CH channels (kernels of one feature), H features, N states, S state
// matrices shared by the features (n_ssm), L length.
//
// Sources: Gu, Johnson, Goel, Saab, Dao, Rudra, Ré, "Combining Recurrent,
// Convolutional, and Continuous-time Models with Linear State-Space Layers"
// (LSSL, arXiv 2110.13985), sections 2 to 4; the doubling of Krylov matrices is
// that of Keller-Gehrig, "Fast algorithms for the characteristic polynomial"
// (1985).
package krylov
