package main

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
)

// signal returns a function to remember: sines of random phase up to 10 periods,
// the higher the smaller.
func signal(length int, seed uint64) []float64 {
	const highest = 10
	rng := rand.New(rand.NewPCG(seed, 0))
	u := make([]float64, length)
	for k := 1; k <= highest; k++ {
		size, phase := rng.NormFloat64()/math.Sqrt(float64(k)), 2*math.Pi*rng.Float64()
		for l := range u {
			u[l] += size * math.Sin(2*math.Pi*float64(k)*float64(l)/float64(length)+phase)
		}
	}
	return u
}

// memory is the memory of a function after each input.
type memory struct {
	measure hippo.Measure
	u       []float64  // (L)
	x       *mat.Dense // (L, N) coefficients
	dt      float64    // of a sliding measure
	window  int        // inputs that it remembers; 0: all
}

// remember feeds u to a memory of n coefficients.
func (o *options) remember(u []float64, n int) (*memory, error) {
	m := &memory{measure: o.measure, u: u}
	if o.sliding() {
		m.window, m.dt = o.window, 2/float64(o.window) // the window is 2 units of time
	}
	var err error
	m.x, err = hippo.Project(o.measure, n, u, hippo.MemoryOptions{Dt: m.dt})
	return m, err
}

// span returns the inputs that are remembered after the first t.
func (m *memory) span(t int) (from, to int) {
	if m.window == 0 {
		return 0, t
	}
	return max(0, t-m.window), t
}

// recall returns what is remembered, after the first t inputs, of those in the
// span.
func (m *memory) recall(t int) ([]float64, error) {
	from, to := m.span(t)
	ages := make([]float64, to-from)
	for i := range ages {
		steps := float64(t-from-i) - 0.5 // since the middle of the input
		ages[i] = steps * m.dt
		if m.window == 0 {
			ages[i] = -math.Log1p(-steps / float64(t))
		}
	}
	return hippo.Reconstruct(m.measure, mat.Row(nil, t-1, m.x), ages, hippo.MeasureOptions{})
}

// rounding is the smallest error that float64 can tell from none.
const rounding = 0x1p-52

// err returns the root mean square error of what is remembered at the end,
// relative to the root mean square of the function there.
func (m *memory) err() (float64, error) {
	from, to := m.span(len(m.u))
	got, err := m.recall(to)
	if err != nil {
		return 0, err
	}
	var diff, size float64
	for i, v := range m.u[from:to] {
		diff += (got[i] - v) * (got[i] - v)
		size += v * v
	}
	return max(math.Sqrt(diff/size), rounding), nil
}
