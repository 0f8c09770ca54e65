package mimo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// numbers returns n numbers in (-0.5, 0.5).
func numbers(rng *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.Float64() - 0.5
	}
	return x
}

// draw returns arguments of a plan.
func (s sizes) draw(rng *rand.Rand) *inputs[float64] {
	poles := 4 * s.P
	if s.varying {
		poles = 4 * s.B * s.L * s.P
	}
	return &inputs[float64]{
		X: numbers(rng, s.B*s.H*s.L),
		Params: Params[[]float64]{
			Poles: numbers(rng, poles), B: numbers(rng, 2*s.P*s.H), C: numbers(rng, 2*s.S*s.H*s.P), D: numbers(rng, s.H),
		},
		Start: numbers(rng, 2*s.B*s.S*s.P),
	}
}

// like returns room for the gradients of arguments.
func like(in *inputs[float64]) *inputs[float64] {
	room := func(x []float64) []float64 { return make([]float64, len(x)) }
	p := in.Params
	return &inputs[float64]{X: room(in.X), Start: room(in.Start),
		Params: Params[[]float64]{Poles: room(p.Poles), B: room(p.B), C: room(p.C), D: room(p.D)}}
}

// row returns the arguments of row b alone.
func (s sizes) row(in *inputs[float64], b int) *inputs[float64] {
	part := func(x []float64) []float64 { return x[b*len(x)/s.B : (b+1)*len(x)/s.B] }
	r := *in
	r.X, r.Start = part(in.X), part(in.Start)
	if s.varying {
		half := len(in.Params.Poles) / 2
		r.Params.Poles = slices.Concat(part(in.Params.Poles[:half]), part(in.Params.Poles[half:]))
	}
	if in.Lengths != nil {
		r.Lengths = in.Lengths[b : b+1]
	}
	return &r
}

// A batch whose rows are taken whole gives what each row gives by itself, whose products are
// spread over the workers, over several chunks: outputs and what belongs to the row to the
// bit, and of the parameters the sums.
func TestWholeRows(t *testing.T) {
	const tol = 1e-12
	rng := rand.New(rand.NewPCG(12, 2))
	for _, directions := range []int{1, 2} {
		for _, varying := range []bool{false, true} {
			s := sizes{B: maxGroups + 3, H: 3, L: 2*chunkSteps + 9, P: 2, S: directions, varying: varying}
			in := s.draw(rng)
			in.Lengths = make([]int, s.B)
			for b := range in.Lengths {
				in.Lengths[b] = []int{s.L, 0, 1, chunkSteps, chunkSteps + 1, 2*chunkSteps - 1, s.L - 1}[b%7]
			}
			gy, gEnd := numbers(rng, len(in.X)), numbers(rng, len(in.Start))
			compareRows(t, fmt.Sprintf("%d directions, varying %t", directions, varying), tol, s, in, gy, gEnd)
		}
	}
}

func compareRows(t *testing.T, name string, tol float64, s sizes, in *inputs[float64], gy, gEnd []float64) {
	t.Helper()
	run := func(s sizes, in *inputs[float64], gy, gEnd []float64) (y, end []float64, grad *inputs[float64]) {
		y, end, grad = make([]float64, len(in.X)), make([]float64, len(in.Start)), like(in)
		p := newPlan[float64](s, 2)
		if err := p.Forward(y, end, in); err != nil {
			t.Fatal(err)
		}
		p.Backward(grad, in, gy, gEnd)
		return y, end, grad
	}
	y, end, grad := run(s, in, gy, gEnd)
	one := s
	one.B = 1
	sum := like(in)
	for b := range s.B {
		part := func(x []float64) []float64 { return x[b*len(x)/s.B : (b+1)*len(x)/s.B] }
		rowY, rowEnd, rowGrad := run(one, s.row(in, b), part(gy), part(gEnd))
		whole := s.row(grad, b)
		same := func(what string, got, want []float64) {
			if !slices.Equal(got, want) {
				t.Errorf("%s, row %d of %d steps: %s: want that of the row alone, off by %.3g", name, b, in.Lengths[b], what, testutil.RelErr(got, want))
			}
		}
		same("output", part(y), rowY)
		same("last state", part(end), rowEnd)
		same("gradient of x", whole.X, rowGrad.X)
		same("gradient of the start", whole.Start, rowGrad.Start)
		if s.varying {
			same("gradient of the poles", whole.Params.Poles, rowGrad.Params.Poles)
		}
		for to, from := range map[*[]float64][]float64{
			&sum.Params.Poles: rowGrad.Params.Poles, &sum.Params.B: rowGrad.Params.B, &sum.Params.C: rowGrad.Params.C, &sum.Params.D: rowGrad.Params.D,
		} {
			for i, v := range from {
				(*to)[i] += v
			}
		}
	}
	close := func(what string, got, want []float64) {
		if e := testutil.RelErr(got, want); !(e <= tol) {
			t.Errorf("%s: gradient of %s: off by %.3g > %.3g from the sum over the rows", name, what, e, tol)
		}
	}
	close("B", grad.Params.B, sum.Params.B)
	close("C", grad.Params.C, sum.Params.C)
	close("D", grad.Params.D, sum.Params.D)
	if !s.varying {
		close("the poles", grad.Params.Poles, sum.Params.Poles)
	}
}
