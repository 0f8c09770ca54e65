package cauchy_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/cauchy"
)

// measured returns a layer of 8 features with the golden matrices of a measure,
// N = 64, and dt from 0.001 to 0.1, tuned to n steps, in values that float32
// can hold.
func measured(t *testing.T, measure string, n int) (cauchy.Config, cauchy.Size, params64) {
	t.Helper()
	for _, c := range golden.Cases(t, "nplr") {
		if c.Name != "nplr_"+measure+"_N64_clipnone" {
			continue
		}
		const h = 8
		lambda := c.F(t, "Lambda")
		size := cauchy.Size{CH: 1, H: h, S: 1, N: len(lambda) / 2, R: c.Int("rank", 1)}
		cfg := cauchy.Config{L: n}
		p := params64{Dt: make([]float64, h), P: c.F(t, "P"), B: c.F(t, "B"), C: make([]float64, h*size.N*2)}
		for i := range p.Dt {
			p.Dt[i] = math.Log(0.001 * math.Pow(100, float64(i)/(h-1)))
		}
		for i := range size.N {
			p.AReal = append(p.AReal, math.Log(max(-lambda[2*i], 1e-4))) // the reference's floor
			p.AImag = append(p.AImag, -lambda[2*i+1])
		}
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		for i := range p.C {
			p.C[i] = rng.NormFloat64() * math.Sqrt(0.5)
		}
		p = to64(to32(p))
		if err := cauchy.TuneC(p.C, cfg, size, p, n); err != nil {
			t.Fatal(err)
		}
		return cfg, size, to64(to32(p))
	}
	t.Fatalf("no golden case of measure %q", measure)
	panic("unreachable")
}

// The float32 kernel and its gradients are those of float64, rounded. The
// reference implementation is off by 2e-3 (LegS) and 1.5e-2 (FouT) at 16384.
func TestFloat32IsAccurateAtEveryLength(t *testing.T) {
	const tol = 1e-7
	for _, measure := range []string{"legs", "fout", "legt"} {
		for _, L := range []int{256, 1024, 4096, 16384} {
			cfg, size, p := measured(t, measure, L)
			eK := testutil.RelErr(forward(t, cfg, size, to32(p)), forward(t, cfg, size, p))
			t.Logf("%s, L = %d: K %.2g", measure, L, eK)
			if !(eK <= tol) {
				t.Errorf("%s, L = %d: kernel: relative error %.3g > %.3g", measure, L, eK, tol)
			}
			rng := rand.New(rand.NewPCG(2, uint64(L)))
			gk := make([]float32, size.H*L)
			for i := range gk {
				gk[i] = float32(rng.NormFloat64())
			}
			got, want := named(to64(backward(t, cfg, size, to32(p), gk))), named(backward(t, cfg, size, p, testutil.Float64s(gk)))
			for i := range want {
				e := testutil.RelErr(got[i].v, want[i].v)
				t.Logf("%s, L = %d: gradient of %s %.2g", measure, L, want[i].name, e)
				if !(e <= tol) {
					t.Errorf("%s, L = %d: gradient of %s: relative error %.3g > %.3g", measure, L, want[i].name, e, tol)
				}
			}
		}
	}
}
