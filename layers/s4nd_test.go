package layers_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func s4ndVariant(c layers.S4NDConfig) variant {
	return variantOf(c.DModel, c, layers.NewS4ND, (*layers.S4ND).CloneTo)
}

// bare is a layer with nothing around its kernels.
var bare = layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity}

// nds are layers for images of 3 x 4 and of 2 x 3 x 2 pixels.
func nds() []layers.S4NDConfig {
	two, off := bare, bare
	two.Bidirectional, two.Channels = true, 2
	off.Bidirectional, off.OffByOne = true, true
	return []layers.S4NDConfig{
		{DModel: 2, Shape: []int{3, 4}, S4NDAxis: layers.S4NDAxis{DState: 4, DtMin: 0.1}, SSM: bare},
		{DModel: 2, Shape: []int{3, 4}, TRank: 2, S4NDAxis: layers.S4NDAxis{DState: 4, DtMin: 0.1, BandLimit: 0.05}, SSM: two},
		{DModel: 2, Shape: []int{3, 4}, Kernel: layers.AxisS4, S4NDAxis: layers.S4NDAxis{DState: 4, NSSM: 1, DtMin: 0.1}, SSM: off},
		{
			DModel: 2, Shape: []int{2, 3, 2}, TwoWay: []int{1}, SSM: bare, S4NDAxis: layers.S4NDAxis{DtMin: 0.1, BandLimit: 0.05},
			Axes: []layers.S4NDAxis{{DState: 2}, {DState: 4, Init: hippo.InitInv, Disc: ssm.Bilinear}, {DState: 6, Dt: layers.DtPerState}},
		},
	}
}

func newS4ND(t testing.TB, g *G.ExprGraph, dt tensor.Dtype, cfg layers.S4NDConfig) *layers.S4ND {
	t.Helper()
	l, err := layers.NewS4ND(g, dt, cfg, layers.WithName("l"), layers.WithSeed(5))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestS4NDParameters(t *testing.T) {
	for i, want := range []string{
		"kernel.0.log_dt(2, 1) kernel.0.A_real(2, 2) kernel.0.A_imag(2, 2) kernel.0.B(2, 2, 2) kernel.0.C(1, 2, 2, 2) " +
			"kernel.1.log_dt(2, 1) kernel.1.A_real(2, 2) kernel.1.A_imag(2, 2) kernel.1.B(2, 2, 2) kernel.1.C(1, 2, 2, 2) D(1, 2)",
		"kernel.0.log_dt(2, 1) kernel.0.A_real(2, 2) kernel.0.A_imag(2, 2) kernel.0.B(2, 2, 2) kernel.0.C(8, 2, 2, 2) " +
			"kernel.1.log_dt(2, 1) kernel.1.A_real(2, 2) kernel.1.A_imag(2, 2) kernel.1.B(2, 2, 2) kernel.1.C(8, 2, 2, 2) D(2, 2)",
		"kernel.0.log_dt(2, 1) kernel.0.A_real(1, 2) kernel.0.A_imag(1, 2) kernel.0.P(1, 1, 2, 2) kernel.0.B(1, 2, 2) kernel.0.C(2, 2, 2, 2) " +
			"kernel.1.log_dt(2, 1) kernel.1.A_real(1, 2) kernel.1.A_imag(1, 2) kernel.1.P(1, 1, 2, 2) kernel.1.B(1, 2, 2) kernel.1.C(2, 2, 2, 2) D(1, 2)",
		"kernel.0.log_dt(2, 1) kernel.0.A_real(2, 1) kernel.0.A_imag(2, 1) kernel.0.B(2, 1, 2) kernel.0.C(1, 2, 1, 2) " +
			"kernel.1.log_dt(2, 1) kernel.1.A_real(2, 2) kernel.1.A_imag(2, 2) kernel.1.B(2, 2, 2) kernel.1.C(2, 2, 2, 2) " +
			"kernel.2.log_dt(2, 3) kernel.2.A_real(2, 3) kernel.2.A_imag(2, 3) kernel.2.B(2, 3, 2) kernel.2.C(1, 2, 3, 2) D(1, 2)",
	} {
		var got []string
		l := newS4ND(t, G.NewGraph(), tensor.Float32, nds()[i])
		for _, p := range l.Params() {
			got = append(got, strings.TrimPrefix(p.Name, "l.")+fmt.Sprint(p.Node.Shape()))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("got %s, want %s", s, want)
		}
	}
}

// axisKernels returns the kernels (n, H, Lk) along an axis: those of an S4D, or an S4, with
// the parameters of the axis, which without them a band limit leaves out.
func axisKernels(t *testing.T, l *layers.S4ND, a, n int, rate float64) []float64 {
	c := l.Config()
	k := c.S4NDAxis
	if c.Axes != nil {
		k = c.Axes[a]
		k.DtMin = c.DtMin
	}
	around := layers.SSM{Channels: c.Channels * c.TRank, Bidirectional: c.Bidirectional || slices.Contains(c.TwoWay, a), Mixing: layers.MixNone}
	var cfg layers.Config = layers.S4DConfig{DModel: c.DModel, DState: k.DState, NSSM: k.NSSM, Disc: k.Disc, Dt: k.Dt, SSM: around}
	if c.Kernel == layers.AxisS4 {
		cfg = layers.S4Config{DModel: c.DModel, DState: k.DState, NSSM: k.NSSM, LMax: c.Shape[a], SSM: around}
	}
	one, err := layers.New(G.NewGraph(), tensor.Float64, cfg, layers.WithName("one"))
	if err != nil {
		t.Fatal(err)
	}
	given := map[string][]float64{}
	for _, p := range l.Params() {
		if name, ok := strings.CutPrefix(p.Name, fmt.Sprintf("l.kernel.%d.", a)); ok {
			given[name] = p.Node.Value().Data().([]float64)
		}
	}
	for _, p := range one.Params() {
		if name, ok := strings.CutPrefix(p.Name, "one.kernel."); ok {
			copy(p.Node.Value().Data().([]float64), given[name])
			if name == "C" && c.BandLimit > 0 {
				leaveOut(p.Node.Value().Data().([]float64), given["log_dt"], given["A_imag"], c.BandLimit)
			}
		}
	}
	g := G.NewGraph()
	copied, err := layers.Clone(one, g, layers.AtRate(rate))
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := copied.(layers.Kernels).Kernel(n)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, g, kernel)
}

