package tour_test

import (
	"fmt"
	"math"
	"math/cmplx"
)

//tour:learning-model

// waves is a diagonal model whose parameters are learned: A_n = -e^Decay_n + i Turn_n, and
// the weights W_n, which are C_n B_n.
type waves struct {
	Decay, Turn []float64
	W           []complex128
}

func (m *waves) a(n int) complex128 { return complex(-math.Exp(m.Decay[n]), m.Turn[n]) }

// kernel returns K_l = 2 Re sum_n W_n e^(l dt A_n).
func (m *waves) kernel(dt float64, L int) []float64 {
	k := make([]float64, L)
	for n := range m.W {
		ab, v := cmplx.Exp(m.a(n)*complex(dt, 0)), 2*m.W[n]
		for l := range k {
			k[l] += real(v)
			v *= ab
		}
	}
	return k
}

//tour:end

//tour:learning-gradient

// gradient returns the derivatives of a loss by the parameters, from those by the kernel,
// g_l = dLoss/dK_l.
func (m *waves) gradient(dt float64, g []float64) (d waves) {
	for n := range m.W {
		ab, v := cmplx.Exp(m.a(n)*complex(dt, 0)), complex(1, 0)
		var s0, s1 complex128 // sum_l g_l Ab^l, and sum_l l g_l Ab^l
		for l := range g {
			s0 += complex(g[l], 0) * v
			s1 += complex(float64(l)*g[l], 0) * v
			v *= ab
		}
		da := 2 * complex(dt, 0) * m.W[n] * s1 // dLoss/dA_n, as a complex derivative
		d.Decay = append(d.Decay, -real(da)*math.Exp(m.Decay[n]))
		d.Turn = append(d.Turn, -imag(da))
		d.W = append(d.W, cmplx.Conj(2*s0))
	}
	return d
}

//tour:end

// start is a model of n waves of S4D-Lin.
func start(n int) *waves {
	m := &waves{W: make([]complex128, n)}
	for i := range n {
		m.Decay, m.Turn = append(m.Decay, math.Log(0.5)), append(m.Turn, math.Pi*float64(i))
		m.W[i] = 0.1
	}
	return m
}

// wanted is the kernel to learn: one wave, whose speed is between those of the start.
func wanted(dt float64, L int) []float64 {
	k := make([]float64, L)
	for l := range k {
		t := dt * float64(l)
		k[l] = math.Exp(-0.2*t) * math.Cos(4.6*t)
	}
	return k
}

// loss returns half the squared error of a kernel, and its derivatives.
func loss(k, want []float64) (sum float64, g []float64) {
	for l := range k {
		g = append(g, k[l]-want[l])
		sum += g[l] * g[l] / 2
	}
	return sum, g
}

func Example_learningGradient() {
	const dt, L = 0.05, 200
	m, want := start(4), wanted(dt, L)
	//tour:learning-agree
	_, g := loss(m.kernel(dt, L), want)
	fast := m.gradient(dt, g)
	for n := 1; n < 4; n++ {
		const h = 1e-5
		m.Turn[n] += h
		up, _ := loss(m.kernel(dt, L), want)
		m.Turn[n] -= 2 * h
		down, _ := loss(m.kernel(dt, L), want)
		m.Turn[n] += h
		fmt.Printf("speed %d: %8.4f, by differences %8.4f\n", n, fast.Turn[n], (up-down)/(2*h))
	}
	//tour:end
	// Output:
	// speed 1:  -0.6126, by differences  -0.6126
	// speed 2:   0.4293, by differences   0.4293
	// speed 3:   0.0007, by differences   0.0007
}

//tour:learning-descent

// descend makes so many steps of gradient descent with momentum, for A at a rate of its own.
func descend(m *waves, want []float64, dt, rate, rateA float64, steps int) float64 {
	v := waves{make([]float64, len(m.W)), make([]float64, len(m.W)), make([]complex128, len(m.W))}
	for range steps {
		_, g := loss(m.kernel(dt, len(want)), want)
		d := m.gradient(dt, g)
		for n := range m.W {
			v.Decay[n] = 0.9*v.Decay[n] - rateA*d.Decay[n]
			v.Turn[n] = 0.9*v.Turn[n] - rateA*d.Turn[n]
			v.W[n] = 0.9*v.W[n] - complex(rate, 0)*d.W[n]
			m.Decay[n] += v.Decay[n]
			m.Turn[n] += v.Turn[n]
			m.W[n] += v.W[n]
		}
	}
	return distance(m.kernel(dt, len(want)), want)
}

//tour:end

func Example_learning() {
	//tour:learning-run
	const dt, L = 0.05, 200
	for _, rateA := range []float64{0, 0.001} {
		m := start(4)
		off := descend(m, wanted(dt, L), dt, 0.002, rateA, 500)
		fmt.Printf("A learned at %g: off by %.3f\n", rateA, off)
		for n := range m.W {
			fmt.Printf("  A = %5.2f, |W| = %.2f\n", m.a(n), cmplx.Abs(m.W[n]))
		}
	}
	//tour:end
	// Output:
	// A learned at 0: off by 0.850
	//   A = (-0.50+0.00i), |W| = 0.04
	//   A = (-0.50+3.14i), |W| = 0.28
	//   A = (-0.50+6.28i), |W| = 0.30
	//   A = (-0.50+9.42i), |W| = 0.11
	// A learned at 0.001: off by 0.025
	//   A = (-0.53+0.00i), |W| = 0.00
	//   A = (-0.26+4.57i), |W| = 0.98
	//   A = (-0.36+4.59i), |W| = 0.58
	//   A = (-0.57+9.38i), |W| = 0.01
}

// The answer of the exercise.
func Example_learningExercise() {
	const dt, L = 0.05, 200
	m, want := start(4), wanted(dt, L)
	//tour:learning-exercise
	_, g := loss(m.kernel(dt, L), want)
	fast := m.gradient(dt, g)
	for n := 1; n < 4; n++ {
		const h = 1e-5
		m.Decay[n] += h
		up, _ := loss(m.kernel(dt, L), want)
		m.Decay[n] -= 2 * h
		down, _ := loss(m.kernel(dt, L), want)
		m.Decay[n] += h
		fmt.Printf("decay %d: %8.4f, by differences %8.4f\n", n, fast.Decay[n], (up-down)/(2*h))
	}
	//tour:end
	// Output:
	// decay 1:  -0.3903, by differences  -0.3903
	// decay 2:  -0.3795, by differences  -0.3795
	// decay 3:  -0.2195, by differences  -0.2195
}
