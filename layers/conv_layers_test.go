package layers_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// weightsOf returns the numbers of a parameter of a float64 layer.
func weightsOf(t *testing.T, l layers.Layer, name string) []float64 {
	t.Helper()
	for _, p := range l.Params() {
		if p.Name == l.Name()+"."+name {
			return p.Node.Value().Data().([]float64)
		}
	}
	t.Fatalf("%s has no parameter %q", l.Name(), name)
	return nil
}

// convolved is the convolution of one sequence x (in, n) with w (out, in/groups, k),
// by the formula, with pad zeros in front and as many steps of output as stride
// leaves.
func convolved(x []float64, in, n int, w, bias []float64, out, k, groups, stride, dilation, pad int) []float64 {
	perGroup := in / groups
	var y []float64
	for o := range out {
		for l := 0; l < n; l += stride {
			s := 0.0
			if bias != nil {
				s = bias[o]
			}
			for c := range perGroup {
				for j := range k {
					if at := l + j*dilation - pad; at >= 0 && at < n {
						s += w[(o*perGroup+c)*k+j] * x[(o/(out/groups)*perGroup+c)*n+at]
					}
				}
			}
			y = append(y, s)
		}
	}
	return y
}

func TestConv1DIsTheFormula(t *testing.T) {
	const n = 11
	for i, c := range []layers.Conv1DConfig{
		{In: 3, Out: 5, Kernel: 4},
		{In: 4, Out: 2, Kernel: 3, Dilation: 3, Groups: 2, NoBias: true},
		{In: 2, Out: 4, Kernel: 3, Groups: 2, Stride: 3},
		{In: 2, Out: 3, Kernel: 5, Same: true},
		{In: 2, Out: 2, Kernel: 3, Dilation: 2, Same: true, Stride: 2, Groups: 2},
	} {
		g := G.NewGraph()
		l, err := layers.NewConv1D(g, tensor.Float64, c)
		if err != nil {
			t.Fatal(err)
		}
		c = l.Config()
		pad := (c.Kernel - 1) * c.Dilation
		if c.Same {
			pad /= 2
		}
		var bias []float64
		if !c.NoBias {
			bias = weightsOf(t, l, "bias")
		}
		x := testutil.Normal(rand.New(rand.NewPCG(1, uint64(i))), "x", 1, c.In, n)
		want := convolved(x.F, c.In, n, weightsOf(t, l, "weight"), bias, c.Out, c.Kernel, c.Groups, c.Stride, c.Dilation, pad)
		y, err := l.Fwd(node(g, tensor.Float64, x))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := l.OutputLength(n); err != nil || m != len(want)/c.Out || m != y.Shape()[2] {
			t.Errorf("%+v: OutputLength %d (%v), want %d", c, m, err, len(want)/c.Out)
		}
		if e := testutil.RelErr(run(t, g, y), want); !(e <= 1e-14) {
			t.Errorf("%+v: off by %.3g", c, e)
		}
		bound := 1 / math.Sqrt(float64(c.In/c.Groups*c.Kernel))
		largest := 0.0
		for _, v := range append(weightsOf(t, l, "weight"), bias...) {
			largest = max(largest, math.Abs(v))
		}
		if largest > bound || largest < 0.8*bound {
			t.Errorf("%+v: starts within %g, want %g", c, largest, bound)
		}
	}
}

// With WeightNorm the layer starts as without, and the norms are those of the
// directions.
func TestConv1DWeightNorm(t *testing.T) {
	cfg := layers.Conv1DConfig{In: 3, Out: 2, Kernel: 4, WeightNorm: true}
	x := testutil.Normal(rand.New(rand.NewPCG(2, 1)), "x", 2, 3, 7)
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-14, tensor.Float32: 1e-6} {
		g := G.NewGraph()
		l, err := layers.NewConv1D(g, dt, cfg)
		if err != nil {
			t.Fatal(err)
		}
		plain := G.NewGraph()
		without := cfg
		without.WeightNorm = false
		p, err := layers.NewConv1D(plain, dt, without)
		if err != nil {
			t.Fatal(err)
		}
		if err := tensor.Copy(p.Params()[0].Node.Value().(*tensor.Dense), l.Params()[0].Node.Value().(*tensor.Dense)); err != nil {
			t.Fatal(err)
		}
		if err := tensor.Copy(p.Params()[1].Node.Value().(*tensor.Dense), l.Params()[2].Node.Value().(*tensor.Dense)); err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(forward(t, l, g, dt, x), forward(t, p, plain, dt, x)); !(e <= tol) {
			t.Errorf("%v: the start is off by %.3g", dt, e)
		}
		var names []string
		for _, p := range l.Params() {
			names = append(names, p.Name)
		}
		if got := fmt.Sprint(names); got != "[conv1d.weight_v conv1d.weight_g conv1d.bias]" {
			t.Errorf("parameters %s", got)
		}
	}
}

