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

// BenchmarkRetrievalStep is one step of training of a model of pairs of documents of
// token ids, one encoder over the rows of both.
func BenchmarkRetrievalStep(b *testing.B) {
	const batch, h, n, l, blocks, vocab = 8, 128, 64, 1024, 4, 98
	block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: h, DState: n, FixedB: true}, PreNorm: true, Norm: layers.BatchNorm}
	m, err := models.NewRetrieval(G.NewGraph(), tensor.Float32, models.RetrievalConfig{
		Vocab: vocab, Classes: 2, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{block}, Repeat: blocks},
	}, 1)
	if err != nil {
		b.Fatal(err)
	}
	b.Run(fmt.Sprintf("s4d/2x%d_H%d_N%d_L%d_x%d", batch, h, n, l, blocks), func(b *testing.B) {
		rng := rand.New(rand.NewPCG(1, 1))
		benchmarkModel(b, m, batch, l, func(name string, i int) float64 {
			switch name {
			case task.XLengths, task.X2Lengths:
				return l
			case task.Target:
				return float64(i % 2)
			}
			return float64(rng.IntN(vocab))
		})
	})
}

// BenchmarkClassifierRecurrence is one step of a classifier that reads features as they
// come: encoder, blocks, running pool and decoder.
func BenchmarkClassifierRecurrence(b *testing.B) {
	const h, n, blocks = 128, 64, 4
	block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: h, DState: n}, PreNorm: true}
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{
		Features: 1, Classes: 10, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{block}, Repeat: blocks},
	}, 1)
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range []int{1, 16} {
		b.Run(fmt.Sprintf("s4d/B%d_H%d_N%d_x%d", batch, h, n, blocks), func(b *testing.B) {
			r, err := m.Recurrence(batch)
			if err != nil {
				b.Fatal(err)
			}
			u := tensor.New(tensor.WithShape(batch, 1), tensor.WithBacking(make([]float32, batch)))
			testutil.Bench(b, func() error {
				_, err := r.Step(u)
				return err
			})
		})
	}
}

func benchmarkStep(b *testing.B, cfg models.ClassifierConfig, batch, length int) {
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, cfg, 1)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	benchmarkModel(b, m, batch, length, func(name string, _ int) float64 {
		switch name {
		case task.Lengths:
			return float64(length)
		case task.Target:
			return float64(rng.IntN(cfg.Classes))
		}
		return rng.NormFloat64()
	})
}

// benchmarkModel times steps of training on one batch, of which value returns number i
// of an input.
func benchmarkModel(b *testing.B, m models.Model, batch, length int, value func(name string, i int) float64) {
	gr, err := m.Build(task.Training, batch, length)
	if err != nil {
		b.Fatal(err)
	}
	for name, node := range gr.Inputs {
		v := tensor.New(tensor.Of(node.Dtype()), tensor.WithShape(node.Shape()...))
		for i := range v.Shape().TotalSize() {
			switch s := v.Data().(type) {
			case []int:
				s[i] = int(value(name, i))
			case []float32:
				s[i] = float32(value(name, i))
			}
		}
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
	opt := train.NewAdamW(train.ParamGroups(gr.Params, train.LR(1e-3)))
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
