package train_test

import (
	"context"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/train"
)

// Two copies of a model in one process learn what one learns alone: every batch of 16 is
// shared by them.
func ExampleReplicas() {
	for _, n := range []int{1, 2} {
		result, err := train.Replicas(context.Background(), n, func(g train.Group) (*train.Trainer, error) {
			cfg := train.Config{Epochs: 10, BatchSize: 16, LR: 0.02, DType: train.Float64, Buckets: []int{longest}}
			return train.New(cfg, newRoom(), heating{200, 1}, heating{50, 2}, train.WithGroup(g, train.GroupConfig{}))
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d: a loss of %.6f after %d steps\n", n, result.Best.Val.Loss, result.Steps)
	}
	// Output:
	// 1: a loss of 0.000234 after 130 steps
	// 2: a loss of 0.000234 after 130 steps
}

// Ranks that each do something before and after the training, which has to succeed on
// all: Agree tells them. With mpi.Run in place of RunGroup they are processes.
func ExampleWithGroup() {
	err := train.RunGroup(2, func(g train.Group) error {
		cfg := train.Config{Steps: 20, BatchSize: 16, LR: 0.02, DType: train.Float64, Buckets: []int{longest}}
		tr, err := train.New(cfg, newRoom(), heating{200, 1}, nil, train.WithGroup(g, train.GroupConfig{}))
		if err := train.Agree(g, err); err != nil {
			return err // on all ranks: none waits in Fit
		}
		defer tr.Close()
		result, err := tr.Fit(context.Background())
		if err != nil {
			return err // all ranks have it
		}
		m, err := tr.Evaluate(context.Background(), heating{50, 2}) // each rank its part
		if err != nil {
			return err
		}
		if g.Rank() == 0 {
			fmt.Printf("%d ranks, %d steps: %.0f temperatures\n", g.Size(), result.Steps, m.Count)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: 2 ranks, 20 steps: 351 temperatures
}

// A loop of one's own over ranks, here one that fits y = 3x - 1: each rank computes the
// gradient of its points, of which there are more on one than on another, and all make
// the step of the mean over all points.
func ExampleNewReducer() {
	points := [][]float64{{-2, -1, 0}, {1, 2}} // of each rank
	err := train.RunGroup(len(points), func(g train.Group) error {
		reducer, err := train.NewReducer(g, train.GroupConfig{})
		if err != nil {
			return err
		}
		var xs, ys []float64
		for _, x := range points[g.Rank()] {
			xs, ys = append(xs, x, 1), append(ys, 3*x-1)
		}
		n := len(ys)
		graph := G.NewGraph()
		x := G.NewMatrix(graph, G.Float64, G.WithName("x"), G.WithValue(tensor.New(tensor.WithShape(n, 2), tensor.WithBacking(xs))))
		y := G.NewMatrix(graph, G.Float64, G.WithName("y"), G.WithValue(tensor.New(tensor.WithShape(n, 1), tensor.WithBacking(ys))))
		line := G.NewMatrix(graph, G.Float64, G.WithName("line"), G.WithShape(2, 1), G.WithInit(G.ValuesOf(float64(g.Rank()))))
		loss := G.Must(G.Mean(G.Must(G.Square(G.Must(G.Sub(G.Must(G.Mul(x, line)), y))))))
		if _, err := G.Grad(loss, line); err != nil {
			return err
		}
		vm := G.NewTapeMachine(graph, G.BindDualValues(line))
		defer vm.Close()

		params := []param.Param{{Name: "line", Node: line}}
		if err := train.BroadcastParams(g, params); err != nil { // those of rank 0
			return err
		}
		adam := train.NewAdamW(train.ParamGroups(params, train.LR(0.1), train.WeightDecay(0)))
		gradients := train.Gradients{Reducer: reducer}
		for range 300 {
			if err := vm.RunAll(); err != nil {
				return train.Agree(g, err) // the others find it in their step
			}
			if err := gradients.Step(params, float64(n), adam, 1); err != nil {
				return err
			}
			vm.Reset()
		}
		if v := line.Value().Data().([]float64); g.Rank() == 1 {
			fmt.Printf("y = %.2f x %+.2f\n", v[0], v[1])
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: y = 3.00 x -1.00
}
