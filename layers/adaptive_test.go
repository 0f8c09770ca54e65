package layers_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// adaptivePair is an embedding and a head that may share parameters; without table the
// head is alone.
type adaptivePair struct {
	name  string
	table *layers.AdaptiveEmbeddingConfig
	head  layers.AdaptiveSoftmaxConfig
}

const adaptiveVocab, adaptiveH = 23, 6

// adaptivePairs are the forms that there are.
func adaptivePairs() []adaptivePair {
	cutoffs := []int{5, 9, 16}
	table := func(embed, div int) *layers.AdaptiveEmbeddingConfig {
		return &layers.AdaptiveEmbeddingConfig{Vocab: adaptiveVocab, DModel: adaptiveH, DEmbed: embed, Cutoffs: cutoffs, DivVal: div}
	}
	head := func(embed, div int, alter func(c *layers.AdaptiveSoftmaxConfig)) layers.AdaptiveSoftmaxConfig {
		c := layers.AdaptiveSoftmaxConfig{Vocab: adaptiveVocab, DModel: adaptiveH, DEmbed: embed, Cutoffs: cutoffs, DivVal: div}
		alter(&c)
		return c
	}
	return []adaptivePair{
		{"tied", table(8, 2), head(8, 2, func(c *layers.AdaptiveSoftmaxConfig) { c.Tie = true })},
		{"some projections", table(8, 2), head(8, 2, func(c *layers.AdaptiveSoftmaxConfig) { c.Tie, c.TieProjs = true, []bool{true, false, true} })},
		{"projections alone", table(8, 2), head(8, 2, func(c *layers.AdaptiveSoftmaxConfig) { c.TieProjs = []bool{true, true, true} })},
		{"one table", table(4, 1), head(4, 1, func(c *layers.AdaptiveSoftmaxConfig) { c.Tie = true })},
		{"no projection", table(0, 0), head(0, 0, func(c *layers.AdaptiveSoftmaxConfig) { c.Tie = true })},
		{"apart", nil, head(8, 2, func(c *layers.AdaptiveSoftmaxConfig) { c.NoBias = true })},
		{"torch", nil, head(0, 2, func(c *layers.AdaptiveSoftmaxConfig) { c.Variant, c.Cutoffs = layers.AdaptiveTorch, cutoffs[:2] })},
		{"torch with bias", nil, head(0, 1, func(c *layers.AdaptiveSoftmaxConfig) { c.Variant, c.HeadBias = layers.AdaptiveTorch, true })},
	}
}

// usesAll says whether the head reads all parameters of the embedding: a LispMachine runs
// no graph that has others.
func (p adaptivePair) usesAll() bool { return p.table == nil || p.table.DivVal < 2 }

// on makes the layers of a pair on a graph, with parameters that are nowhere zero.
func (p adaptivePair) on(t testing.TB, g *G.ExprGraph, dt tensor.Dtype) (*layers.AdaptiveEmbedding, *layers.AdaptiveSoftmax) {
	t.Helper()
	var e *layers.AdaptiveEmbedding
	opts := []layers.Option{layers.WithName("decoder")}
	if p.table != nil {
		e = must(layers.NewAdaptiveEmbedding(g, dt, *p.table, layers.WithName("encoder")))
		opts = append(opts, layers.TiedTo(e))
	}
	h := must(layers.NewAdaptiveSoftmax(g, dt, p.head, opts...))
	rng := rand.New(rand.NewPCG(1, 1))
	for _, l := range []layers.Layer{e, h} {
		if reflect.ValueOf(l).IsNil() {
			continue
		}
		for _, q := range l.Params() {
			switch d := q.Node.Value().Data().(type) {
			case []float64:
				for i := range d {
					d[i] = rng.NormFloat64()
				}
			case []float32:
				for i := range d {
					d[i] = float32(rng.NormFloat64())
				}
			}
		}
	}
	return e, h
}

// clone copies the layers of a pair.
func clonePair(t testing.TB, e *layers.AdaptiveEmbedding, h *layers.AdaptiveSoftmax, g *G.ExprGraph) (*layers.AdaptiveEmbedding, *layers.AdaptiveSoftmax) {
	t.Helper()
	if e == nil {
		return nil, must(h.CloneTo(g))
	}
	e = must(e.CloneTo(g))
	return e, must(h.CloneTo(g, layers.TiedTo(e)))
}