// TestTCNIsTheFormula composes the network from its parts.
func TestTCNIsTheFormula(t *testing.T) {
	const n, in, out = 13, 2, 3
	g := G.NewGraph()
	l, err := layers.NewTCN(g, tensor.Float64, layers.TCNConfig{In: in, Out: out, Kernel: 2, Levels: 3, DilationBase: 3, NoWeightNorm: true})
	if err != nil {
		t.Fatal(err)
	}
	relu := func(v []float64) []float64 {
		for i := range v {
			v[i] = max(v[i], 0)
		}
		return v
	}
	input := testutil.Normal(rand.New(rand.NewPCG(3, 1)), "x", 1, in, n)
	x, width, dilation := input.F, in, 1
	for i := range 3 {
		at := func(name string) []float64 { return weightsOf(t, l, fmt.Sprintf("%d.%s", i, name)) }
		u := relu(convolved(x, width, n, at("conv1.weight"), at("conv1.bias"), out, 2, 1, 1, dilation, dilation))
		u = relu(convolved(u, out, n, at("conv2.weight"), at("conv2.bias"), out, 2, 1, 1, dilation, dilation))
		if width != out {
			x = convolved(x, width, n, at("shortcut.weight"), at("shortcut.bias"), out, 1, 1, 1, 1, 0)
		}
		for k := range u {
			u[k] += x[k]
		}
		x, width, dilation = relu(u), out, 3*dilation
	}
	if e := testutil.RelErr(forward(t, l, g, tensor.Float64, input), x); !(e <= 1e-14) {
		t.Errorf("off by %.3g", e)
	}
	if got := len(l.Params()); got != 3*4+2 {
		t.Errorf("%d parameters, want %d", got, 3*4+2)
	}
}

func TestConvNetIsTheFormula(t *testing.T) {
	const n, h, k = 9, 3, 5
	for _, same := range []bool{false, true} {
		g := G.NewGraph()
		l, err := layers.NewConvNet(g, tensor.Float64, layers.ConvNetConfig{DModel: h, Kernel: k, Same: same})
		if err != nil {
			t.Fatal(err)
		}
		pad := k - 1
		if same {
			pad /= 2
		}
		input := testutil.Normal(rand.New(rand.NewPCG(4, 1)), "x", 1, h, n)
		x := input.F
		for i := range 2 {
			x = convolved(x, h, n, weightsOf(t, l, fmt.Sprintf("%d.conv.weight", i)), weightsOf(t, l, fmt.Sprintf("%d.conv.bias", i)), h, k, 1, 1, 1, pad)
			for s := range n { // LayerNorm, weight 1 and bias 0, and ReLU
				var mean, variance float64
				for f := range h {
					mean += x[f*n+s] / h
				}
				for f := range h {
					variance += (x[f*n+s] - mean) * (x[f*n+s] - mean) / h
				}
				for f := range h {
					x[f*n+s] = max((x[f*n+s]-mean)/math.Sqrt(variance+1e-5), 0)
				}
			}
		}
		if e := testutil.RelErr(forward(t, l, g, tensor.Float64, input), x); !(e <= 1e-13) {
			t.Errorf("same %v: off by %.3g", same, e)
		}
	}
}

// The kernels of a long convolution begin with unit energy and decay, those of the
// first feature fastest; lags beyond LMax are 0.
func TestLongConvStart(t *testing.T) {
	const h, n = 40, 400
	l, err := layers.NewLongConv(G.NewGraph(), tensor.Float64, layers.LongConvConfig{DModel: h, LMax: n, SSM: layers.SSM{Channels: 5}})
	if err != nil {
		t.Fatal(err)
	}
	k := weightsOf(t, l, "kernel")
	var total float64
	var late [h]float64 // energy of the second half
	for i, v := range k {
		total += v * v
		if i%n >= n/2 {
			late[i/n%h] += v * v
		}
	}
	if mean := total / (5 * h); math.Abs(mean-1) > 0.05 {
		t.Errorf("energy of a kernel %.3g, want 1", mean)
	}
	// That of exp(-2 rate lag) is exp(-rate n) of the whole: 4e-7 and 0.044.
	first, last := (late[0]+late[1]+late[2])/15, (late[h-1]+late[h-2]+late[h-3])/15
	if first > 1e-5 || last < 0.02 || last > 0.08 {
		t.Errorf("the second half has energy %.3g of the fastest and %.3g of the slowest", first, last)
	}
}

