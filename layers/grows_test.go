package layers_test

import (
	"fmt"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// cache is a state of one tensor (rows, 2, n) of float64 that grows, of the numbers
// from first on.
func cache(rows, n int, first float64) layers.State {
	f := make([]float64, rows*2*n)
	for i := range f {
		f[i] = first + float64(i)
	}
	return layers.State{{Name: "k", Value: testutil.Dense(tensor.Float64, f, rows, 2, n), Grows: 2}}
}

// The ends of tensors that grow are aligned.
func TestJoinStatesThatGrow(t *testing.T) {
	joined, err := layers.JoinStates(cache(1, 1, 1), cache(1, 3, 10), cache(2, 2, 20))
	if err != nil {
		t.Fatal(err)
	}
	k := joined[0]
	want := "[0 0 1 0 0 2 10 11 12 13 14 15 0 20 21 0 22 23 0 24 25 0 26 27]"
	if got := fmt.Sprint(testutil.Floats(k.Value)); got != want || !k.Value.Shape().Eq(tensor.Shape{4, 2, 3}) || k.Grows != 2 {
		t.Errorf("got %s of shape %v that grows along %d, want %s", got, k.Value.Shape(), k.Grows, want)
	}
	parts, err := joined.Split(1, 3)
	if err != nil {
		t.Fatal(err)
	}
	if p := parts[1][0]; p.Grows != 2 || !p.Value.Shape().Eq(tensor.Shape{3, 2, 3}) {
		t.Errorf("a part: got %v that grows along %d", p.Value.Shape(), p.Grows)
	}
}

// A tensor that does not grow, or has another length along another axis, is not of
// the same layer.
func TestJoinStatesOfOtherLayers(t *testing.T) {
	fixed := cache(1, 2, 0)
	fixed[0].Grows = 0
	_, err := layers.JoinStates(cache(1, 2, 0), fixed)
	errorSays(t, "JoinStates", err, `state 1: want "k" of float64 (B, [2 2]) that grows along axis 2, got "k" of`)
	wider := layers.State{{Name: "k", Value: testutil.Dense(tensor.Float64, make([]float64, 6), 1, 3, 2), Grows: 2}}
	_, err = layers.JoinStates(cache(1, 2, 0), wider)
	errorSays(t, "JoinStates", err, `got "k" of float64 (1, 3, 2) that grows along axis 2`)
	for _, axis := range []int{-1, 3} {
		s := cache(1, 2, 0)
		s[0].Grows = axis
		_, err := s.MarshalBinary()
		wantError(t, err, fmt.Sprintf("layers: State: k: want an axis of (1, 2, 2) along which it grows, or 0 for none, got %d", axis))
	}
}

// largeState is a session whose state grows, and is large as it is.
type largeState struct {
	state layers.State
	steps int
}

func (s *largeState) Step(u *tensor.Dense) (*tensor.Dense, error) { s.steps++; return u, nil }
func (s *largeState) State() layers.State                         { return s.state }
func (s *largeState) SetState(layers.State) error                 { return nil }
func (s *largeState) Reset()                                      {}

// States that are too large together are an error before the first step.
func TestScanStatesThatAreTooLarge(t *testing.T) {
	const steps, slots = 2048, 512
	r := &largeState{state: layers.State{{Name: "k", Value: testutil.Dense(tensor.Float32, make([]float64, slots*1024), 1, slots, 1024), Grows: 1}}}
	_, _, err := layers.ScanStates(r, testutil.Dense(tensor.Float32, make([]float64, steps), 1, 1, steps))
	wantError(t, err, `layers: ScanStates: want at most 2147483647 elements in "k" of all steps, got 2048 x 1 x 2559 x 1024`)
	if r.steps > 0 {
		t.Errorf("it is found out after %d steps", r.steps)
	}
}

// The axis is kept in bytes, under their check sum.
func TestStateThatGrowsInBytes(t *testing.T) {
	s := append(cache(2, 3, 1), layers.StateTensor{Name: "n", Value: testutil.Dense(tensor.Float64, []float64{3, 3}, 2)})
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var got layers.State
	if err := got.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if got[0].Grows != 2 || got[1].Grows != 0 || fmt.Sprint(numbers(got)) != fmt.Sprint(numbers(s)) {
		t.Errorf("got %v, want %v", got, s)
	}
	for i, c := range b {
		if c == '2' && string(b[i-4:i]) == `k\":` {
			b[i] = '1'
			err := new(layers.State).UnmarshalBinary(b)
			errorSays(t, "another axis", err, "layers: State: want bytes with the check sum")
			return
		}
	}
	t.Error("the axis is not in the bytes")
}
