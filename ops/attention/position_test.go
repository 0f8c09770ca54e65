package attention_test

import (
	"math"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// starts returns positions as an input.
func starts(p ...float64) testutil.Input {
	return testutil.Input{Name: "start", Shape: tensor.Shape{len(p)}, F: p, Fixed: true}
}

// addPositions is AddPositions of x, table, start and lengths, of which the last two
// may be missing.
func addPositions(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
	switch len(in) {
	case 2:
		return attention.AddPositions(in[0], in[1], nil)
	case 3:
		return attention.AddPositions(in[0], in[1], in[2])
	}
	return attention.AddPositions(in[0], in[1], in[2], attention.Lengths(in[3]))
}

func addSinusoids(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
	switch len(in) {
	case 1:
		return attention.AddSinusoids(in[0], nil)
	case 2:
		return attention.AddSinusoids(in[0], in[1])
	}
	return attention.AddSinusoids(in[0], in[1], attention.Lengths(in[2]))
}

func TestAddPositions(t *testing.T) {
	rng := newRand()
	x, table, lengths := testutil.Normal(rng, "x", 3, 4, 5), testutil.Normal(rng, "table", 9, 4), testutil.Ints("lengths", []int{5, 0, 2}, 3)
	start := starts(0, 4, 3)
	testutil.Check(t, addPositions, x, table)
	testutil.Check(t, addPositions, x, table, start)
	testutil.Check(t, addPositions, x, table, start, lengths)
	y, err := testutil.Forward(tensor.Float64, addPositions, x, table, start)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range y {
		b, e, l := i/20, i/5%4, i%5
		if want := x.F[i] + table.F[(int(start.F[b])+l)*4+e]; v != want {
			t.Fatalf("element %d: want %g, got %g", i, want, v)
		}
	}
	testutil.CheckPadding(t, "positions", testutil.RunnerOf(addPositions), []int{2}, x, table, start, lengths)
	testutil.CheckPadding(t, "sinusoids", testutil.RunnerOf(addSinusoids), []int{2}, x, start, lengths)
}

func TestAddSinusoids(t *testing.T) {
	for _, e := range []int{1, 4, 7} {
		x, start := testutil.Normal(newRand(), "x", 2, e, 6), starts(3, 1000)
		testutil.Check(t, addSinusoids, x)
		testutil.Check(t, addSinusoids, x, start, testutil.Ints("lengths", []int{6, 4}, 2))
		y, err := testutil.Forward(tensor.Float64, addSinusoids, x, start)
		if err != nil {
			t.Fatal(err)
		}
		row := make([]float64, e)
		for i, v := range y {
			b, f, n := i/6/e, i/6%e, i%6
			angle := (start.F[b] + float64(n)) * math.Pow(10000, -float64(f/2*2)/float64(e))
			want := math.Sin(angle)
			if f%2 == 1 {
				want = math.Cos(angle)
			}
			attention.Sinusoid(row, attention.Frequencies(len(row)), int(start.F[b])+n)
			if math.Abs(row[f]-want) > 1e-12 || math.Abs(v-x.F[i]-want) > 1e-12 {
				t.Fatalf("E %d, element %d: want %g, got %g from the op, %g from Sinusoid", e, i, want, v-x.F[i], row[f])
			}
		}
	}
}

func TestNextPosition(t *testing.T) {
	x := testutil.Normal(newRand(), "x", 2, 1, 6)
	x.Fixed = true
	for _, in := range [][]testutil.Input{{x}, {x, starts(3, 0)}} {
		got, err := testutil.Forward(tensor.Float32, func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			if len(in) == 1 {
				return attention.NextPosition(in[0], nil)
			}
			return attention.NextPosition(in[0], in[1])
		}, in...)
		want := []float64{6, 6}
		if len(in) == 2 {
			want[0] = 9
		}
		if err != nil || testutil.RelErr(got, want) != 0 {
			t.Errorf("want %v, got %v, %v", want, got, err)
		}
	}
}

func TestPositionErrors(t *testing.T) {
	rng := newRand()
	x, table := testutil.Normal(rng, "x", 2, 3, 5), testutil.Normal(rng, "table", 7, 3)
	for _, c := range []struct {
		want string
		f    testutil.Build
		in   []testutil.Input
	}{
		{"attention.AddPositions: want x (B, E, L), got (7, 3)", addPositions, []testutil.Input{table, table}},
		{"attention.AddPositions: table: want (P, 3), got (2, 3, 5)", addPositions, []testutil.Input{x, x}},
		{"attention.AddPositions: table: want (7, 3), got (7, 4)", addPositions, []testutil.Input{x, testutil.Normal(rng, "t", 7, 4)}},
		{"attention.AddPositions: want at most P = 4 steps, got 5", addPositions, []testutil.Input{x, testutil.Normal(rng, "t", 4, 3)}},
		{"attention.AddPositions: start: want (2), got (3)", addPositions, []testutil.Input{x, table, starts(0, 0, 0)}},
		{"start[1]: want a whole number in [0, 2], got 3", addPositions, []testutil.Input{x, table, starts(2, 3)}},
		{"start[0]: want a whole number in [0, 2], got 0.5", addPositions, []testutil.Input{x, table, starts(0.5, 0)}},
		{"start[0]: want a whole number in [0, 2], got -1", addPositions, []testutil.Input{x, table, starts(-1, 0)}},
		{"start[0]: want a whole number in [0, 2], got NaN", addPositions, []testutil.Input{x, table, starts(math.NaN(), 0)}},
		{"lengths[1]: want a length in [0, 5], got 6", addPositions, []testutil.Input{x, table, starts(0, 0), testutil.Ints("lengths", []int{1, 6}, 2)}},
		{"attention.AddSinusoids: start: want (2), got (1)", addSinusoids, []testutil.Input{x, starts(0)}},
		{"want a whole number in [0, 1073741819], got 1e+300", addSinusoids, []testutil.Input{x, starts(0, 1e300)}},
	} {
		if _, err := testutil.Forward(tensor.Float64, c.f, c.in...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want error %q, got %v", c.want, err)
		}
	}
}