// The likelihoods are those of the scores, with the same gradients.
func TestAdaptiveNLLIsThatOfItsScores(t *testing.T) {
	const b, l = 2, 9
	rng := rand.New(rand.NewPCG(2, 1))
	labels := testutil.Ints("labels", []int{0, 22, 5, -1, 4, 9, 8, 21, 16, 1, 4, 0, 13, -1, 5, 5, 22, 2}, b, l)
	in := []testutil.Input{testutil.Normal(rng, "hidden", b, adaptiveH, l), labels, testutil.Ints("lengths", []int{l, 7}, b)}
	for _, p := range adaptivePairs() {
		f := func(byScores bool) testutil.Build {
			return func(g *G.ExprGraph, n []*G.Node) (*G.Node, error) {
				_, h := p.on(t, g, n[0].Dtype())
				if !byScores {
					y, err := h.NLL(n[0], n[1], n[2])
					if err != nil {
						return nil, err
					}
					return ops.MeanNLL(y, n[1], ops.Lengths(n[2]))
				}
				y, err := h.FwdLengths(n[0], n[2])
				if err != nil {
					return nil, err
				}
				short := slices.Clone(labels.I)
				short[16], short[17] = -1, -1
				return ops.CrossEntropy(y, node(g, tensor.Int, testutil.Ints("short", short, b, l)))
			}
		}
		if p.usesAll() {
			testutil.Check(t, f(false), in...)
		}
		var of [2]*testutil.Result
		for i := range of {
			var err error
			if of[i], err = testutil.Run(testutil.Tape, tensor.Float64, f(i == 1), nil, in...); err != nil {
				t.Fatal(err)
			}
		}
		if e := max(testutil.RelErr(of[0].Out, of[1].Out), testutil.RelErr(of[0].Grads[0], of[1].Grads[0])); !(e <= 1e-13) {
			t.Errorf("%s: off the cross-entropy of the scores by %.3g", p.name, e)
		}
	}
}

// adaptiveLoss is the mean likelihood of a pair that reads tokens.
func adaptiveLoss(e *layers.AdaptiveEmbedding, h *layers.AdaptiveSoftmax, g *G.ExprGraph) (*G.Node, error) {
	x, err := e.Fwd(ids(g, 2, 4, 0, 22, 5, 8, 13, 4, 16, 22))
	if err != nil {
		return nil, err
	}
	labels := node(g, tensor.Int, testutil.Ints("labels", []int{22, 5, -1, 4, 9, 16, 0, 3}, 2, 4))
	y, err := h.NLL(x, labels, nil)
	if err != nil {
		return nil, err
	}
	return ops.MeanNLL(y, labels)
}

// What is tied is one tensor, in the parameters of the embedding alone, shared by copies,
// with the gradients of both layers.
func TestAdaptiveTied(t *testing.T) {
	for _, p := range adaptivePairs() {
		if p.table == nil {
			continue
		}
		e, h := p.on(t, G.NewGraph(), tensor.Float64)
		g := G.NewGraph()
		ce, ch := clonePair(t, e, h, g)
		names := map[string]bool{}
		for _, q := range append(e.Params(), h.Params()...) {
			if names[q.Name] {
				t.Errorf("%s: two parameters are named %q", p.name, q.Name)
			}
			names[q.Name] = true
		}
		originals := append(e.Params(), h.Params()...)
		for i, q := range append(ce.Params(), ch.Params()...) {
			if !weights.Same(q.Node.Value().(*tensor.Dense), originals[i].Node.Value().(*tensor.Dense)) {
				t.Errorf("%s: the copy does not share %q", p.name, q.Name)
			}
		}
		loss := must(adaptiveLoss(ce, ch, g))
		wrt := append(ce.Learnables(), ch.Learnables()...)
		if _, err := G.Grad(loss, wrt...); err != nil {
			t.Fatal(err)
		}
		vm := G.NewTapeMachine(g, G.BindDualValues(wrt...))
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		of := func() float64 {
			g := G.NewGraph()
			ce, ch := clonePair(t, e, h, g)
			return run(t, g, must(adaptiveLoss(ce, ch, g)))[0]
		}
		rng := rand.New(rand.NewPCG(3, 1))
		for i, n := range wrt {
			d := originals[i].Node.Value().Data().([]float64)
			dir := testutil.Normal(rng, "dir", len(d)).F
			shift := func(by float64) float64 {
				for k, v := range dir {
					d[k] += by * v
				}
				defer func() {
					for k, v := range dir {
						d[k] -= by * v
					}
				}()
				return of()
			}
			const step = 1e-5
			want := (shift(step) - shift(-step)) / (2 * step)
			var got, scale float64
			for k, v := range testutil.Floats(must(n.Grad())) {
				got += v * dir[k]
				scale += math.Abs(v * dir[k])
			}
			if !(math.Abs(got-want) <= 1e-7*(scale+1)) {
				t.Errorf("%s: %s: derivative %.9g, finite difference %.9g", p.name, n.Name(), got, want)
			}
		}
		vm.Close()
	}
}

func TestAdaptiveSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	for _, p := range adaptivePairs() {
		for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-13, tensor.Float32: 1e-5} {
			g := G.NewGraph()
			e, h := p.on(t, g, dt)
			x := testutil.Normal(rng, "x", 3, adaptiveH, 4)
			want := run(t, g, must(h.Fwd(node(g, dt, x))))
			r := must(h.Recurrence(3))
			if err := testutil.RelErr(stepAll(t, r, dt, x), want); !(err <= tol) {
				t.Errorf("%s, %v: steps off by %.3g > %.3g", p.name, dt, err, tol)
			}
			if e == nil {
				continue
			}
			g = G.NewGraph()
			e, _ = clonePair(t, e, h, g)
			tokens := []int{0, 22, 5}
			want = run(t, g, must(e.Fwd(ids(g, 3, 1, tokens...))))
			y := must(must(e.Recurrence(3)).Step(tensor.New(tensor.WithShape(3), tensor.WithBacking(tokens))))
			if err := testutil.RelErr(testutil.Floats(y), want); !(err <= tol) {
				t.Errorf("%s, %v: steps of the embedding off by %.3g > %.3g", p.name, dt, err, tol)
			}
		}
	}
}

// A snapshot does not change with the parameters, and sessions of one run at the same
// time.
func TestAdaptiveSnapshots(t *testing.T) {
	for _, p := range adaptivePairs() {
		e, h := p.on(t, G.NewGraph(), tensor.Float64)
		x := testutil.Normal(rand.New(rand.NewPCG(5, 1)), "x", 2, adaptiveH, 3)
		r := must(h.Recurrence(2))
		before := stepAll(t, r, tensor.Float64, x)
		params := h.Params()
		var table *layers.Recurrence
		tokens := func() *tensor.Dense { return tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{13})) }
		var row []float64
		if e != nil {
			params = append(params, e.Params()...)
			table = must(e.Recurrence(1))
			row = testutil.Floats(must(table.Step(tokens())))
		}
		for _, q := range params {
			for i, d := 0, q.Node.Value().Data().([]float64); i < len(d); i++ {
				d[i] += 0.5 + float64(i%3)
			}
		}
		if !slices.Equal(stepAll(t, r, tensor.Float64, x), before) {
			t.Errorf("%s: parameters are read before Refresh", p.name)
		}
		if table != nil && !slices.Equal(testutil.Floats(must(table.Step(tokens()))), row) {
			t.Errorf("%s: the embedding's parameters are read before Refresh", p.name)
		}
		var wg sync.WaitGroup
		for range 3 {
			f := must(r.Fork(2))
			wg.Go(func() {
				for range 5 {
					if !slices.Equal(stepAll(t, f, tensor.Float64, x), before) {
						t.Errorf("%s: a fork differs", p.name)
					}
				}
			})
		}
		wg.Wait()
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(stepAll(t, r, tensor.Float64, x), before) {
			t.Errorf("%s: Refresh reads nothing", p.name)
		}
	}
}

// Nothing behind a length is read, and rows are apart.
func TestAdaptivePadding(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	lengths := testutil.Ints("lengths", []int{5, 0, 9, 2}, 4)
	x, labels := testutil.Normal(rng, "x", 4, adaptiveH, 9), testutil.Ints("labels", make([]int, 36), 4, 9)
	for i := range labels.I {
		labels.I[i] = 5 * i % adaptiveVocab
	}
	for _, p := range adaptivePairs()[3:] { // which usesAll
		head := func(g *G.ExprGraph, dt tensor.Dtype) *layers.AdaptiveSoftmax { _, h := p.on(t, g, dt); return h }
		scores := layerRunner(false, head, func(l *layers.AdaptiveSoftmax, n []*G.Node) (*G.Node, error) { return l.FwdLengths(n[0], n[1]) })
		testutil.CheckPadding(t, p.name+": scores", scores, []int{2}, x, lengths)
		nll := layerRunner(false, head, func(l *layers.AdaptiveSoftmax, n []*G.Node) (*G.Node, error) { return l.NLL(n[0], n[1], n[2]) })
		testutil.CheckPadding(t, p.name+": NLL", nll, []int{2, 1}, x, labels, lengths)
		if p.table != nil {
			table := layerRunner(false, func(g *G.ExprGraph, dt tensor.Dtype) *layers.AdaptiveEmbedding {
				return must(layers.NewAdaptiveEmbedding(g, dt, *p.table))
			}, func(l *layers.AdaptiveEmbedding, n []*G.Node) (*G.Node, error) { return l.FwdLengths(n[0], n[1]) })
			testutil.CheckPadding(t, p.name+": embedding", table, []int{1}, labels, lengths)
		}
	}
}

