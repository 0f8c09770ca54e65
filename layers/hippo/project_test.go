package hippo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/ops/ssm"
)

func mustProject(t *testing.T, m Measure, n int, u []float64, opts MemoryOptions) *mat.Dense {
	t.Helper()
	x, err := Project(m, n, u, opts)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// legendreIntegrals returns the integrals of sqrt(2n+1) P_n from -1 to y, from
// (2n+1) P_n = P_n+1' - P_n-1'.
func legendreIntegrals(n int, y float64) []float64 {
	p := make([]float64, n+1)
	legendre(p, y)
	return vector(n, func(i int) float64 {
		if i == 0 {
			return y + 1
		}
		return (p[i+1] - p[i-1]) / root(i)
	})
}

// The scaled memory under zero-order hold is at every step exactly the
// orthogonal projection of the staircase of all inputs so far on the Legendre
// polynomials over [0, t].
func TestScaledMemoryIsTheProjection(t *testing.T) {
	const (
		n, L = 12, 40
		tol  = 1e-12
	)
	u := normals(rand.New(rand.NewPCG(11, 12)), L)
	x := mustProject(t, LegS, n, u, MemoryOptions{Disc: ssm.ZOH})
	for now := 1; now <= L; now++ {
		want := make([]float64, n)
		for k, v := range u[:now] {
			hi := legendreIntegrals(n, 2*float64(k+1)/float64(now)-1)
			lo := legendreIntegrals(n, 2*float64(k)/float64(now)-1)
			floats.AddScaled(want, v/2, hi)
			floats.AddScaled(want, -v/2, lo)
		}
		within(t, fmt.Sprintf("t=%d", now), x.RawRowView(now-1), want, tol)
	}
}

// Stretching the input in time does not change the scaled memory (HiPPO,
// proposition 3).
func TestScaledMemoryHasNoTimeScale(t *testing.T) {
	const (
		n, L, stretch = 16, 30, 3
		tol           = 1e-12
	)
	u := normals(rand.New(rand.NewPCG(13, 14)), L)
	slow := vector(L*stretch, func(i int) float64 { return u[i/stretch] })
	opts := MemoryOptions{Disc: ssm.ZOH}
	a, b := mustProject(t, LegS, n, u, opts), mustProject(t, LegS, n, slow, opts)
	for l := range L {
		within(t, fmt.Sprintf("t=%d", l+1), b.RawRowView((l+1)*stretch-1), a.RawRowView(l), tol)
	}
}

// Under zero-order hold the memories of the triangular measures are exactly
// x_n(t) = int u(t-s) phi_n(s) w(s) ds of the staircase.
func TestMemoryIsTheProjection(t *testing.T) {
	const (
		n, L, dt = 6, 20, 0.15
		tol      = 1e-11
	)
	u := normals(rand.New(rand.NewPCG(15, 16)), L)
	for _, c := range []struct {
		m      Measure
		opts   MeasureOptions
		weight func(s float64) float64
	}{
		{LegS, MeasureOptions{}, func(s float64) float64 { return math.Exp(-s) }},
		{LagT, MeasureOptions{}, func(s float64) float64 { return 1 }},
		{TLagT, MeasureOptions{Beta: 0.5}, func(s float64) float64 { return 0.25 * math.Exp(-0.5*s) }},
		{GLagT, MeasureOptions{Beta: 0.2}, func(s float64) float64 { return 0.2 * math.Exp(-0.2*s) }},
	} {
		x := mustProject(t, c.m, n, u, MemoryOptions{MeasureOptions: c.opts, Dt: dt, Disc: ssm.ZOH})
		basis, err := basisOf(c.m, n, c.opts)
		if err != nil {
			t.Fatal(err)
		}
		phi := make([]float64, n)
		want := vector(n, func(i int) (sum float64) {
			for k, v := range u {
				age := float64(L-1-k) * dt
				sum += v * gauss(func(s float64) float64 { basis(phi, s); return phi[i] * c.weight(s) }, age, age+dt)
			}
			return sum
		})
		within(t, string(c.m), x.RawRowView(L-1), want, tol)
	}
}

// smooth is the function to remember.
func smooth(t float64) float64 {
	return math.Sin(2*math.Pi*t) + 0.5*math.Cos(3*math.Pi*t+0.3) + 0.3*t
}

// More coefficients remember better under every measure, down to the error of
// the discretisation.
func TestReconstructionImprovesWithN(t *testing.T) {
	const (
		L     = 2000 // inputs
		floor = 1e-4 // of the discretisation
	)
	for _, c := range []struct {
		name string
		m    Measure
		dt   float64 // 0: scaled
		last float64 // the oldest age to compare at, in the unit of the measure
		unit float64 // that unit in the time of smooth
		tol  float64 // error at N = 64
	}{
		{"scaled LegS", LegS, 0, L, 2. / L, 1e-4},
		{"LegT", LegT, 0.002, 2, 0.5, 1e-4},
		{"LMU", LMU, 0.001, 1, 1, 1e-4},
		{"FouT", FouT, 0.002, 2, 0.5, 0.06}, // the window is no period of the function: a jump
		{"LegS", LegS, 0.004, 1, 0.25, 2e-3},
		{"LagT", LagT, 0.02, 15, 0.05, 0.01},
		{"TLagT", TLagT, 0.02, 15, 0.05, 1e-4},
		{"GLagT", GLagT, 0.02, 15, 0.05, 0.01},
	} {
		step := c.dt
		if step == 0 {
			step = 1
		}
		ages := vector(200, func(i int) float64 { return c.last * float64(i) / 200 })
		want := vector(200, func(i int) float64 { return smooth((L*step - ages[i]) * c.unit) })
		before := math.Inf(1)
		for _, n := range []int{4, 8, 16, 32, 64} {
			mem, err := NewMemory(c.m, n, MemoryOptions{Dt: c.dt})
			if err != nil {
				t.Fatal(err)
			}
			for l := range L {
				if err := mem.Push(smooth((float64(l) + 0.5) * step * c.unit)); err != nil {
					t.Fatal(err)
				}
			}
			got, err := mem.Reconstruct(ages)
			if err != nil {
				t.Fatal(err)
			}
			e := relErr(got, want)
			if !(e < max(before, floor)) {
				t.Errorf("%s: error %.3g at N = %d, %.3g at half of it", c.name, e, n, before)
			}
			if n == 64 && !(e <= c.tol) {
				t.Errorf("%s: error %.3g at N = %d, want at most %.3g", c.name, e, n, c.tol)
			}
			before = e
		}
	}
}

// The memory is online, and Project and Reconstruct are it applied to a slice.
func TestProjectIsTheMemory(t *testing.T) {
	const n, L = 8, 25
	u := normals(rand.New(rand.NewPCG(17, 18)), L)
	for _, c := range []struct {
		m  Measure
		dt float64
	}{{LegS, 0}, {LegT, 2. / L}, {LagT, 0.1}} {
		x := mustProject(t, c.m, n, u, MemoryOptions{Dt: c.dt})
		mem, err := NewMemory(c.m, n, MemoryOptions{Dt: c.dt})
		if err != nil {
			t.Fatal(err)
		}
		for l, v := range u {
			if err := mem.Push(v); err != nil {
				t.Fatal(err)
			}
			if !floats.Equal(mem.Coefficients(), x.RawRowView(l)) {
				t.Fatalf("%s: after input %d the memory is %g, Project has %g", c.m, l, mem.Coefficients(), x.RawRowView(l))
			}
		}
		ages, s := []float64{0, 0.5, 1.25}, []float64{0, 0.5, 1.25}
		if c.dt == 0 {
			s[1], s[2] = -math.Log(1-0.5/L), -math.Log(1-1.25/L)
		}
		want, err := mem.Reconstruct(ages)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Reconstruct(c.m, x.RawRowView(L-1), s, MeasureOptions{})
		if err != nil {
			t.Fatal(err)
		}
		within(t, string(c.m), got, want, 1e-12)
	}
}

// The scaled memory reaches back to the first input, and no further.
func TestScaledMemoryReach(t *testing.T) {
	mem, err := NewMemory(LegS, 4, MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := mem.Push(3); err != nil {
			t.Fatal(err)
		}
	}
	got, err := mem.Reconstruct([]float64{0, 2.5, 5})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "a constant", got, []float64{3, 3, 3}, 1e-13)
	if _, err := mem.Reconstruct([]float64{5.5}); err == nil || !strings.Contains(err.Error(), "within the 5 inputs seen, got 5.5") {
		t.Errorf("an age before the first input: got error %v", err)
	}
}

