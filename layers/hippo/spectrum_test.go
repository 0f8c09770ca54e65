package hippo

import (
	"math"
	"math/cmplx"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func TestSpectralAbscissa(t *testing.T) {
	for _, c := range []struct {
		a    []float64
		want float64
	}{
		{[]float64{-3, 0, 5, -1}, -1},
		{[]float64{0, 2, -2, 0}, 0},
		{[]float64{0.5, 2, -2, 0.5}, 0.5},
	} {
		got, err := SpectralAbscissa(mat.NewDense(2, 2, c.a))
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got-c.want) > 1e-14 {
			t.Errorf("%v: got %g, want %g", c.a, got, c.want)
		}
	}
}

func TestEigenvalues(t *testing.T) {
	legs, _, err := Transition(LegS, 6, MeasureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		a         *mat.Dense
		want      []complex128
		uncertain float64 // at most
	}{
		{"normal", mat.NewDense(3, 3, []float64{-0.5, 2, 0, -2, -0.5, 0, 0, 0, -1}), []complex128{-0.5 - 2i, -1, -0.5 + 2i}, 1e-14},
		{"of one imaginary part", mat.NewDense(2, 2, []float64{3, 0, 0, -2}), []complex128{-2, 3}, 1e-14},
		{"triangular", mat.NewDense(2, 2, []float64{-1, 1000, 0, -2}), []complex128{-2, -1}, 1e-9},
		{"LegS", legs, []complex128{-6, -5, -4, -3, -2, -1}, 1e-9},
		{"one", mat.NewDense(1, 1, []float64{7}), []complex128{7}, 1e-14},
	} {
		got, uncertainty, err := Eigenvalues(c.a)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !(uncertainty > 0 && uncertainty <= c.uncertain) {
			t.Errorf("%s: uncertainty %.3g, want at most %g", c.name, uncertainty, c.uncertain)
		}
		if len(got) != len(c.want) {
			t.Fatalf("%s: got %v, want %v", c.name, got, c.want)
		}
		for i, v := range got {
			if e := cmplx.Abs(v - c.want[i]); !(e <= uncertainty) {
				t.Errorf("%s: eigenvalue %d is off by %.3g, more than %.3g: got %g, want %g", c.name, i, e, uncertainty, v, c.want[i])
			}
		}
	}
}

// The eigenvalues of LegS are -1..-N, which is how far they may be off.
func TestEigenvaluesOfLargeLegSAreUnknown(t *testing.T) {
	a, _, err := Transition(LegS, 64, MeasureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, uncertainty, err := Eigenvalues(a); err != nil || uncertainty < 64 {
		t.Errorf("got uncertainty %.3g and error %v, want an uncertainty above 64", uncertainty, err)
	}
}

func TestSpectrumErrors(t *testing.T) {
	abscissa := func(a *mat.Dense) error { _, err := SpectralAbscissa(a); return err }
	eigenvalues := func(a *mat.Dense) error { _, _, err := Eigenvalues(a); return err }
	poles := []complex128{-2.6e24 + 25814i, -2.6e24 + 25815i, -2.6e-28 + 25814i, -2.6e-28 + 25815i}
	wide, err := (&DPLR{Lambda: poles, B: poles}).Real(poles)
	if err != nil {
		t.Fatal(err)
	}
	rectangle, broken := mat.NewDense(2, 3, nil), mat.NewDense(1, 1, []float64{math.NaN()})
	for _, c := range []struct {
		err  error
		want string
	}{
		{abscissa(rectangle), "hippo: SpectralAbscissa: want A (N, N), N >= 1, got (2, 3)"},
		{abscissa(nil), "hippo: SpectralAbscissa: want a matrix A, got nil"},
		{abscissa(broken), "hippo: SpectralAbscissa: want A finite, got one of norm NaN"},
		{eigenvalues(rectangle), "hippo: Eigenvalues: want A (N, N), N >= 1, got (2, 3)"},
		{eigenvalues(nil), "hippo: Eigenvalues: want a matrix A, got nil"},
		{eigenvalues(broken), "hippo: Eigenvalues: want A finite, got one of norm NaN"},
		{eigenvalues(wide.A), "hippo: Eigenvalues: the eigenvectors were not found"},
	} {
		if c.err == nil || !strings.HasPrefix(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