// Parameters are named as in the public code, and start as there.
func TestAdaptiveParameters(t *testing.T) {
	const h = 64
	cutoffs := []int{400, 900}
	table := layers.AdaptiveEmbeddingConfig{Vocab: 2000, DModel: h, DEmbed: 32, Cutoffs: cutoffs, DivVal: 4}
	head := layers.AdaptiveSoftmaxConfig{Vocab: 2000, DModel: h, DEmbed: 32, Cutoffs: cutoffs, DivVal: 4, Tie: true}
	torch := layers.AdaptiveSoftmaxConfig{Variant: layers.AdaptiveTorch, Vocab: 2000, DModel: h, Cutoffs: cutoffs, DivVal: 4, HeadBias: true}
	apart := layers.AdaptiveSoftmaxConfig{Vocab: 2000, DModel: h, DEmbed: 32, Cutoffs: cutoffs, DivVal: 1, InitScale: 2, BiasScale: 3}
	g := G.NewGraph()
	e := must(layers.NewAdaptiveEmbedding(g, tensor.Float64, table, layers.WithName("emb")))
	of := func(n int) float64 { return 1 / math.Sqrt(float64(n)) }
	type start struct {
		name  string
		shape tensor.Shape
		std   float64 // of all elements
		bound float64 // of a uniform start
	}
	uniform := func(name string, bound float64, shape ...int) start {
		return start{name, shape, bound / math.Sqrt(3), bound}
	}
	for _, c := range []struct {
		l    layers.Layer
		want []start
	}{
		{e, []start{
			{"emb.emb_layers.0.weight", tensor.Shape{400, 32}, .5 * of(32), 0}, {"emb.emb_layers.1.weight", tensor.Shape{500, 8}, .5 * of(8), 0},
			{"emb.emb_layers.2.weight", tensor.Shape{1100, 2}, .5 * of(2), 0}, {"emb.emb_projs.0", tensor.Shape{h, 32}, .5 * of(h), 0},
			{"emb.emb_projs.1", tensor.Shape{h, 8}, .5 * of(h), 0}, {"emb.emb_projs.2", tensor.Shape{h, 2}, .5 * of(h), 0},
		}},
		{must(layers.NewAdaptiveSoftmax(g, tensor.Float64, head, layers.WithName("loss"), layers.TiedTo(e))), []start{
			uniform("loss.out_layers_biases.0", of(h), 400), uniform("loss.out_layers_biases.1", of(h), 500), uniform("loss.out_layers_biases.2", of(h), 1100),
			{"loss.out_projs.0", tensor.Shape{h, 32}, 0, 0}, {"loss.cluster_weight", tensor.Shape{2, 32}, 0, 0}, {"loss.cluster_bias", tensor.Shape{2}, 0, 0},
		}},
		{must(layers.NewAdaptiveSoftmax(g, tensor.Float64, apart, layers.WithName("apart"))), []start{
			{"apart.out_layers_weights.0", tensor.Shape{2000, 32}, 2 * of(32), 0}, uniform("apart.out_layers_biases.0", 3*of(h), 2000),
			{"apart.out_projs.0", tensor.Shape{h, 32}, 0, 0}, {"apart.out_projs.1", tensor.Shape{h, 32}, 0, 0}, {"apart.out_projs.2", tensor.Shape{h, 32}, 0, 0},
			{"apart.cluster_weight", tensor.Shape{2, 32}, 0, 0}, {"apart.cluster_bias", tensor.Shape{2}, 0, 0},
		}},
		{must(layers.NewAdaptiveSoftmax(g, tensor.Float64, torch, layers.WithName("torch"))), []start{
			uniform("torch.head.weight", of(h), 402, h), uniform("torch.head.bias", of(h), 402), uniform("torch.tail.0.0.weight", of(h), 16, h),
			uniform("torch.tail.0.1.weight", of(16), 500, 16), uniform("torch.tail.1.0.weight", of(h), 4, h), uniform("torch.tail.1.1.weight", of(4), 1100, 4),
		}},
	} {
		ps := c.l.Params()
		if len(ps) != len(c.want) {
			t.Errorf("%s: want %d parameters, got %d", c.l.Name(), len(c.want), len(ps))
			continue
		}
		for i, p := range ps {
			w := c.want[i]
			if p.Name != w.name || !p.Node.Shape().Eq(w.shape) {
				t.Errorf("parameter %d: want %s %v, got %s %v", i, w.name, w.shape, p.Name, p.Node.Shape())
				continue
			}
			var sq, most float64
			d := p.Node.Value().Data().([]float64)
			for _, v := range d {
				sq += v * v
				most = max(most, math.Abs(v))
			}
			if std := math.Sqrt(sq / float64(len(d))); math.Abs(std-w.std) > 4*w.std/math.Sqrt(float64(len(d))) || w.bound > 0 && most > w.bound {
				t.Errorf("%s: deviation %g, largest %g: want %g, at most %g", w.name, std, most, w.std, w.bound)
			}
		}
	}
}