// leaveOut makes c (n, H, N, 2) zero where dt |Im A| / 2 pi, of a step size and a row of A
// for each feature, is not below half a band limit.
func leaveOut(c, logDt, aImag []float64, limit float64) {
	n := len(aImag) / len(logDt)
	for i := range c {
		state := i / 2 % len(aImag)
		if math.Exp(logDt[state/n])*math.Abs(aImag[state])/(2*math.Pi) >= limit/2 {
			c[i] = 0
		}
	}
}

// product is the convolution of an image x of one feature h with the product of the kernels
// of its axes: sample by sample, the mean over the terms, and the skip.
func product(l *layers.S4ND, kernels [][]float64, shape []int, x []float64, ch, h int, d float64) []float64 {
	c := l.Config()
	y := make([]float64, len(x))
	for i := range y {
		y[i] = d * x[i]
		for j := range x {
			for r := range c.TRank {
				w := 1 / float64(c.TRank)
				inner := len(x)
				for a, n := range shape {
					inner /= n
					w *= atLag(c, kernels[a], a, n, r*c.Channels+ch, h, i/inner%n-j/inner%n)
				}
				y[i] += w * x[j]
			}
		}
	}
	return y
}

// atLag returns the kernel of a term and channel along an axis of n samples at a lag.
func atLag(c layers.S4NDConfig, k []float64, a, n, kernel, h, lag int) (w float64) {
	at := func(kernel, sample int) float64 { return k[(kernel*c.DModel+h)*n+sample] }
	if lag >= 0 {
		w = at(kernel, lag)
	}
	skip := 0
	if c.OffByOne {
		skip = 1
	}
	if (c.Bidirectional || slices.Contains(c.TwoWay, a)) && -lag-skip >= 0 {
		w += at(c.Channels*c.TRank+kernel, -lag-skip)
	}
	return w
}

