package hippo

import (
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
)

func mustDiag(t *testing.T, init Init, n int, opts DiagOptions) (a, b []complex128) {
	t.Helper()
	a, b, err := DiagInit(init, n, opts)
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestDiagInitGolden(t *testing.T) {
	const (
		tol     = 1e-14
		tolLegS = 5e-7 // the reference diagonalises in float64 but stores these cases in float32
	)
	for _, c := range golden.Cases(t, "diag_init") {
		t.Run(c.Name, func(t *testing.T) {
			init, tol := Init(c.String("init")), tol
			if init == InitLegS {
				tol = tolLegS
			}
			a, b := mustDiag(t, init, c.Int("N", 0), DiagOptions{ClipB: ReferenceClipB})
			within(t, "A", floats2(a), c.F(t, "A"), tol)
			within(t, "|B|", moduli(b), c.F(t, "absB"), tol)
			if c.Has("B") {
				within(t, "B", floats2(b), c.F(t, "B"), tol)
			}
		})
	}
	for _, c := range golden.Cases(t, "diag_init_normalized") {
		t.Run(c.Name, func(t *testing.T) {
			_, b := mustDiag(t, Init(c.String("init")), c.Int("N", 0), DiagOptions{Normalize: true})
			within(t, "B", floats2(b), c.F(t, "B"), tol)
		})
	}
}

func TestDiagInitIsStable(t *testing.T) {
	for _, init := range DiagInits() {
		for _, n := range []int{2, 4, 64, 256} {
			a, b := mustDiag(t, init, n, DiagOptions{Copies: 2, Seed: 7})
			if len(a) != n || len(b) != n {
				t.Fatalf("%s N=%d: got A (%d), B (%d), want (2, N/2)", init, n, len(a), len(b))
			}
			for i, v := range a {
				if !(real(v) < 0 && imag(v) <= 0) || b[i] == 0 {
					t.Errorf("%s N=%d: A[%d] = %g, B = %g: want Re < 0, Im <= 0, B not 0", init, n, i, v, b[i])
				}
			}
		}
	}
}

func TestDiagInitIsNPLRWithoutP(t *testing.T) {
	d := mustNPLR(t, LegS, 64, 1, NPLROptions{})
	a, b := mustDiag(t, InitLegS, 64, DiagOptions{})
	if !slices.Equal(a, d.Lambda) || !slices.Equal(b, d.B) {
		t.Error("S4D-LegS is not the NPLR form of LegS without P")
	}
}

// The normalised model answers a constant input with an output of variance 1
// under C ~ N(0, 1).
func TestDiagInitNormalize(t *testing.T) {
	const tol = 1e-13
	for _, init := range []Init{InitLegS, InitInv, InitRandom} {
		a, b := mustDiag(t, init, 64, DiagOptions{Normalize: true})
		var variance float64
		for i := range a {
			x := b[i] / a[i]
			variance += 2 * real(x*complex(real(x), -imag(x)))
		}
		if !(math.Abs(variance-1) <= tol) {
			t.Errorf("%s: variance %g, want 1", init, variance)
		}
	}
}

func TestDiagInitCopies(t *testing.T) {
	const half = 4
	row := func(x []complex128, s int) []complex128 { return x[s*half : (s+1)*half] }
	inv, one := mustDiag(t, InitInv, 2*half, DiagOptions{})
	lin, _ := mustDiag(t, InitLin, 2*half, DiagOptions{})
	a, b := mustDiag(t, InitDiag, 2*half, DiagOptions{Copies: 4})
	for s, want := range [][]complex128{inv, inv, lin, lin} {
		if !slices.Equal(row(a, s), want) || !slices.Equal(row(b, s), one) {
			t.Errorf("diag: copy %d is %g, want %g", s, row(a, s), want)
		}
	}

	r1, _ := mustDiag(t, InitRandom, 2*half, DiagOptions{Copies: 2, Seed: 1})
	r2, _ := mustDiag(t, InitRandom, 2*half, DiagOptions{Copies: 2, Seed: 1})
	r3, _ := mustDiag(t, InitRandom, 2*half, DiagOptions{Copies: 2, Seed: 2})
	switch {
	case !slices.Equal(r1, r2):
		t.Error("random: one seed gave two results")
	case slices.Equal(r1, r3):
		t.Error("random: two seeds gave one result")
	case slices.Equal(row(r1, 0), row(r1, 1)):
		t.Error("random: two copies are equal")
	}
}

func TestDPLRInit(t *testing.T) {
	const n, rank = 8, 2
	want := func(m Measure) *DPLR { return mustNPLR(t, m, n, rank, NPLROptions{ClipB: 2}) }
	lin, _ := mustDiag(t, InitLin, n, DiagOptions{})
	inv, _ := mustDiag(t, InitInv, n, DiagOptions{})
	for _, c := range []struct {
		init   Init
		copies int
		lambda [][]complex128
	}{
		{InitLegS, 0, [][]complex128{want(LegS).Lambda}},
		{InitLegT, 2, [][]complex128{want(LegT).Lambda, want(LegT).Lambda}},
		{InitLagT, 1, [][]complex128{want(LagT).Lambda}},
		{InitFouT, 1, [][]complex128{want(FouT).Lambda}},
		{InitHiPPO, 4, [][]complex128{want(LegS).Lambda, want(LegS).Lambda, want(FouT).Lambda, want(FouT).Lambda}},
		{InitAll, 4, [][]complex128{want(LegS).Lambda, want(FouT).Lambda, inv, lin}},
	} {
		models, err := DPLRInit(c.init, n, rank, DPLROptions{Copies: c.copies, ClipB: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(models) != len(c.lambda) {
			t.Fatalf("%s: got %d models, want %d", c.init, len(models), len(c.lambda))
		}
		for s, d := range models {
			if !slices.Equal(d.Lambda, c.lambda[s]) {
				t.Errorf("%s: model %d: Lambda %g, want %g", c.init, s, d.Lambda, c.lambda[s])
			}
			if len(d.P) != rank || len(d.P[0]) != n/2 || len(d.B) != n/2 {
				t.Errorf("%s: model %d: got P (%d, .), B (%d)", c.init, s, len(d.P), len(d.B))
			}
		}
	}
	// Copies share nothing.
	models, err := DPLRInit(InitFouT, n, 1, DPLROptions{Copies: 2})
	if err != nil {
		t.Fatal(err)
	}
	a, b := models[0], models[1]
	a.Lambda[0], a.P[0][0], a.B[0] = 17, 17, 17
	a.V.Set(0, 0, 5)
	if b.Lambda[0] == 17 || b.P[0][0] == 17 || b.B[0] == 17 || b.V.At(0, 0) == 5 {
		t.Error("two copies share memory")
	}
}

func TestInitErrors(t *testing.T) {
	diag := func(i Init, n int, o DiagOptions) error { _, _, err := DiagInit(i, n, o); return err }
	dplr := func(i Init, n, rank int, o DPLROptions) error { _, err := DPLRInit(i, n, rank, o); return err }
	for _, c := range []struct {
		err  error
		want string
	}{
		{diag("fout", 4, DiagOptions{}), `hippo: want initialisation one of ["lin" "inv" "inv2" "quad" "real" "legs" "random" "diag"], got "fout"`},
		{diag(InitLin, 5, DiagOptions{}), `hippo: init "lin": want an even N >= 2 (conjugate pairs), got 5`},
		{diag(InitLegS, 0, DiagOptions{}), `want an even N >= 2 (conjugate pairs), got 0`},
		{diag(InitDiag, 4, DiagOptions{Copies: 3}), `hippo: init "diag": want the number of copies (n_ssm) a multiple of its 2 part(s), got 3`},
		{diag(InitDiag, 4, DiagOptions{}), `got 1`},
		{diag(InitLin, 4, DiagOptions{Copies: -1}), `got -1`},
		{diag(InitLegS, 4, DiagOptions{ClipB: -1}), `want ClipB > 0`},
		{dplr(InitLin, 4, 1, DPLROptions{}), `hippo: want initialisation one of ["legs" "legt" "lagt" "fout" "hippo" "all" "random"], got "lin"`},
		{dplr(InitLegT, 4, 1, DPLROptions{}), `hippo: measure "legt": want rank >= 2, got 1`},
		{dplr(InitLegS, 4, 0, DPLROptions{}), `want rank >= 1, got 0`},
		{dplr(InitHiPPO, 4, 1, DPLROptions{Copies: 5}), `a multiple of its 2 part(s), got 5`},
		{dplr(InitAll, 7, 1, DPLROptions{Copies: 4}), `want an even N >= 2 (conjugate pairs), got 7`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
	if err := InitLegS.Validate(DPLRInits()...); err != nil {
		t.Error(err)
	}
}

// Random starts of S4 follow from the seed, differ from copy to copy, and are stable.
func TestRandomDPLR(t *testing.T) {
	draw := func(seed uint64) []*DPLR {
		d, err := DPLRInit(InitRandom, 8, 2, DPLROptions{Copies: 2, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, b, c := draw(1), draw(1), draw(2)
	for i := range a {
		if !slices.Equal(a[i].Lambda, b[i].Lambda) || !slices.Equal(a[i].P[1], b[i].P[1]) {
			t.Errorf("copy %d: one seed gives two models", i)
		}
		if slices.Equal(a[i].Lambda, c[i].Lambda) || slices.Equal(a[i].P[0], c[i].P[0]) {
			t.Errorf("copy %d: two seeds give one model", i)
		}
		s, err := a[i].Real(make([]complex128, 4))
		if err != nil {
			t.Fatal(err)
		}
		var e mat.Eigen
		if !e.Factorize(s.A, mat.EigenNone) {
			t.Fatal("no eigenvalues")
		}
		for _, z := range e.Values(nil) {
			if !(real(z) < 0) {
				t.Errorf("copy %d: eigenvalue %g", i, z)
			}
		}
	}
	if slices.Equal(a[0].Lambda, a[1].Lambda) || slices.Equal(a[0].P[0], a[0].P[1]) {
		t.Error("copies, or rows of P, are equal")
	}
}