func TestAdaptiveErrors(t *testing.T) {
	table := func(alter func(c *layers.AdaptiveEmbeddingConfig)) layers.Config {
		c := layers.AdaptiveEmbeddingConfig{Vocab: 23, DModel: 6, Cutoffs: []int{5, 9}, DivVal: 2}
		alter(&c)
		return c
	}
	head := func(alter func(c *layers.AdaptiveSoftmaxConfig)) layers.Config {
		c := layers.AdaptiveSoftmaxConfig{Vocab: 23, DModel: 6, Cutoffs: []int{5, 9}, DivVal: 2}
		alter(&c)
		return c
	}
	torch := func(alter func(c *layers.AdaptiveSoftmaxConfig)) layers.Config {
		return head(func(c *layers.AdaptiveSoftmaxConfig) { c.Variant = layers.AdaptiveTorch; alter(c) })
	}
	nan := math.NaN()
	for want, cfg := range map[string]layers.Config{
		"want Vocab >= 1, got 0":                                                                         table(func(c *layers.AdaptiveEmbeddingConfig) { c.Vocab = 0 }),
		"want DModel >= 1, got -1":                                                                       table(func(c *layers.AdaptiveEmbeddingConfig) { c.DModel = -1 }),
		"want DEmbed >= 1, or 0 for DModel, got -2":                                                      table(func(c *layers.AdaptiveEmbeddingConfig) { c.DEmbed = -2 }),
		"want DivVal >= 1, or 0 for 1, got -3":                                                           table(func(c *layers.AdaptiveEmbeddingConfig) { c.DivVal = -3 }),
		"field Cutoffs: want cutoffs that increase from 1 on, got 9 at 1 after 9":                        table(func(c *layers.AdaptiveEmbeddingConfig) { c.Cutoffs = []int{9, 9} }),
		"field Cutoffs: want cutoffs less than the vocabulary of 23, got 23":                             table(func(c *layers.AdaptiveEmbeddingConfig) { c.Cutoffs = []int{23} }),
		"want DivVal of at most the 2th root of the 6 features, so that the last cluster has one, got 3": table(func(c *layers.AdaptiveEmbeddingConfig) { c.DivVal = 3 }),
		"want a finite InitScale > 0, or 0 for 0.5, got NaN":                                             table(func(c *layers.AdaptiveEmbeddingConfig) { c.InitScale = nan }),
		"want a finite Scale > 0, or 0 for sqrt(DModel), got -1":                                         table(func(c *layers.AdaptiveEmbeddingConfig) { c.Scale = -1 }),
		`want Variant "projected" or "torch", got "other"`:                                               head(func(c *layers.AdaptiveSoftmaxConfig) { c.Variant = "other" }),
		"want TieProjs of the 2 clusters behind the shortlist, or none, got 1":                           head(func(c *layers.AdaptiveSoftmaxConfig) { c.TieProjs = []bool{true} }),
		`want HeadBias with Variant "torch" only: "projected" has biases unless NoBias is set`:           head(func(c *layers.AdaptiveSoftmaxConfig) { c.HeadBias = true }),
		"want a finite InitScale > 0, or 0 for 0.5, got -1":                                              head(func(c *layers.AdaptiveSoftmaxConfig) { c.InitScale = -1 }),
		"want a finite BiasScale > 0, or 0 for 1, got +Inf":                                              head(func(c *layers.AdaptiveSoftmaxConfig) { c.BiasScale = math.Inf(1) }),
		`want Tie and TieProjs with Variant "projected" only, got "torch"`:                               torch(func(c *layers.AdaptiveSoftmaxConfig) { c.Tie = true }),
		`want DEmbed of DModel = 6, or 0, with Variant "torch", got 5`:                                   torch(func(c *layers.AdaptiveSoftmaxConfig) { c.DEmbed = 5 }),
		`want NoBias, InitScale and BiasScale with Variant "projected" only, got "torch"`:                torch(func(c *layers.AdaptiveSoftmaxConfig) { c.NoBias = true }),
		`want the layer whose parameter "emb_layers.0.weight" is tied: give TiedTo, for a copy too`:      head(func(c *layers.AdaptiveSoftmaxConfig) { c.Tie = true }),
		`want the layer whose parameter "emb_projs.2" is tied: give TiedTo, for a copy too`:              head(func(c *layers.AdaptiveSoftmaxConfig) { c.TieProjs = []bool{false, true} }),
	} {
		_, err := layers.New(G.NewGraph(), tensor.Float64, cfg, layers.WithName("l"))
		if err == nil || !strings.HasPrefix(err.Error(), "layers: Adaptive") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got error %v\nwant %s", err, want)
		}
	}
	// An embedding of other clusters is none to be tied to.
	g := G.NewGraph()
	e := must(layers.NewAdaptiveEmbedding(g, tensor.Float64, layers.AdaptiveEmbeddingConfig{Vocab: 23, DModel: 6, Cutoffs: []int{5, 10}, DivVal: 2}, layers.WithName("emb")))
	_, err := layers.New(g, tensor.Float64, head(func(c *layers.AdaptiveSoftmaxConfig) { c.Tie = true }), layers.WithName("loss"), layers.TiedTo(e))
	wantError(t, err, `layers: AdaptiveSoftmax "loss": want tied parameter "emb.emb_layers.1.weight" (4, 3) of dtype float64, got (5, 3) of dtype float64`)
	_, err = e.Fwd(placeholder(g, tensor.Float64, "x", 2, 5))
	wantError(t, err, `layers: AdaptiveEmbedding "emb": Fwd: want ids (B, L) of dtype int, got (2, 5) of dtype float64`)
	r := must(e.Recurrence(2))
	_, err = r.Step(tensor.New(tensor.WithShape(2), tensor.WithBacking([]int{1, 23})))
	wantError(t, err, `layers: AdaptiveEmbedding "emb": Step: ids[1]: want an id in [0, 23), got 23`)
	// When a graph runs, the layer is named.
	g = G.NewGraph()
	y := must(must(e.CloneTo(g)).Fwd(ids(g, 1, 2, 0, 23)))
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err == nil || !strings.Contains(err.Error(), `layers: AdaptiveEmbedding "emb": adaptive.Embedding: ids[0, 1]: want an id in [0, 23), got 23`) {
		t.Errorf("an id out of range: got error %v", err)
	}
}

