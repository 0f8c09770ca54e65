package train_test

import (
	"context"
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// horizon is the number of values to forecast.
const horizon = 3

// waves returns n stretches of oscillations and the values that follow each.
func waves(n, offset int) (task.Dataset, error) {
	past, future := make([][]float32, n), make([][]float32, n)
	for i := range n {
		omega, phase := 0.3+0.1*math.Sin(float64(i+offset)), float64(7*(i+offset))
		for t := range 24 {
			v := float32(math.Sin(omega*float64(t) + phase))
			if t < 24-horizon {
				past[i] = append(past[i], v)
			} else {
				future[i] = append(future[i], v)
			}
		}
	}
	return task.NewTable(task.Col(task.Features(task.X, 1), past), task.Col(task.Numbers(task.Target, horizon), future))
}

// forecaster reads a sequence and forecasts what follows: an encoder, a state
// space layer, and a decoder of its last step.
type forecaster struct {
	in, out *layers.Linear
	ssm     *layers.S4D
}

func newForecaster() (*forecaster, error) {
	const h = 16
	g := G.NewGraph()
	in, err := layers.NewLinear(g, tensor.Float32, layers.LinearConfig{In: 1, Out: h, ChannelsLast: true}, layers.WithName("in"))
	if err != nil {
		return nil, err
	}
	ssm, err := layers.NewS4D(g, tensor.Float32, layers.S4DConfig{DModel: h, DState: 8, DtMin: 0.02, DtMax: 0.5}, layers.WithName("ssm"))
	if err != nil {
		return nil, err
	}
	out, err := layers.NewLinear(g, tensor.Float32, layers.LinearConfig{In: h, Out: horizon}, layers.WithName("out"))
	return &forecaster{in, out, ssm}, err
}

func (m *forecaster) Params() []param.Param {
	return slices.Concat(m.in.Params(), m.ssm.Params(), m.out.Params())
}
func (m *forecaster) Buffers() []param.Buffer { return m.ssm.Buffers() }
func (m *forecaster) Config() any             { return m.ssm.Config() }

func (m *forecaster) Build(_ task.Mode, batch, length int) (*task.Graph, error) {
	g := G.NewGraph()
	in, err := m.in.CloneTo(g)
	if err != nil {
		return nil, err
	}
	ssm, err := m.ssm.CloneTo(g)
	if err != nil {
		return nil, err
	}
	out, err := m.out.CloneTo(g)
	if err != nil {
		return nil, err
	}
	x := G.NewTensor(g, tensor.Float32, 3, G.WithShape(batch, length, 1), G.WithName("x"))
	target := G.NewMatrix(g, tensor.Float32, G.WithShape(batch, horizon), G.WithName("target"))
	y, err := in.Fwd(x) // (B, H, L)
	if err != nil {
		return nil, err
	}
	if y, err = ssm.Fwd(y); err != nil {
		return nil, err
	}
	if y, err = ops.Pool(ops.PoolLast, y, nil); err != nil { // (B, H)
		return nil, err
	}
	if y, err = out.Fwd(y); err != nil { // (B, horizon)
		return nil, err
	}
	loss, err := G.Mean(G.Must(G.Square(G.Must(G.Sub(y, target)))))
	clone := &forecaster{in, out, ssm}
	return &task.Graph{
		G: g, Inputs: map[string]*G.Node{task.X: x, task.Target: target}, Loss: loss,
		Outputs: map[string]*G.Node{task.Output: y}, Params: clone.Params(),
	}, err
}

// A forecaster: a sequence in, the values that follow out.
func Example_forecaster() {
	model, err1 := newForecaster()
	past, err2 := waves(256, 0)
	later, err3 := waves(64, 1000)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	cfg := train.Config{Epochs: 30, BatchSize: 32, LR: 0.01, DropLast: true, Schedule: train.Schedule{Kind: train.Cosine, WarmUp: 10}}
	tr, err := train.New(cfg, model, past, later, train.WithMetrics(train.MAE(), train.R2()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tr.Close()
	result, err := tr.Fit(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	best := result.Best.Val
	fmt.Printf("forecasts of %.0f stretches, off by less than 0.1 on average: %t\n", best.Count, best.Value("mae") < 0.1)
	// Output: forecasts of 64 stretches, off by less than 0.1 on average: true
}