func TestLongConvBeyondItsKernel(t *testing.T) {
	const h, n, l = 2, 3, 8
	g := G.NewGraph()
	layer, err := layers.NewLongConv(g, tensor.Float64, layers.LongConvConfig{DModel: h, LMax: n, SSM: layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity}})
	if err != nil {
		t.Fatal(err)
	}
	impulse := testutil.Input{Name: "x", Shape: tensor.Shape{1, h, l}, F: make([]float64, h*l)}
	var want []float64
	k, d := weightsOf(t, layer, "kernel"), weightsOf(t, layer, "D")
	for i := range h {
		impulse.F[i*l] = 1
		row := append(append([]float64(nil), k[i*n:(i+1)*n]...), make([]float64, l-n)...)
		row[0] += d[i]
		want = append(want, row...)
	}
	if e := testutil.RelErr(forward(t, layer, g, tensor.Float64, impulse), want); !(e <= 1e-14) {
		t.Errorf("off by %.3g", e)
	}
	if _, err := layer.Kernel(l); err == nil || !strings.Contains(err.Error(), "want at most 3 steps, beyond which the kernel is 0, got 8") {
		t.Errorf("Kernel: got error %v", err)
	}
	if _, err := layer.System(0, 0); err == nil || !strings.Contains(err.Error(), `layers: LongConv "longconv": System`) {
		t.Errorf("System: got error %v", err)
	}
}

func TestConvolutionConfigErrors(t *testing.T) {
	for want, cfg := range map[string]layers.Config{
		"Conv1DConfig: want In >= 1, got 0":                                                       layers.Conv1DConfig{Out: 1, Kernel: 1},
		"Conv1DConfig: want Out >= 1, got -1":                                                     layers.Conv1DConfig{In: 1, Out: -1, Kernel: 1},
		"Conv1DConfig: want Kernel >= 1, got 0":                                                   layers.Conv1DConfig{In: 1, Out: 1},
		"Conv1DConfig: want Dilation >= 1, got -1":                                                layers.Conv1DConfig{In: 1, Out: 1, Kernel: 1, Dilation: -1},
		"Conv1DConfig: want Groups >= 1, got -2":                                                  layers.Conv1DConfig{In: 1, Out: 1, Kernel: 1, Groups: -2},
		"Conv1DConfig: want Stride >= 1, got -2":                                                  layers.Conv1DConfig{In: 1, Out: 1, Kernel: 1, Stride: -2},
		"Conv1DConfig: want Groups a divisor of In = 4 and of Out = 6, got 4":                     layers.Conv1DConfig{In: 4, Out: 6, Kernel: 1, Groups: 4},
		"Conv1DConfig: want (Kernel-1)*Dilation even with Same, an odd Kernel as a rule, got 3*1": layers.Conv1DConfig{In: 1, Out: 1, Kernel: 4, Same: true},
		"TCNConfig: want In >= 1, got 0":                                                          layers.TCNConfig{Out: 1},
		"TCNConfig: want Levels >= 1, got -1":                                                     layers.TCNConfig{In: 1, Out: 1, Levels: -1},
		"TCNConfig: want Levels at most 1024, got 1025":                                           layers.TCNConfig{In: 1, Out: 1, Levels: 1025},
		"TCNConfig: Dropout: DropoutConfig: want P in [0, 1), got 1":                              layers.TCNConfig{In: 1, Out: 1, Dropout: 1},
		`TCNConfig: Activation: want an activation of`:                                            layers.TCNConfig{In: 1, Out: 1, Activation: "swish"},
		"ConvNetConfig: want DModel >= 1, got 0":                                                  layers.ConvNetConfig{},
		"ConvNetConfig: want an odd Kernel with Same, got 4":                                      layers.ConvNetConfig{DModel: 1, Kernel: 4, Same: true},
		`ConvNetConfig: want norm`:                                                                layers.ConvNetConfig{DModel: 1, Norm: "group"},
		"ConvNetConfig: want Depth at most 1024, got 2000":                                        layers.ConvNetConfig{DModel: 1, Depth: 2000},
		"LongConvConfig: want DModel >= 1, got 0":                                                 layers.LongConvConfig{},
		"LongConvConfig: want LMax in [2, 1073741824], got 1":                                     layers.LongConvConfig{DModel: 1, LMax: 1},
		"LongConvConfig: a free convolution has no dt, A, B and C: want LRDt, LRA, LRB and LRC 0": layers.LongConvConfig{DModel: 1, SSM: layers.SSM{LRA: 0.1}},
		`LongConvConfig: want Frozen to name some of kernel, D, got "A"`:                          layers.LongConvConfig{DModel: 1, SSM: layers.SSM{Frozen: []string{"A"}}},
		"BlockConfig: a block keeps the length of a sequence: want Stride 1, got a mixer with 2":  layers.BlockConfig{Mixer: layers.Conv1DConfig{In: 2, Out: 2, Kernel: 3, Stride: 2}},
		"BlockConfig: a block keeps its 2 features":                                               layers.BlockConfig{Mixer: layers.TCNConfig{In: 2, Out: 3}},
	} {
		_, err := layers.New(G.NewGraph(), tensor.Float64, cfg)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "layers: ") {
			t.Errorf("%+v: got error %v, want %q", cfg, err, want)
		}
	}
	// By a pointer too.
	cfg := layers.BlockConfig{Mixer: &layers.Conv1DConfig{In: 2, Out: 2, Kernel: 3, Stride: 2}}
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "want Stride 1") {
		t.Errorf("got error %v", err)
	}
}

