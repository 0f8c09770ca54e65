// Package hippo is the mathematics of state space models in float64, without a
// graph: the HiPPO measures and their matrices, the eigenbasis in which S4
// stores them, the diagonal initialisations of S4D, discretisation, the
// recurrence and the convolution kernel by matrix powers, and the online
// memory that all of it comes from.
//
//	a, b, err := hippo.Transition(hippo.LegS, 64, hippo.MeasureOptions{})   // x' = A x + B u
//	model := hippo.SSM{A: a, B: b, C: c}                                    // y = C x
//	r, err := model.Discretize(0.01, ssm.Bilinear, 0)                       // x_l = Ab x_{l-1} + Bb u_l
//	y, err := r.Scan(nil, u)                                                // as a recurrence,
//	k, err := r.Kernel(len(u))                                              // or y = hippo.Convolve(k, u)
//
// It is written to be read beside the papers, one formula and one short
// function at a time, and it is the oracle of the fast kernels: everything is
// computed in the obvious way, O(N^3) where that is the obvious cost.
//
//	measure --Transition--> A, B --Discretize--> Ab, Bb --Step, Scan, Kernel--> y
//	   |                     |
//	   |                     +--NPLR--> Lambda, P, B, V (the DPLR form of S4)
//	   +--Basis, Project, Reconstruct (what the state means)
//
// # Conventions
//
// The model is x'(t) = A x(t) + B u(t), y(t) = C x(t) + D u(t) with A stable:
// the sign is part of A. N is the size of x, L the length of a sequence, dt a
// step size in the unit of time of the measure (see [Measure]).
//
// A real system has complex eigenvalues in conjugate pairs. The complex forms
// store one of each pair, N/2 numbers, the one with Im <= 0 as in
// state-spaces/s4, and the real output is
//
//	y = C x + conj(C x) = 2 Re(C x)
//
// # Papers
//
//   - HiPPO: Gu, Dao, Ermon, Rudra, Ré, "HiPPO: Recurrent Memory with Optimal
//     Polynomial Projections", arXiv 2008.07669
//   - LMU: Voelker, Kajić, Eliasmith, "Legendre Memory Units", NeurIPS 2019
//   - LSSL: Gu et al., "Combining Recurrent, Convolutional, and
//     Continuous-time Models with Linear State-Space Layers", arXiv 2110.13985
//   - S4: Gu, Goel, Ré, "Efficiently Modeling Long Sequences with Structured
//     State Spaces", arXiv 2111.00396
//   - DSS: Gupta, Gu, Berant, "Diagonal State Spaces are as Effective as
//     Structured State Spaces", arXiv 2203.14343
//   - S4D: Gu, Gupta, Goel, Ré, "On the Parameterization and Initialization of
//     Diagonal State Space Models", arXiv 2206.11893
//   - HTTYH: Gu, Johnson, Timalsina, Rudra, Ré, "How to Train Your HiPPO",
//     arXiv 2206.12037
package hippo
