package cauchy_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// tilted returns C (I - Ab^l) by matrix powers.
func tilted(cfg cauchy.Config, s cauchy.Size, p params64, l int) []float64 {
	c := make([]float64, len(p.C))
	for h := range s.H {
		m := newModel(cfg, s, p, h)
		for ch, row := range product(m.c, m.minusPower(l)) {
			for n := range s.N {
				i := 2 * ((ch*s.H+h)*s.N + n)
				c[i], c[i+1] = real(row[n]), imag(row[n])
			}
		}
	}
	return c
}

func TestTuning(t *testing.T) {
	const tol = 1e-12
	for _, v := range variants {
		for _, l := range []int{1, 2, 13, 64} {
			p := randomParams(rand.New(rand.NewPCG(1, uint64(l))), v.cfg, v.size)
			check := func(name string, got, want []float64) {
				t.Helper()
				if e := testutil.RelErr(got, want); !(e <= tol) {
					t.Errorf("%s, l = %d: %s: relative error %.3g > %.3g", v.name, l, name, e, tol)
				}
			}
			q := clone(p) // its C is retuned in place
			if err := cauchy.TuneC(q.C, v.cfg, v.size, q, l); err != nil {
				t.Fatal(err)
			}
			check("TuneC", q.C, tilted(v.cfg, v.size, p, l))
			c := make([]float64, len(p.C))
			if err := cauchy.UntuneC(c, v.cfg, v.size, q, l); err != nil {
				t.Fatal(err)
			}
			check("UntuneC", c, p.C)
			if err := cauchy.RetuneC(q.C, v.cfg, v.size, q, l); err != nil {
				t.Fatal(err)
			}
			check("RetuneC", q.C, tilted(v.cfg, v.size, p, 2*l))
		}
	}
}

// What a layer does that meets a sequence longer than its kernel.
func TestDoubleKeepsTheKernel(t *testing.T) {
	const tol = 1e-12
	const l = 20
	size := cauchy.Size{CH: 2, H: 4, S: 2, N: 5, R: 2}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cauchy.Config{}, size)
	want := naive(cauchy.Config{L: 4 * l}, size, p, l)
	tuned := l
	for tuned < 4*l {
		if err := cauchy.RetuneC(p.C, cauchy.Config{}, size, p, tuned); err != nil {
			t.Fatal(err)
		}
		tuned *= 2
		cfg := cauchy.Config{LKernel: tuned, L: tuned}
		got := forward(t, cfg, size, p)
		for row := range size.CH * size.H {
			if e := testutil.RelErr(got[row*tuned:][:tuned], want[row*4*l:][:tuned]); !(e <= tol) {
				t.Errorf("length %d, kernel %d: relative error %.3g > %.3g", tuned, row, e, tol)
			}
		}
	}
}

func TestUntuneCOfAModeThatDoesNotDecay(t *testing.T) {
	const tol = 1e-12
	cfg, size, p := zeroPair()
	want := slices.Clone(p.C) // has no part in that mode
	if err := cauchy.TuneC(p.C, cfg, size, p, cfg.L); err != nil {
		t.Fatal(err)
	}
	if err := cauchy.UntuneC(p.C, cfg, size, p, cfg.L); err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(p.C, want); !(e <= tol) {
		t.Errorf("C = %v, want %v", p.C, want)
	}
}

