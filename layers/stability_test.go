package layers_test

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
	"github.com/gorgonia-s4/s4/param"
)

// spectralRadius returns the largest modulus of an eigenvalue of the matrices
// with which a layer advances the states of its features, NaN if one is not
// finite.
func spectralRadius(t *testing.T, l sequenceLayer) float64 {
	t.Helper()
	shape := l.StateShapes(1)[0].Shape
	h := shape[1]
	n := shape.TotalSize() / h
	r, err := l.Recurrence(n)
	if err != nil {
		t.Fatal(err)
	}
	unit := make([]float64, n*h*n) // row i of the batch is in state e_i
	for i := range n {
		for f := range h {
			unit[(i*h+f)*n+i] = 1
		}
	}
	if err := r.SetState(layers.State{{Name: "x", Value: testutil.Dense(tensor.Float64, unit, l.StateShapes(n)[0].Shape...)}}); err != nil {
		t.Fatal(err)
	}
	stepAll(t, r, tensor.Float64, testutil.Input{Shape: tensor.Shape{n, h, 1}, F: make([]float64, n*h)})
	next := testutil.Floats(r.State()[0].Value)
	var radius float64
	for f := range h {
		a := mat.NewDense(n, n, nil)
		for i := range n {
			for j := range n {
				v := next[(i*h+f)*n+j]
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return math.NaN()
				}
				a.Set(j, i, v)
			}
		}
		var e mat.Eigen
		if !e.Factorize(a, mat.EigenNone) {
			t.Fatal("no eigenvalues")
		}
		for _, v := range e.Values(nil) {
			radius = max(radius, cmplx.Abs(v))
		}
	}
	return radius
}

// Training that climbs where it should descend, with a learning rate that
// throws dt, A, P and B about by many orders of magnitude, leaves the state
// matrices stable at every step.
func TestStateStaysStableWhateverTheLearningRate(t *testing.T) {
	const (
		steps = 15
		slack = 1e-9 // of eigenvalues computed in float64
	)
	var vs []variant
	for _, tr := range []ssm.Transform{ssm.Exp, ssm.Softplus, ssm.ReLU, ssm.Sigmoid} {
		vs = append(vs,
			s4dVariant(layers.S4DConfig{DModel: 2, DState: 6, ATransform: tr}),
			s4Variant(layers.S4Config{DModel: 2, DState: 6, ATransform: tr, LMax: 12}),
		)
	}
	vs = append(vs,
		s4dVariant(layers.S4DConfig{DModel: 2, DState: 6, Disc: ssm.Bilinear, DtTransform: ssm.Softplus}),
		s4Variant(layers.S4Config{DModel: 2, DState: 6, Init: hippo.InitLegT, LMax: 12}),
		s4Variant(layers.S4Config{DModel: 2, DState: 6, Init: hippo.InitFouT, LMax: 12, DtTransform: ssm.Softplus}),
		s4Variant(layers.S4Config{DModel: 2, DState: 6, Dt: layers.DtPerState, LMax: 12}),
	)
	for _, v := range []vandermonde.DSSVersion{vandermonde.DSSExp, vandermonde.DSSExpNoScale, vandermonde.DSSExpReIm} {
		vs = append(vs, dssVariant(layers.DSSConfig{DModel: 2, DState: 4, Version: v}))
	}
	for _, m := range []hippo.Measure{hippo.LegS, hippo.LegT, hippo.LagT} {
		vs = append(vs, lsslVariant(layers.LSSLConfig{DModel: 2, DState: 5, Init: m}))
	}
	for _, v := range vs {
		for _, lr := range []float64{0.1, 3} {
			t.Run(v.name, func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(4, 1))
				g := G.NewGraph()
				layer := v.on(t, g, tensor.Float64)
				y, err := layer.Fwd(node(g, tensor.Float64, testutil.Normal(rng, "x", 2, v.dModel, 12)))
				if err != nil {
					t.Fatal(err)
				}
				loss := G.Must(G.Sum(G.Must(G.Square(y))))
				ls := layer.Learnables()
				if _, err := G.Grad(loss, ls...); err != nil {
					t.Fatal(err)
				}
				vm := G.NewTapeMachine(g, G.BindDualValues(ls...))
				defer vm.Close()
				for step := range steps {
					if err := vm.RunAll(); err != nil {
						t.Fatal(err)
					}
					for _, p := range layer.Params() {
						if strings.Contains(p.Name, ".kernel.") && !strings.HasSuffix(p.Name, ".C") {
							climb(t, p, lr)
						}
					}
					vm.Reset()
					if r := spectralRadius(t, layer); !(r <= 1+slack) {
						t.Fatalf("lr %g, after step %d: spectral radius %.12g", lr, step, r)
					}
				}
			})
		}
	}
}

// climb moves every element of a parameter by lr along the sign of its
// gradient.
func climb(t *testing.T, p param.Param, lr float64) {
	t.Helper()
	gv, err := p.Node.Grad()
	if err != nil {
		t.Fatal(err)
	}
	v, g := p.Node.Value().Data().([]float64), gv.Data().([]float64)
	for i, x := range g {
		switch {
		case x > 0:
			v[i] += lr
		case x < 0:
			v[i] -= lr
		}
		g[i] = 0
	}
}