// The layer is the convolution with the products of the kernels of S4D, or S4, at its own
// rate and, with axes that are twice as long, at half of it.
func TestS4NDIsAProductOfKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	for i, cfg := range nds() {
		for _, rate := range []float64{1, 0.5} {
			shape := slices.Clone(cfg.Shape)
			for a := range shape {
				shape[a] = int(float64(shape[a]) / rate)
			}
			n := tensor.Shape(shape).TotalSize()
			x := testutil.Normal(rng, "x", 1, cfg.DModel, n)
			l := newS4ND(t, G.NewGraph(), tensor.Float64, cfg)
			g := G.NewGraph()
			at, err := l.CloneTo(g, layers.AtRate(rate))
			if err != nil {
				t.Fatal(err)
			}
			got := forward(t, at, g, tensor.Float64, x)
			var kernels [][]float64
			for a, n := range shape {
				kernels = append(kernels, axisKernels(t, l, a, n, rate))
			}
			var want, d []float64
			for _, p := range l.Params() {
				if p.Name == "l.D" {
					d = p.Node.Value().Data().([]float64)
				}
			}
			for ch := range l.Config().Channels {
				for h := range cfg.DModel {
					want = append(want, product(l, kernels, shape, x.F[h*n:][:n], ch, h, d[ch*cfg.DModel+h])...)
				}
			}
			if e := testutil.RelErr(got, want); !(e <= 1e-12) {
				t.Errorf("%d, rate %g: off by %.3g", i, rate, e)
			}
			g = G.NewGraph()
			if at, err = newS4ND(t, G.NewGraph(), tensor.Float32, cfg).CloneTo(g, layers.AtRate(rate)); err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(forward(t, at, g, tensor.Float32, x), want); !(e <= 1e-5) {
				t.Errorf("%d, rate %g, float32: off by %.3g", i, rate, e)
			}
		}
	}
}

// With zero-order hold an image whose pixels are each four of the same is what the original
// is: the layer at half the rate sees no difference.
func TestS4NDAtAFinerResolution(t *testing.T) {
	cfg := nds()[0]
	x := testutil.Normal(rand.New(rand.NewPCG(4, 2)), "x", 1, 2, 12)
	fine := testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 48}}
	for h := range 2 {
		for i := range 6 {
			for j := range 8 {
				fine.F = append(fine.F, x.F[h*12+i/2*4+j/2])
			}
		}
	}
	g, gFine := G.NewGraph(), G.NewGraph()
	l := newS4ND(t, g, tensor.Float64, cfg)
	finer, err := l.CloneTo(gFine, layers.AtRate(0.5))
	if err != nil {
		t.Fatal(err)
	}
	want, all := forward(t, l, g, tensor.Float64, x), forward(t, finer, gFine, tensor.Float64, fine)
	var got []float64 // at the ends of the pixels
	for h := range 2 {
		for i := range 3 {
			for j := range 4 {
				got = append(got, all[h*48+(2*i+1)*8+2*j+1])
			}
		}
	}
	if e := testutil.RelErr(got, want); !(e <= 1e-12) {
		t.Errorf("off by %.3g", e)
	}
}

// Without Shape the axes are those of a square, or of a cube.
func TestS4NDShapes(t *testing.T) {
	square := layers.S4NDConfig{DModel: 2, S4NDAxis: layers.S4NDAxis{DState: 2}, SSM: bare}
	cube := square
	cube.Axes = make([]layers.S4NDAxis, 3)
	whole := square
	whole.Shape = []int{3, 4}
	for _, c := range []struct {
		cfg  layers.S4NDConfig
		l    int
		rate float64
		want string // of the error
	}{
		{square, 9, 1, ""}, {square, 1, 1, ""}, {square, 12, 1, "want 2 axes of one length, as Shape says nothing else, got L = 12, which is no power 2 of a length"},
		{cube, 27, 1, ""}, {cube, 9, 1, "want 3 axes of one length"},
		{whole, 12, 1, ""}, {whole, 16, 1, "want L = 12, the pixels of Shape [3 4] (at rate 1 [3 4]), got 16"},
		{whole, 48, 0.5, ""}, {whole, 12, 0.5, "want L = 48, the pixels of Shape [3 4] (at rate 0.5 [6 8]), got 12"},
		{whole, 12, 1e-300, "at most"}, {square, 16, 0.5, ""}, {whole, 1, 1e9, "want L = 0"},
	} {
		g := G.NewGraph()
		l, err := newS4ND(t, G.NewGraph(), tensor.Float32, c.cfg).CloneTo(g, layers.AtRate(c.rate))
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Fwd(node(g, tensor.Float32, testutil.Normal(rand.New(rand.NewPCG(4, 3)), "x", 1, 2, c.l)))
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), `layers: S4ND "l": Fwd: `)) {
			t.Errorf("%v, L = %d, rate %g: got error %v, want %q", c.cfg.Shape, c.l, c.rate, err, c.want)
		}
	}
}