func TestConvolutionInputErrors(t *testing.T) {
	g := G.NewGraph()
	conv := must(layers.NewConv1D(g, tensor.Float64, layers.Conv1DConfig{In: 2, Out: 2, Kernel: 3}))
	point := must(layers.NewConv1D(g, tensor.Float64, layers.Conv1DConfig{In: 2, Out: 2, Kernel: 1}, layers.WithName("point")))
	strided := must(layers.NewConv1D(g, tensor.Float64, layers.Conv1DConfig{In: 2, Out: 2, Kernel: 3, Stride: 2}, layers.WithName("strided")))
	ahead := must(layers.NewConv1D(g, tensor.Float64, layers.Conv1DConfig{In: 2, Out: 2, Kernel: 3, Same: true}, layers.WithName("ahead")))
	tcn := must(layers.NewTCN(g, tensor.Float64, layers.TCNConfig{In: 2, Out: 2, Kernel: 2, Levels: 2}))
	same := must(layers.NewConvNet(g, tensor.Float64, layers.ConvNetConfig{DModel: 2, Same: true}))
	long := must(layers.NewLongConv(g, tensor.Float64, layers.LongConvConfig{DModel: 2, LMax: 4}))
	x := placeholder(g, tensor.Float64, "x", 3, 2, 5)
	fwdState := func(l sequenceLayer, x0 ...*G.Node) error {
		_, _, err := l.FwdState(x, x0)
		return err
	}
	recurrence := func(l sequenceLayer) error {
		_, err := l.Recurrence(1)
		return err
	}
	fwd := func(l sequenceLayer, x, lengths *G.Node) error {
		_, err := l.FwdLengths(x, lengths)
		return err
	}
	good := placeholder(g, tensor.Float64, "s", 3, 2, 2)
	for want, err := range map[string]error{
		`layers: Conv1D "conv1d": Fwd: want x (B, 2, L), got (3, 4, 5)`:                                                           fwd(conv, placeholder(g, tensor.Float64, "x4", 3, 4, 5), nil),
		`layers: Conv1D "conv1d": Fwd: want x (B, 2, L), got (3, 2)`:                                                              fwd(conv, placeholder(g, tensor.Float64, "x2", 3, 2), nil),
		`layers: Conv1D "conv1d": Fwd: want x of dtype float64, got float32`:                                                      fwd(conv, placeholder(g, tensor.Float32, "x32", 3, 2, 5), nil),
		`layers: TCN "tcn": Fwd: want x (B, 2, L), got nil`:                                                                       fwd(tcn, nil, nil),
		`layers: ConvNet "convnet": Fwd: want x (B, 2, L), got (3, 1, 5)`:                                                         fwd(same, placeholder(g, tensor.Float64, "x1", 3, 1, 5), nil),
		`layers: TCN "tcn": Fwd: want lengths (3) of dtype int, got (3) of dtype float64`:                                         fwd(tcn, x, placeholder(g, tensor.Float64, "n", 3)),
		`layers: ConvNet "convnet": Fwd: want lengths (3) of dtype int, got (2) of dtype int`:                                     fwd(same, x, placeholder(g, tensor.Int, "n2", 2)),
		`layers: Conv1D "conv1d": FwdState: want a state "x" (3, 2, 2), got (3, 2, 3)`:                                            fwdState(conv, placeholder(g, tensor.Float64, "s3", 3, 2, 3)),
		`layers: Conv1D "conv1d": FwdState: want a state "x" of dtype float64, got float32`:                                       fwdState(conv, placeholder(g, tensor.Float32, "s32", 3, 2, 2)),
		`layers: Conv1D "conv1d": FwdState: want a state of ["x"], or none for zero, got 2`:                                       fwdState(conv, good, good),
		`layers: Conv1D "point": FwdState: want no state, got 1 tensors`:                                                          fwdState(point, good),
		`layers: Conv1D "strided": FwdState: a convolution with a stride has no output at some steps: want Stride 1, got 2`:       fwdState(strided),
		`layers: Conv1D "strided": Recurrence: a convolution with a stride has no output at some steps: want Stride 1, got 2`:     recurrence(strided),
		`layers: Conv1D "ahead": FwdState: a convolution with Same reads the future: want Same false`:                             fwdState(ahead),
		`layers: Conv1D "ahead": Recurrence: a convolution with Same reads the future: want Same false`:                           recurrence(ahead),
		`layers: ConvNet "convnet": FwdState: a convolution with Same reads the future: want Same false`:                          fwdState(same),
		`layers: ConvNet "convnet": Recurrence: a convolution with Same reads the future: want Same false`:                        recurrence(same),
		`layers: TCN "tcn": FwdState: want a state of ["0.conv1.x" "0.conv2.x" "1.conv1.x" "1.conv2.x"], or none for zero, got 1`: fwdState(tcn, good),
		`layers: TCN "tcn": FwdState: want a state "0.conv1.x" (3, 2, 1), got (3, 2, 2)`:                                          fwdState(tcn, good, good, good, good),
		`layers: LongConv "longconv": FwdState: want a state "x" (3, 2, 3), got (3, 2, 2)`:                                        fwdState(long, good),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v\nwant %s", err, want)
		}
	}
}

