package models_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// BenchmarkTrainStep is one step of training, forward, backward and AdamW, of
// a sequence classifier on one feature: blocks of a state space layer with
// GELU, GLU and dropout 0.1, residual sum and layer normalisation.
func BenchmarkTrainStep(b *testing.B) {
	const batch, h, n, l, blocks = 50, 128, 64, 1024, 4
	for _, c := range []struct {
		name  string
		block layers.BlockConfig
	}{
		{"s4d", layers.BlockConfig{Mixer: layers.S4DConfig{DModel: h, DState: n, FixedB: true, SSM: layers.SSM{Dropout: 0.1}}}},
		{"s4", layers.BlockConfig{Mixer: layers.S4Config{DModel: h, DState: n, LMax: l, SSM: layers.SSM{Dropout: 0.1}}}},
	} {
		c.block.Dropout = 0.1
		b.Run(fmt.Sprintf("%s/B%d_H%d_N%d_L%d_x%d", c.name, batch, h, n, l, blocks), func(b *testing.B) {
			benchmarkStep(b, models.ClassifierConfig{Features: 1, Classes: 10, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{c.block}, Repeat: blocks}}, batch, l)
		})
	}
}

func benchmarkStep(b *testing.B, cfg models.ClassifierConfig, batch, length int) {
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, cfg, 1)
	if err != nil {
		b.Fatal(err)
	}
	gr, err := m.Build(task.Training, batch, length)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	x, y, n := make([]float32, batch*length*cfg.Features), make([]int, batch), make([]int, batch)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for i := range y {
		y[i], n[i] = rng.IntN(cfg.Classes), length
	}
	for node, v := range map[*G.Node]any{
		gr.Inputs[task.X]:       tensor.New(tensor.WithShape(batch, length, cfg.Features), tensor.WithBacking(x)),
		gr.Inputs[task.Lengths]: tensor.New(tensor.WithShape(batch), tensor.WithBacking(n)),
		gr.Inputs[task.Target]:  tensor.New(tensor.WithShape(batch), tensor.WithBacking(y)),
	} {
		if err := G.Let(node, v); err != nil {
			b.Fatal(err)
		}
	}
	var learn G.Nodes
	for _, p := range gr.Params {
		learn = append(learn, p.Node)
	}
	grads, err := G.Grad(gr.Loss, learn...)
	if err != nil {
		b.Fatal(err)
	}
	prog, locs, err := G.CompileFunction(gr.G, G.Nodes{gr.Inputs[task.X]}, append(G.Nodes{gr.Loss}, grads...))
	if err != nil {
		b.Fatal(err)
	}
	vm := G.NewTapeMachine(gr.G, G.BindDualValues(learn...), G.WithPrecompiled(prog, locs))
	defer vm.Close()
	opt := train.NewAdamW(train.Groups(gr.Params, train.LR(1e-3)))
	vg := G.NodesToValueGrads(learn)
	testutil.Bench(b, func() error {
		defer vm.Reset()
		if err := vm.RunAll(); err != nil {
			return err
		}
		return opt.Step(vg)
	})
	b.ReportMetric(float64(testutil.Size(learn)), "params")
}