func TestMemoryErrors(t *testing.T) {
	memory := func(m Measure, n int, o MemoryOptions) error { _, err := NewMemory(m, n, o); return err }
	_, noInput := Project(LegS, 4, nil, MemoryOptions{})
	_, noMeasure := Project("legs2", 4, []float64{1}, MemoryOptions{})
	_, badAge := Reconstruct(LegS, []float64{1}, []float64{0, -1}, MeasureOptions{})
	_, noState := Reconstruct(LegS, nil, []float64{0}, MeasureOptions{})
	_, notFinite := Project(LegS, 4, []float64{1, math.Inf(-1)}, MemoryOptions{})
	_, notANumber := Project(LegT, 4, []float64{math.NaN()}, MemoryOptions{Dt: 1})
	var zero Memory
	_, zeroReconstruct := zero.Reconstruct([]float64{0})
	for _, c := range []struct {
		err  error
		want string
	}{
		{notFinite, `hippo: memory: input 1: want a finite number, got -Inf`},
		{notANumber, `hippo: memory: input 0: want a finite number, got NaN`},
		{zero.Push(1), `hippo: memory: want one that NewMemory made, got the zero value`},
		{zeroReconstruct, `hippo: memory: want one that NewMemory made, got the zero value`},
		{memory(FouD, 4, MemoryOptions{Dt: 1}), `hippo: measure "foud": its kernels are no orthogonal basis`},
		{memory(LegT, 4, MemoryOptions{}), `want a finite step dt > 0, got 0`},
		{memory(LegS, 4, MemoryOptions{Dt: -1}), `want a finite step dt > 0, got -1`},
		{memory(LegS, -3, MemoryOptions{}), `hippo: measure "legs": want N in [1, 32768], got -3`},
		{memory(LegS, 4, MemoryOptions{Disc: ssm.GBT}), `ssm: want discretisation "zoh", "bilinear", "euler" or "backward_diff", got "gbt"`},
		{memory(LegS, 4, MemoryOptions{MeasureOptions: MeasureOptions{Beta: 2}}), `measure "legs": it has no Beta`},
		{noInput, `hippo: Project: want at least one input, got none`},
		{noMeasure, `hippo: want measure one of`},
		{badAge, `hippo: want a finite age >= 0, got -1`},
		{noState, `hippo: measure "legs": want N in [1, 32768], got 0`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