func TestS4NDErrors(t *testing.T) {
	axis := layers.S4NDAxis{DState: 4}
	for want, cfg := range map[string]layers.S4NDConfig{
		"want DModel >= 1, got 0":                                                         {},
		"want Shape of 2 to 3 axes, or none, got [4]":                                     {DModel: 2, Shape: []int{4}},
		"want Shape of axes of length 1 or more, got [4 0]":                               {DModel: 2, Shape: []int{4, 0}},
		"want Axes for each axis, 2 to 3, as many as Shape has, or none, got 3":           {DModel: 2, Shape: []int{4, 4}, Axes: make([]layers.S4NDAxis, 3)},
		"want Axes for each axis, 2 to 3, as many as Shape has, or none, got 1":           {DModel: 2, Axes: make([]layers.S4NDAxis, 1)},
		"want TRank >= 1, or 0 for 1, got -1":                                             {DModel: 2, TRank: -1},
		`want Kernel "s4d" or "s4", got "s5"`:                                             {DModel: 2, Kernel: "s5"},
		`want Shape for Kernel "s4"`:                                                      {DModel: 2, Kernel: layers.AxisS4},
		"want TwoWay to list some of 2 axes, each once, without Bidirectional, got [2]":   {DModel: 2, TwoWay: []int{2}},
		"want TwoWay to list some of 2 axes, each once, without Bidirectional, got [1 1]": {DModel: 2, TwoWay: []int{1, 1}},
		"want TwoWay to list some of 2 axes, each once, without Bidirectional, got [0]":   {DModel: 2, TwoWay: []int{0}, SSM: layers.SSM{Bidirectional: true}},
		"OffByOne is about the second kernel":                                             {DModel: 2, SSM: layers.SSM{OffByOne: true}},
		"axis 0: want an even DState >= 2 (conjugate pairs), got 3":                       {DModel: 2, S4NDAxis: layers.S4NDAxis{DState: 3}},
		"axis 1: want an even DState >= 2 (conjugate pairs), got 5":                       {DModel: 2, Axes: []layers.S4NDAxis{axis, {DState: 5}}},
		"axis 0: want BandLimit > 0, or 0 for none, got -1":                               {DModel: 2, S4NDAxis: layers.S4NDAxis{BandLimit: -1}},
		`axis 1: want no Disc for Kernel "s4", which is bilinear, got "zoh"`:              {DModel: 2, Shape: []int{2, 2}, Kernel: layers.AxisS4, Axes: []layers.S4NDAxis{axis, {Disc: ssm.ZOH}}},
		"axis 0: Init: hippo: want initialisation one of":                                 {DModel: 2, S4NDAxis: layers.S4NDAxis{Init: "nothing"}},
		"at most 2147483647 elements in Shape":                                            {DModel: 2, Shape: []int{1 << 20, 1 << 20}},
		"kernel.C (kernels, H, DState)":                                                   {DModel: 1 << 10, TRank: 1 << 20},
	} {
		_, err := layers.NewS4ND(G.NewGraph(), tensor.Float32, cfg)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), `layers: S4ND "s4nd": S4NDConfig: `) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	l := newS4ND(t, G.NewGraph(), tensor.Float32, nds()[0])
	_, _, errState := l.FwdState(nil, nil)
	_, errSteps := l.Snapshot()
	_, errRecurrence := l.Recurrence(2)
	for _, err := range []error{errState, errSteps, errRecurrence} {
		if err == nil || !strings.Contains(err.Error(), `layers: S4ND "l": `) || !strings.Contains(err.Error(), "the layer reads images, whose axes are no steps of a sequence: it has no state") {
			t.Errorf("got error %v", err)
		}
	}
	if s := l.StateShapes(2); s != nil {
		t.Errorf("got state shapes %v", s)
	}
}

// The gradients of all parameters, along a random direction, against differences.
func TestS4NDGradients(t *testing.T) {
	for i, cfg := range nds() {
		rng := rand.New(rand.NewPCG(4, uint64(i)))
		cfg.SSM.Mixing, cfg.SSM.Activation = "", ""
		l := newS4ND(t, G.NewGraph(), tensor.Float64, cfg)
		x, w := testutil.Normal(rng, "x", 2, cfg.DModel, 12), testutil.Normal(rng, "w", 2, cfg.DModel, 12)
		f := func(_ *G.ExprGraph, in []*G.Node) (*G.Node, error) {
			on, err := l.CloneTo(in[0].Graph())
			if err != nil {
				return nil, err
			}
			return on.Fwd(in[0])
		}
		loss := func() float64 {
			y, err := testutil.Forward(tensor.Float64, f, x)
			if err != nil {
				t.Fatal(err)
			}
			var s float64
			for i, v := range y {
				s += v * w.F[i]
			}
			return s
		}
		got := gradientAlong(t, l, x, w, rng, func(move func(by float64)) float64 {
			const step = 1e-5
			move(step)
			after := loss()
			move(-2 * step)
			before := loss()
			move(step)
			return (after - before) / (2 * step)
		})
		if !(got <= 1e-7) {
			t.Errorf("%d: off by %.3g", i, got)
		}
	}
}