// A mode of which C~ cannot hold anything is an error that names it, of the kernel
// and of all that goes from C to C~ or back, and nothing is written.
func TestModesThatAreLost(t *testing.T) {
	zero, zeroSize, _ := zeroPair()
	none := cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.None, ATransform: ssm.None}, L: 16}
	two := cauchy.Size{CH: 1, H: 2, S: 2, N: 2, R: 1}
	model := func(aImag, p, b []float64) params64 {
		return params64{
			Dt: []float64{0.5, 1}, AReal: []float64{1, 2, 3, 0}, AImag: append([]float64{0, 0, 0}, aImag...),
			P: append(make([]float64, 6), p...), B: append([]float64{1, 0, 1, 0, 1, 0}, b...), C: []float64{1, 2, 3, 4, 5, 6, 7, 8},
		}
	}
	_, _, reached := zeroPair()
	reached.B = []float64{0.6, -0.8}
	reached.C = []float64{1, 1}
	for _, c := range []struct {
		cfg  cauchy.Config
		size cauchy.Size
		p    params64
		want string // "": it is none
	}{
		{none, two, model([]float64{0}, []float64{0, 0}, []float64{1, 1}), "feature 1: pole 1: Lambda = (-0-0i) is 0"},
		{none, two, model([]float64{0}, []float64{0, 0}, []float64{0, 0}), ""}, // not reached
		{none, two, model([]float64{0}, []float64{1, 0}, []float64{0, 1}), "feature 1: pole 1: Lambda = (-0-0i) is 0"},
		{none, two, model([]float64{0}, []float64{1, 0}, []float64{2, 0}), ""}, // P is along B
		{none, two, model([]float64{2}, []float64{0, 0}, []float64{1, 1}), "feature 1: pole 1: Lambda = (-0-2i) does not decay"},
		{none, two, model([]float64{-2}, []float64{0, 0}, []float64{1, 1}), "feature 1: pole 1: Lambda = (-0+2i) does not decay"},
		{none, two, model([]float64{2 * math.Tan(math.Pi/32)}, []float64{0, 0}, []float64{1, 1}), ""}, // between nodes
		{none, two, model([]float64{1e13}, []float64{0, 0}, []float64{1, 1}), ""},                     // near w = -1
		{none, two, model([]float64{1e-13}, []float64{0, 0}, []float64{1, 1}), ""},                    // near w = 1
		{zero, zeroSize, reached, "feature 0: pole 0: Lambda = (-0-0i) is 0"},
	} {
		out := slices.Clone(c.p.C)
		plan, err := cauchy.NewPlan[float64](c.cfg, c.size)
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"cauchy: TuneC: ":        cauchy.TuneC(out, c.cfg, c.size, c.p, c.cfg.L),
			"cauchy: RetuneC: ":      cauchy.RetuneC(slices.Clone(out), c.cfg, c.size, c.p, c.cfg.L),
			"cauchy: UntuneC: ":      cauchy.UntuneC(slices.Clone(out), c.cfg, c.size, c.p, c.cfg.L),
			"cauchy: NewStep: ":      second(cauchy.NewStep(c.cfg, c.size, c.p)),
			"cauchy: NewDenseStep: ": second(cauchy.NewDenseStep(c.cfg, c.size, c.p)),
			"":                       plan.Forward(make([]float64, c.size.CH*c.size.H*c.cfg.L), c.p),
		} {
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), what+c.want) || !strings.Contains(err.Error(), "keeps nothing")) {
				t.Errorf("got error %v, want %q", err, what+c.want)
			}
		}
		if c.want != "" && !slices.Equal(out, c.p.C) {
			t.Errorf("%s: C changed from %v to %v", c.want, c.p.C, out)
		}
	}
}

// What float32 cannot hold is an error, and not 0 or an infinity.
func TestTuningOutOfRange(t *testing.T) {
	cfg := cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.None, ATransform: ssm.None}, L: 4}
	size := cauchy.Size{CH: 1, H: 1, S: 1, N: 1, R: 1}
	p := params32{Dt: []float32{1e-10}, AReal: []float32{1e-38}, AImag: []float32{0}, P: []float32{0, 0}, B: []float32{1, 0}, C: []float32{1, 1}}
	const want = "C becomes"
	if err := cauchy.TuneC(slices.Clone(p.C), cfg, size, p, 4); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("TuneC: got error %v, want %q", err, want)
	}
	if err := cauchy.UntuneC(slices.Clone(p.C), cfg, size, p, 4); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("UntuneC: got error %v, want %q", err, want)
	}
}

func second[T any](_ T, err error) error { return err }

func TestTuningErrors(t *testing.T) {
	size := cauchy.Size{CH: 1, H: 2, S: 2, N: 3, R: 1}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cauchy.Config{}, size)
	c := make([]float64, len(p.C))
	short := p
	short.B = short.B[1:]
	infinite := clone(p)
	infinite.Dt[1] = math.Inf(1)
	for _, x := range []struct {
		err  error
		want string
	}{
		{cauchy.TuneC(c, cauchy.Config{}, size, p, 0), "cauchy: TuneC: want a length of at least 1, got 0"},
		{cauchy.RetuneC(c[1:], cauchy.Config{}, size, p, 4), "cauchy: RetuneC: dst: want 12 elements, got 11"},
		{cauchy.UntuneC(c, cauchy.Config{Dynamics: ssm.Dynamics{Rate: -1}}, size, p, 4), "cauchy: UntuneC: want Rate a finite number"},
		{cauchy.UntuneC(c, cauchy.Config{}, cauchy.Size{CH: 1, H: 2, S: 2, N: 3}, p, 4), "cauchy: UntuneC: want rank R at least 1, got 0"},
		{cauchy.TuneC(c, cauchy.Config{}, size, infinite, 4), "cauchy: TuneC: feature 1: want a finite Ab^4, got a sum of elements of NaN"},
		{cauchy.TuneC(c, cauchy.Config{}, size, short, 4), "cauchy: TuneC: B: want 12 elements, got 11"},
	} {
		if x.err == nil || !strings.Contains(x.err.Error(), x.want) {
			t.Errorf("got error %v, want %q", x.err, x.want)
		}
	}
}
