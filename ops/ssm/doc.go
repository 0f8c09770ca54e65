// Package ssm holds what the kernels of all state space models share: the
// names of discretisations and of parameter transforms, the transforms
// themselves, the discretisation of one complex pole with its derivatives, and
// the rule by which features share a state matrix.
//
// The continuous model is x'(t) = A x(t) + B u(t), y(t) = C x(t); a step size
// dt > 0 turns it into x_l = Ab x_{l-1} + Bb u_l, y_l = C x_l. All arithmetic
// here is float64 and knows no graph.
//
// Notation: H features, N stored states of one feature, S independent state
// matrices ("n_ssm") shared by the H features.
//
// Sources: Gu, Goel, Ré, "Efficiently Modeling Long Sequences with Structured
// State Spaces" (S4, arXiv 2111.00396); Gu, Gupta, Goel, Ré, "On the
// Parameterization and Initialization of Diagonal State Space Models" (S4D,
// arXiv 2206.11893).
package ssm
