package hippo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// The tridiagonal form of a measure is its system.
func TestLSSLIsTheTransition(t *testing.T) {
	const tol = 1e-12
	for _, m := range LSSLMeasures() {
		for _, n := range []int{2, 3, 4, 7, 64} {
			for _, opts := range []MeasureOptions{{}, {Alpha: 0.3, Beta: 0.4}, {Beta: 0.7}} {
				wantA, wantB, err := Transition(m, n, opts)
				if err != nil {
					continue // not an option of this measure
				}
				tri, err := LSSL(m, n, opts)
				if err != nil {
					t.Fatal(err)
				}
				a, b, err := Untridiagonal(tri)
				if err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("%s N=%d %+v", m, n, opts)
				within(t, name+" A", elements(a), elements(wantA), tol)
				within(t, name+" B", b, wantB, tol)
			}
		}
	}
}

func TestUntridiagonalGolden(t *testing.T) {
	const tol = 1e-12
	for _, c := range golden.Cases(t, "lssl") {
		f := func(name string) []float64 { return c.F(t, name) }
		a, b, err := Untridiagonal(&ssm.Tridiagonal[[]float64]{
			Pl: f("pl"), Dl: f("dl"), D: f("d"), Du: f("du"), Pr: f("pr"), C: f("c"), B: f("b"),
		})
		if err != nil {
			t.Fatal(err)
		}
		a.Scale(-1, a)
		within(t, c.Name+" A", elements(a), f("A"), tol)
		within(t, c.Name+" B", b, f("Bvec"), tol)
	}
}

func TestLSSLErrors(t *testing.T) {
	_, fourier := LSSL(FouT, 8, MeasureOptions{})
	_, small := LSSL(LegS, 1, MeasureOptions{})
	_, option := LSSL(LegS, 4, MeasureOptions{Beta: 1})
	good, err := LSSL(LegT, 4, MeasureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	short, singular := *good, *good
	short.Du = short.Du[1:]
	singular.D, singular.Dl = make([]float64, 4), make([]float64, 3)
	_, _, none := Untridiagonal(nil)
	_, _, lengths := Untridiagonal(&short)
	_, _, inverse := Untridiagonal(&singular)
	for _, c := range []struct {
		err  error
		want string
	}{
		{fourier, `hippo: want measure with a tridiagonal inverse one of ["legs" "legt" "lmu" "lagt" "tlagt" "glagt"], got "fout"`},
		{small, "hippo: LSSL: want N in [2, 32768], got 1"},
		{option, "it has no Beta, got 1"},
		{none, "hippo: Untridiagonal: want the parameters of a system, got nil"},
		{lengths, "hippo: Untridiagonal: want lengths N, N-1, N, N-1, N, N, N with N >= 2, got 2 for part 3 with N = 4"},
		{inverse, "hippo: Untridiagonal: T: matrix singular"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
