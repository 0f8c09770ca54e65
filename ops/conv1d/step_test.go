package conv1d

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

var stepSettings = []setting{
	{b: 2, in: 3, out: 4, groups: 1, k: 3, l: 13, dilation: 2, pad: -1, state: true},
	{b: 2, in: 4, out: 6, groups: 2, k: 3, l: 13, pad: -1, state: true, noBias: true},
	{b: 3, in: 3, out: 3, groups: 3, k: 4, l: 13, pad: -1, state: true},
	{b: 3, in: 2, out: 6, groups: 2, k: 3, l: 13, dilation: 3, pad: -1, state: true},
	{b: 2, in: 3, out: 3, groups: 3, k: 1, l: 5, pad: -1, noBias: true},
	{b: 2, in: 3, out: 5, groups: 1, k: 1, l: 5, pad: -1},
}

// newStep returns the step of a setting, in the state of its inputs.
func (s setting) newStep(t *testing.T, in []testutil.Input) *Step[float64] {
	t.Helper()
	var bias, x0 []float64
	for _, i := range in {
		switch i.Name {
		case "bias":
			bias = i.F
		case "x0":
			x0 = i.F
		}
	}
	w, err := NewWeights(Shape{s.in, s.out, s.groups, s.k, max(1, s.dilation)}, in[1].F, bias)
	if err != nil {
		t.Fatal(err)
	}
	step, err := w.NewStep(s.b)
	if err != nil {
		t.Fatal(err)
	}
	if err := step.SetState(x0); x0 != nil && err != nil {
		t.Fatal(err)
	}
	return step
}

// The steps are the convolution, from the start and from a state, and leave the
// state that FinalState returns.
func TestStep(t *testing.T) {
	for i, s := range stepSettings {
		in := s.inputs(rand.New(rand.NewPCG(1, uint64(i))))
		want, err := testutil.Forward(tensor.Float64, s.build, in...)
		if err != nil {
			t.Fatal(err)
		}
		step := s.newStep(t, in)
		u, y := make([]float64, s.b*s.in), make([]float64, s.b*s.out)
		got := make([]float64, len(want))
		for l := range s.l {
			for r := range u {
				u[r] = in[0].F[r*s.l+l]
			}
			if err := step.Advance(y, u); err != nil {
				t.Fatal(err)
			}
			for r := range y {
				got[r*s.l+l] = y[r]
			}
		}
		if e := testutil.RelErr(got, want); !(e <= 1e-14) {
			t.Errorf("%v: steps off by %.3g", s, e)
		}
		var last []float64
		for r := range s.b * s.in {
			last = append(last, in[0].F[(r+1)*s.l-s.reach():(r+1)*s.l]...)
		}
		if x := step.State(); !slices.Equal(x, last) {
			t.Errorf("%v: state %v, want %v", s, x, last)
		}
		var x0 []float64
		for _, i := range in {
			if i.Name == "x0" {
				x0 = i.F
			}
		}
		if x0 != nil { // again, from where the ring is
			if err := step.SetState(x0); err != nil {
				t.Fatal(err)
			}
			for r := range u {
				u[r] = in[0].F[r*s.l]
			}
			if err := step.Advance(y, u); err != nil {
				t.Fatal(err)
			}
			for r := range y {
				if y[r] != got[r*s.l] {
					t.Errorf("%v: output %d is %v the second time, %v the first", s, r, y[r], got[r*s.l])
				}
			}
		}
		step.Reset()
		if x := step.State(); slices.ContainsFunc(x, func(v float64) bool { return v != 0 }) {
			t.Errorf("%v: state %v after Reset", s, x)
		}
		testutil.CheckNoAllocations(t, s.String(), func() error { return step.Advance(y, u) })
	}
}

func TestStepErrors(t *testing.T) {
	ok := Shape{In: 4, Out: 6, Groups: 2, Kernel: 3, Dilation: 1}
	w, bias := make([]float64, 6*2*3), make([]float64, 6)
	for _, c := range []struct {
		change  func(s *Shape)
		w, bias []float64
		want    string
	}{
		{func(s *Shape) { s.In = 0 }, w, bias, "conv1d.NewWeights: want In >= 1, got 0"},
		{func(s *Shape) { s.Kernel = 0 }, w, bias, "conv1d.NewWeights: want Kernel >= 1, got 0"},
		{func(s *Shape) { s.Dilation = 0 }, w, bias, "conv1d.NewWeights: want Dilation >= 1, got 0"},
		{func(s *Shape) { s.Dilation = 1 << 30 }, w, bias, "conv1d.NewWeights: want (K-1)*dilation at most 1073741824, got 2*1073741824"},
		{func(s *Shape) { s.Groups = 4 }, w, bias, "conv1d.NewWeights: groups: want a divisor of C_in = 4 and of C_out = 6, got 4"},
		{func(s *Shape) { s.Out = 1 << 40 }, w, bias, "conv1d.NewWeights: want Out at most 2147483647, got 1099511627776"},
		{func(s *Shape) { *s = Shape{In: 1 << 30, Out: 1 << 30, Groups: 1, Kernel: 16, Dilation: 1} }, []float64{}, nil, // 0 in 64 bits
			"conv1d.NewWeights: want at most 2147483647 elements in w (Out, In/Groups, Kernel), got 1073741824 x 1073741824 x 16"},
		{func(s *Shape) {}, w[1:], bias, "conv1d.NewWeights: w: want"},
		{func(s *Shape) {}, w, bias[1:], "conv1d.NewWeights: bias: want"},
	} {
		s := ok
		c.change(&s)
		_, err := NewWeights(s, c.w, c.bias)
		wantError(t, err, c.want)
	}
	p, err := NewWeights(ok, w, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.NewStep(0)
	wantError(t, err, "conv1d.NewStep: want batch >= 1, got 0")
	_, err = p.NewStep(1 << 30)
	wantError(t, err, "conv1d.NewStep: want at most 2147483647 elements in the state (batch, In, (Kernel-1)*Dilation), got 1073741824 x 4 x 2")
	step, err := p.NewStep(2)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, step.SetState(make([]float64, 3)), "conv1d.Step.SetState: x: want 16")
	wantError(t, step.Advance(make([]float64, 12), make([]float64, 7)), "conv1d.Step.Advance: u: want 8 elements, got 7")
	wantError(t, step.Advance(make([]float64, 13), make([]float64, 8)), "conv1d.Step.Advance: y: want 12 elements, got 13")
	wantError(t, step.AdvanceRows(0, make([]float64, 4), make([]float64, 4)), "conv1d.Step.AdvanceRows: want In, Out and Groups alike, got 4, 6 and 2")
	deep, err := NewWeights(Shape{In: 2, Out: 2, Groups: 2, Kernel: 3, Dilation: 1}, make([]float64, 6), nil)
	if err == nil {
		step, err = deep.NewStep(2)
	}
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, step.AdvanceRows(1, make([]float64, 4), make([]float64, 4)), "conv1d.Step.AdvanceRows: want rows in [0, 2), got 2 from 1 on")
	wantError(t, step.AdvanceRows(0, make([]float64, 2), make([]float64, 4)), "conv1d.Step.AdvanceRows: y: want 4 elements, got 2")
}
