package train_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// longest is the number of steps of the longest sequence.
const longest = 8

// heating is a data set of two inputs and a target that are numbers at every
// step: a room is heated, loses warmth to the outside, and its temperature is to
// be told.
type heating struct {
	count int
	seed  uint64
}

func (heating) Fields() []task.Field {
	step := func(name string) task.Field {
		return task.Field{Name: name, Dtype: tensor.Float64, PerStep: true} // (B, L), padded with 0
	}
	return []task.Field{step("heater"), step("outside"), step("temperature"), step("weight")}
}

func (d heating) Len() int         { return d.count }
func (d heating) Length(i int) int { return longest - i%3 }

func (d heating) Example(i int, row *task.Row) error {
	rng := rand.New(rand.NewPCG(d.seed, uint64(i)))
	n := d.Length(i)
	heater, outside, temperature, weight := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	room := 0.0
	for t := range n {
		heater[t], outside[t], weight[t] = rng.Float64(), rng.NormFloat64(), 1
		room += 0.5*heater[t] + 0.3*(outside[t]-room)
		temperature[t] = room
	}
	row.Float64s("heater", heater...)
	row.Float64s("outside", outside...)
	row.Float64s("temperature", temperature...)
	row.Float64s("weight", weight...)
	return nil
}

// room is a model of Gorgonia's built-ins: y = heater A + outside B, with (L, L)
// matrices A and B.
type room struct{ a, b *tensor.Dense }

func newRoom() *room {
	zeros := func() *tensor.Dense { return tensor.New(tensor.Of(tensor.Float64), tensor.WithShape(longest, longest)) }
	return &room{zeros(), zeros()}
}

func (m *room) on(g *G.ExprGraph) []param.Param {
	node := func(name string, v *tensor.Dense) param.Param {
		return param.Param{Name: name, Node: G.NewMatrix(g, tensor.Float64, G.WithShape(longest, longest), G.WithName(name), G.WithValue(v))}
	}
	return []param.Param{node("a", m.a), node("b", m.b)}
}

func (m *room) Params() []param.Param   { return m.on(G.NewGraph()) }
func (m *room) Buffers() []param.Buffer { return nil }
func (m *room) Config() any             { return map[string]int{"longest": longest} }

// Build makes a graph with a squared error of its own, over the steps that are
// not padding.
func (m *room) Build(_ task.Mode, batch, length int) (*task.Graph, error) {
	g := G.NewGraph()
	ps := m.on(g)
	inputs := make(map[string]*G.Node)
	for _, name := range []string{"heater", "outside", "temperature", "weight"} {
		inputs[name] = G.NewMatrix(g, tensor.Float64, G.WithShape(batch, length), G.WithName(name))
	}
	y := G.Must(G.Add(G.Must(G.Mul(inputs["heater"], ps[0].Node)), G.Must(G.Mul(inputs["outside"], ps[1].Node))))
	squares := G.Must(G.Square(G.Must(G.Sub(y, inputs["temperature"]))))
	loss, err := G.Div(G.Must(G.Sum(G.Must(G.HadamardProd(squares, inputs["weight"])))), G.Must(G.Sum(inputs["weight"])))
	return &task.Graph{
		G: g, Inputs: inputs, Loss: loss, Count: task.CountNumbers("temperature"),
		Outputs: map[string]*G.Node{task.Output: y}, Params: ps,
	}, err
}

// within is a metric: the share of the temperatures that are told to 0.1.
func within() train.Metric {
	return train.NewMean("within", train.Higher, func(out *task.Outputs, b *task.Batch) (sum, count float64, err error) {
		y, err := out.Array(task.Output)
		if err != nil {
			return 0, 0, err
		}
		want, err := b.Array("temperature")
		if err != nil {
			return 0, 0, err
		}
		err = b.Counts("temperature", func(i int) { // not of padding
			count++
			if math.Abs(y.At(i)-want.At(i)) < 0.1 {
				sum++
			}
		})
		return sum, count, err
	})
}

// momentum is an optimiser.
type momentum struct{ speed map[string][]float64 }

func (o momentum) Update(ps []train.Learned, factor float64) error {
	for _, p := range ps {
		v := o.speed[p.Name]
		if v == nil {
			v = make([]float64, p.Value.Len())
			o.speed[p.Name] = v
		}
		for i, g := range p.Grad.Float64s {
			v[i] = 0.9*v[i] + g
			p.Value.Float64s[i] -= 0.2 * factor * v[i]
		}
	}
	return nil
}

func (o momentum) State() ([]train.Tensor, error) {
	var ts []train.Tensor
	for name, v := range o.speed {
		ts = append(ts, train.Tensor{Name: name, Shape: []int{len(v)}, Data: v})
	}
	return ts, nil
}

func (o momentum) SetState(ts []train.Tensor) error {
	clear(o.speed)
	for _, t := range ts {
		o.speed[t.Name] = append([]float64(nil), t.Data.([]float64)...)
	}
	return nil
}

// A task of one's own: two inputs, a target that is a number at every step, a
// loss, a metric, and an optimiser, or one of Gorgonia's solvers.
func ExampleNew() {
	for _, o := range []train.Optimizer{
		momentum{make(map[string][]float64)},
		train.FromSolver(G.NewAdamSolver(), 0.02),
	} {
		cfg := train.Config{
			Epochs: 40, BatchSize: 16, LR: 0.02, DType: train.Float64, Buckets: []int{longest},
			Schedule: train.Schedule{Kind: train.Cosine},
		}
		tr, err := train.New(cfg, newRoom(), heating{200, 1}, heating{50, 2},
			train.WithOptimizer(o),
			train.WithMetrics(within(), train.R2(train.On(task.Output, "temperature"))))
		if err != nil {
			fmt.Println(err)
			return
		}
		result, err := tr.Fit(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		val := result.Best.Val
		fmt.Printf("%s after %d steps: %.0f temperatures, %.0f %% of them within 0.1, R2 %.2f\n",
			result.Reason, result.Steps, val.Count, 100*val.Value("within"), val.Value("r2"))
		if err := tr.Close(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// finished after 520 steps: 351 temperatures, 100 % of them within 0.1, R2 1.00
	// finished after 520 steps: 351 temperatures, 100 % of them within 0.1, R2 1.00
}