func TestAdaptiveConfigJSON(t *testing.T) {
	for _, p := range adaptivePairs() {
		text, err := json.Marshal(p.head)
		if err != nil {
			t.Fatal(err)
		}
		var got layers.AdaptiveSoftmaxConfig
		if err := strictjson.Decode(text, &got); err != nil || !reflect.DeepEqual(got, p.head) {
			t.Errorf("%s: got %+v, error %v, from %s", p.name, got, err, text)
		}
		if p.table == nil {
			continue
		}
		if text, err = json.Marshal(p.table); err != nil {
			t.Fatal(err)
		}
		var table layers.AdaptiveEmbeddingConfig
		if err := strictjson.Decode(text, &table); err != nil || !reflect.DeepEqual(table, *p.table) {
			t.Errorf("%s: got %+v, error %v, from %s", p.name, table, err, text)
		}
	}
	// What the caller changes later is not read.
	cutoffs := []int{5, 9}
	e := must(layers.NewAdaptiveEmbedding(G.NewGraph(), tensor.Float64, layers.AdaptiveEmbeddingConfig{Vocab: 23, DModel: 6, Cutoffs: cutoffs}))
	cutoffs[0] = 7
	e.Config().Cutoffs[1] = 8
	if got := fmt.Sprint(e.Config().Cutoffs); got != "[5 9]" {
		t.Errorf("got cutoffs %s, want [5 9]", got)
	}
}
