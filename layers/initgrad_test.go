package layers_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Whatever a layer starts from, every decay rate can learn.
func TestEveryDecayHasAGradientAtTheStart(t *testing.T) {
	type constructor func(g *G.ExprGraph, dt tensor.Dtype) (layers.StateSpaceLayer, error)
	cases := make(map[string]constructor)
	for _, transform := range ssm.Transforms() {
		for _, init := range hippo.DPLRInits() {
			cases[fmt.Sprintf("S4/%s/%s", init, transform)] = func(g *G.ExprGraph, dt tensor.Dtype) (layers.StateSpaceLayer, error) {
				return layers.NewS4(g, dt, layers.S4Config{DModel: 4, DState: 8, LMax: 16, Init: init, ATransform: transform})
			}
		}
		for _, init := range hippo.DiagInits() {
			if init == hippo.InitReal && transform == ssm.Sigmoid {
				continue // decay rates 1, 2, ...: not values of that transform
			}
			cases[fmt.Sprintf("S4D/%s/%s", init, transform)] = func(g *G.ExprGraph, dt tensor.Dtype) (layers.StateSpaceLayer, error) {
				return layers.NewS4D(g, dt, layers.S4DConfig{DModel: 4, DState: 8, Init: init, ATransform: transform})
			}
		}
	}
	for name, newLayer := range cases {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			t.Run(fmt.Sprintf("%s/%v", name, dt), func(t *testing.T) {
				g := G.NewGraph()
				l, err := newLayer(g, dt)
				if err != nil {
					t.Fatal(err)
				}
				x := testutil.Normal(rand.New(rand.NewPCG(1, 2)), "x", 2, 4, 16)
				checkDecayGradients(t, g, l, G.NewTensor(g, dt, 3, G.WithName("x"), G.WithValue(x.Tensor(dt))))
			})
		}
	}
}

func checkDecayGradients(t *testing.T, g *G.ExprGraph, l layers.StateSpaceLayer, x *G.Node) {
	t.Helper()
	y, err := l.Fwd(x)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := G.Grad(G.Must(G.Sum(G.Must(G.Square(y)))), l.Learnables()...); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(l.Learnables()...))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	for _, n := range l.Learnables() {
		if !strings.HasSuffix(n.Name(), ".A_real") {
			continue
		}
		grad, err := n.Grad()
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range testutil.Floats(grad) {
			if v == 0 || math.IsNaN(v) {
				t.Errorf("%s: gradient %d of %v is %v, want a number but 0", n.Name(), i, n.Shape(), v)
			}
		}
		return
	}
	t.Error("no A_real among the parameters")
}
