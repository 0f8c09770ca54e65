package layers_test

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
	"github.com/gorgonia-s4/s4/train"
)

// trainable makes a layer whose state matrix is learned at a rate of its own.
type trainable struct {
	name string
	make func(g *G.ExprGraph, dt tensor.Dtype, lr float64) (layers.StateSpaceLayer, error)
}

// stableByDesign lists the layers whose A no optimiser can make unstable: all
// but those that ask for the opposite, the transform None and the versions of
// DSS that are normalised over the length of a sequence.
func stableByDesign() []trainable {
	var ls []trainable
	for _, tr := range []ssm.Transform{ssm.Exp, ssm.Softplus, ssm.ReLU, ssm.Sigmoid} {
		ls = append(ls,
			trainable{"S4D " + string(tr), func(g *G.ExprGraph, dt tensor.Dtype, lr float64) (layers.StateSpaceLayer, error) {
				return layers.NewS4D(g, dt, layers.S4DConfig{DModel: 3, DState: 4, ATransform: tr, SSM: layers.SSM{LRA: lr}})
			}},
			trainable{"S4 " + string(tr), func(g *G.ExprGraph, dt tensor.Dtype, lr float64) (layers.StateSpaceLayer, error) {
				return layers.NewS4(g, dt, layers.S4Config{DModel: 3, DState: 4, ATransform: tr, SSM: layers.SSM{LRA: lr}})
			}})
	}
	for _, v := range []vandermonde.DSSVersion{vandermonde.DSSExp, vandermonde.DSSExpReIm, vandermonde.DSSExpNoScale} {
		ls = append(ls, trainable{"DSS " + string(v), func(g *G.ExprGraph, dt tensor.Dtype, lr float64) (layers.StateSpaceLayer, error) {
			return layers.NewDSS(g, dt, layers.DSSConfig{DModel: 3, DState: 4, Version: v, SSM: layers.SSM{LRA: lr}})
		}})
	}
	ls = append(ls, trainable{"S4 untied dt", func(g *G.ExprGraph, dt tensor.Dtype, lr float64) (layers.StateSpaceLayer, error) {
		return layers.NewS4(g, dt, layers.S4Config{DModel: 3, DState: 4, Dt: layers.DtPerState, SSM: layers.SSM{LRA: lr}})
	}})
	return append(ls, trainable{"LSSL", func(g *G.ExprGraph, dt tensor.Dtype, lr float64) (layers.StateSpaceLayer, error) {
		return layers.NewLSSL(g, dt, layers.LSSLConfig{DModel: 3, DState: 4, SSM: layers.SSM{LRA: lr}})
	}})
}

// Training with a learning rate so large that every step throws A somewhere else
// leaves it in the left half plane, and the loss finite, after every step.
func TestStateMatrixStaysStableAtAnyLearningRate(t *testing.T) {
	const steps = 15
	for _, c := range stableByDesign() {
		for _, lr := range []float64{1, 100, 1e6, 1e12} {
			if lr > 100 && c.name == "LSSL" {
				continue // dt |A| is then beyond what double precision can discretise, see krylov
			}
			for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
				t.Run(fmt.Sprintf("%s/lr %g/%v", c.name, lr, dt), func(t *testing.T) {
					t.Parallel()
					trainWildly(t, c, dt, lr, steps)
				})
			}
		}
	}
}

// trainWildly regresses noise on noise, and checks the layer after every step.
func trainWildly(t *testing.T, c trainable, dt tensor.Dtype, lr float64, steps int) {
	g := G.NewGraph()
	l, err := c.make(g, dt, lr)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	y, err := l.Fwd(node(g, dt, testutil.Normal(rng, "x", 2, 3, 32)))
	if err != nil {
		t.Fatal(err)
	}
	target := node(g, dt, testutil.Normal(rng, "target", 2, 3, 32))
	loss := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(y, target))))))
	learn := l.Learnables()
	if _, err := G.Grad(loss, learn...); err != nil {
		t.Fatal(err)
	}
	var v G.Value
	G.Read(loss, &v)
	vm := G.NewTapeMachine(g, G.BindDualValues(learn...))
	defer vm.Close()
	opt := train.NewAdamW(train.ParamGroups(l.Params(), train.LR(1e-2)))
	start, err := l.System(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var moved float64
	for step := range steps {
		if err := vm.RunAll(); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		if e := testutil.Floats(v)[0]; math.IsNaN(e) || math.IsInf(e, 0) {
			t.Fatalf("step %d: loss %g", step, e)
		}
		if err := opt.Step(G.NodesToValueGrads(learn)); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		vm.Reset()
		for h := range 3 {
			s, err := l.System(0, h)
			if err != nil {
				t.Fatalf("step %d: feature %d: %v", step, h, err)
			}
			checkStable(t, fmt.Sprintf("step %d: feature %d", step, h), s)
			if h == 0 {
				moved = max(moved, testutil.RelErr(s.Continuous.A.RawMatrix().Data, start.Continuous.A.RawMatrix().Data))
			}
		}
	}
	if moved < 0.1 {
		t.Errorf("A moved by %.2g of itself only: the test is too tame", moved)
	}
}

// checkStable checks that the poles are stable by their sign, and that both
// matrices are as far as double precision tells: of a dissipative A, as that of
// S4 is, rounding moves an eigenvalue by |A| in rounding units at most.
func checkStable(t *testing.T, name string, s *layers.System) {
	t.Helper()
	const (
		tolA  = 1e-13 // relative to |A|
		tolAb = 1e-9
	)
	for _, l := range s.Lambda {
		if !(real(l) < 0) {
			t.Errorf("%s: pole %g", name, l)
		}
	}
	for _, l := range eigenvalues(t, name, s.Discrete.A) {
		if !(cmplx.Abs(l) <= 1+tolAb) {
			t.Errorf("%s: eigenvalue %g of Ab, of modulus 1 + %.3g", name, l, cmplx.Abs(l)-1)
		}
	}
	if s.Lambda == nil {
		return // the A of LSSL is known by its Ab
	}
	norm := mat.Norm(s.Continuous.A, 2)
	for _, l := range eigenvalues(t, name, s.Continuous.A) {
		if !(real(l) <= tolA*norm) {
			t.Errorf("%s: eigenvalue %g of A", name, l)
		}
	}
}

func eigenvalues(t *testing.T, name string, a *mat.Dense) []complex128 {
	t.Helper()
	if norm := mat.Norm(a, 2); math.IsNaN(norm) || math.IsInf(norm, 1) {
		t.Fatalf("%s: a matrix of norm %g", name, norm) // on which the QR algorithm does not end
	}
	var eig mat.Eigen
	if !eig.Factorize(a, mat.EigenNone) {
		t.Fatalf("%s: no eigenvalues", name)
	}
	return eig.Values(nil)
}