// gradientAlong returns the relative difference between the derivative of sum(w*Fwd(x))
// along a random direction of the parameters and what differences says of it.
func gradientAlong(t *testing.T, l *layers.S4ND, x, w testutil.Input, rng *rand.Rand, differences func(move func(by float64)) float64) float64 {
	g := G.NewGraph()
	on, err := l.CloneTo(g)
	if err != nil {
		t.Fatal(err)
	}
	y, err := on.Fwd(node(g, tensor.Float64, x))
	if err != nil {
		t.Fatal(err)
	}
	loss := G.Must(G.Sum(G.Must(G.HadamardProd(y, node(g, tensor.Float64, w)))))
	if _, err := G.Grad(loss, on.Learnables()...); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(on.Learnables()...))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	var along float64
	directions := map[string][]float64{}
	for _, p := range on.Params() {
		v, err := p.Node.Grad()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range testutil.Floats(v) {
			e := rng.NormFloat64()
			along += d * e
			directions[p.Name] = append(directions[p.Name], e)
		}
	}
	want := differences(func(by float64) {
		for _, p := range l.Params() {
			for i, e := range directions[p.Name] {
				p.Node.Value().Data().([]float64)[i] += by * e
			}
		}
	})
	return math.Abs(along-want) / math.Abs(want)
}

// Single precision is near double, no row of a batch is heard in another, nor what is behind
// the length of a row.
func TestS4NDRows(t *testing.T) {
	cfg := nds()[1]
	cfg.SSM.Mixing = layers.MixGLU
	f := fwdLengths(t, s4ndVariant(cfg))
	rng := rand.New(rand.NewPCG(4, 4))
	x, lengths := testutil.Normal(rng, "x", 3, 2, 12), testutil.Ints("lengths", []int{12, 7, 0}, 3)
	testutil.CheckPadding(t, "lengths", testutil.RunnerOf(f), []int{2}, x, lengths)
	lengths.I = []int{12, 12, 12}
	testutil.CheckRows(t, "rows", testutil.RunnerOf(func(g *G.ExprGraph, in []*G.Node) (*G.Node, error) {
		return f(g, []*G.Node{in[0], nil})
	}), 1, x)
}

func TestS4NDInJSON(t *testing.T) {
	for _, cfg := range nds() {
		want := layers.BlockConfig{Mixer: cfg}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got layers.BlockConfig
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
}

// What is frozen is so along all axes.
func TestS4NDFrozen(t *testing.T) {
	l := newS4ND(t, G.NewGraph(), tensor.Float32, nds()[3])
	frozen, err := l.CloneTo(G.NewGraph(), layers.WithFrozen("A", "D"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range frozen.Params() {
		if want := strings.Contains(p.Name, "A_") || p.Name == "l.D"; p.Frozen != want {
			t.Errorf("%s: frozen %v", p.Name, p.Frozen)
		}
	}
}

// The kernels of S4 are tuned to the lengths of the axes.
func TestS4NDTunes(t *testing.T) {
	l := newS4ND(t, G.NewGraph(), tensor.Float64, nds()[2])
	got := map[string]any{}
	for _, b := range l.Buffers() {
		got[b.Name] = b.Value.Data()
	}
	want := map[string]any{"l.kernel.0.l_kernel": []int64{3}, "l.kernel.1.l_kernel": []int64{4}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	copied, err := l.CloneTo(G.NewGraph(), layers.ForLength(48)) // which is about sequences
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range copied.Params() {
		if own := l.Params()[i].Node.Value().Data().([]float64); &own[0] != &p.Node.Value().Data().([]float64)[0] {
			t.Errorf("%s: the copy has its own", p.Name)
		}
	}
	l.Buffers()[1].Value.Data().([]int64)[0] = -1
	if err := l.Settle(); err == nil || !strings.Contains(err.Error(), `S4ND "l": Settle: axis 1: buffer kernel.l_kernel`) {
		t.Errorf("got error %v", err)
	}
}