// A state of several convolutions is set as a whole or not at all.
func TestStatesOfConvolutionsInside(t *testing.T) {
	l := must(layers.NewTCN(G.NewGraph(), tensor.Float64, layers.TCNConfig{In: 2, Out: 2, Kernel: 2, Levels: 2}))
	r := recurrence(t, l, 1)
	stepAll(t, r, tensor.Float64, testutil.Normal(rand.New(rand.NewPCG(5, 1)), "x", 1, 2, 6))
	before := r.State()
	var names []string
	for _, s := range before {
		names = append(names, s.Name)
	}
	if got := fmt.Sprint(names); got != "[0.conv1.x 0.conv2.x 1.conv1.x 1.conv2.x]" {
		t.Errorf("names %s", got)
	}
	for want, change := range map[string]func(s layers.State) layers.State{
		`SetState: want a state of ["x"], got []`: func(s layers.State) layers.State { return s[:3] },
		`SetState: want tensors of 0.conv1, 0.conv2, 1.conv1, 1.conv2, got "conv3"`: func(s layers.State) layers.State {
			return append(s, layers.StateTensor{Name: "conv3", Value: s[0].Value})
		},
		`SetState: want a state "x" (1, 2, 2), got (1, 2, 1)`: func(s layers.State) layers.State {
			s[3].Value = s[0].Value
			return s
		},
	} {
		other := before.Clone()
		for _, s := range other {
			for i := range s.Value.Data().([]float64) {
				s.Value.Data().([]float64)[i]++
			}
		}
		if err := r.SetState(change(other)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if !reflect.DeepEqual(numbers(r.State()), numbers(before)) {
			t.Errorf("%s: the state has changed", want)
		}
	}
}

func TestConvolutionsInJSON(t *testing.T) {
	throughJSON(t,
		layers.Conv1DConfig{In: 4, Out: 4, Kernel: 3, Dilation: 2, Groups: 2, Same: true, NoBias: true, WeightNorm: true},
		layers.TCNConfig{In: 4, Out: 4, Kernel: 3, Levels: 2, DilationBase: 3, NoWeightNorm: true, Activation: ops.ActGELU, Dropout: 0.1, UntiedDropout: true},
		layers.ConvNetConfig{DModel: 4, Depth: 3, Kernel: 5, Same: true, Norm: layers.BatchNorm, Activation: ops.ActGELU, Dropout: 0.1, UntiedDropout: true},
		layers.CKConvConfig{In: 4, Out: 4, Hidden: 3, LMax: 20, Omega0: 5, SIREN: true, NoBias: true},
		layers.CKBlockConfig{In: 4, Out: 4, Hidden: 3, LMax: 20, Omega0: 5, SIREN: true, Dropout: 0.1, UntiedDropout: true},
		layers.LongConvConfig{DModel: 4, LMax: 20, SSM: layers.SSM{Channels: 2, Bidirectional: true, LR: 0.1, Frozen: []string{"kernel"}}},
	)
}
