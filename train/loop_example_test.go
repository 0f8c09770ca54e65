package train_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/train"
)

// Batches of a data set for a loop of one's own, from any place of a run on.
func ExampleLoader() {
	cfg := train.LoaderConfig{BatchSize: 16, Buckets: []int{6, 7, 8}, Shuffle: true, Seed: 1}
	loader, err := train.NewLoader(heating{40, 1}, cfg)
	check(err)
	fmt.Println(loader.Batches(), "batches of lengths", loader.Lengths())
	stream, err := loader.Stream(context.Background(), train.Position{Epoch: 0, Batch: 1}, 1)
	check(err)
	defer stream.Close()
	for {
		b, err := stream.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(err)
		fmt.Println(len(b.Examples), "examples of", b.B, "rows, then", stream.After())
	}
	cfg.Ranks, cfg.Rank = 3, 2
	lo, hi, rows := cfg.Share()
	fmt.Println("rank 2 of 3 has rows", lo, "to", hi, "in batches of", rows)
	// Output:
	// 3 batches of lengths [6 7 8]
	// 8 examples of 16 rows, then {0 2}
	// 16 examples of 16 rows, then {1 0}
	// rank 2 of 3 has rows 12 to 16 in batches of 6
}

// A step over two parts of a batch that do not fit in memory together: the gradient is
// the mean over all targets, of which one part has three and the other one.
func ExampleGradients() {
	g := G.NewGraph()
	w := G.NewVector(g, tensor.Float64, G.WithShape(1), G.WithName("w"), G.WithInit(G.Zeroes()))
	x := G.NewVector(g, tensor.Float64, G.WithShape(1), G.WithName("x"))
	loss := G.Must(G.Sum(G.Must(G.HadamardProd(w, x)))) // the gradient is x
	_, err := G.Grad(loss, w)
	check(err)
	vm := G.NewTapeMachine(g, G.BindDualValues(w))
	defer vm.Close()
	params := []param.Param{{Name: "w", Node: w}}
	adam := train.NewAdamW(train.ParamGroups(params, train.LR(0.1), train.WeightDecay(0)))
	run := func(v float64) {
		check(G.Let(x, tensor.New(tensor.WithShape(1), tensor.WithBacking([]float64{v}))), vm.RunAll())
		vm.Reset()
	}
	gradients := train.Gradients{Clip: 10}
	run(2)
	check(gradients.Add(params, 3))
	run(6)
	check(gradients.Step(params, 1, adam, 1))
	fmt.Printf("gradient %.1f, w %.2f\n", gradients.Norm(), w.Value().Data())

	run(5) // a step that is given up
	gradients.Drop(params)
	fmt.Printf("w %.2f\n", w.Value().Data())
	// Output:
	// gradient 3.0, w [-0.10]
	// w [-0.10]
}

// doubled is a reducer: what the ranks of some other machinery have computed, here twice
// the same.
type doubled struct{}

func (doubled) Sum(gradients []train.Learned, count float64) (float64, error) {
	for _, p := range gradients {
		for i := range p.Grad.Float64s {
			p.Grad.Float64s[i] *= 2
		}
	}
	return 2 * count, nil
}

// A trainer whose gradients are summed by something else than a Group.
func ExampleWithReducer() {
	for _, opts := range [][]train.Option{nil, {train.WithReducer(doubled{})}} {
		cfg := train.Config{Steps: 20, BatchSize: 16, LR: 0.02, DType: train.Float64, Buckets: []int{longest}}
		tr, err := train.New(cfg, newRoom(), heating{200, 1}, heating{50, 2}, opts...)
		check(err)
		result, err := tr.Fit(context.Background())
		check(err)
		fmt.Printf("loss %.4f\n", result.Best.Val.Loss)
		check(tr.Close())
	}
	// Output:
	// loss 0.0349
	// loss 0.0349
}

// What ranks can do together. Those of NewGroup are goroutines.
func ExampleGroup() {
	ranks, err := train.NewGroup(2)
	check(err)
	var wait sync.WaitGroup
	said := make([]string, len(ranks))
	for _, g := range ranks {
		wait.Go(func() {
			defer g.(io.Closer).Close()
			me := g.Rank()
			small, large := []float32{float32(me)}, []float64{10 * float64(me)}
			secret := []byte{byte(7 * (1 - me))} // rank 0 has it
			received := make([]byte, 2)
			check(
				g.SumFloat32(small), g.SumFloat64(large),
				g.Broadcast(secret),
				g.Exchange(received, []byte{byte(10*me + 0), byte(10*me + 1)}))
			all, err := g.Gather([]byte(fmt.Sprint("rank ", me)))
			check(err)
			said[me] = fmt.Sprintf("%v %v %v %v %s", small, large, secret, received, all)
		})
	}
	wait.Wait()
	for _, s := range said {
		fmt.Println(s)
	}
	// Output:
	// [1] [10] [7] [0 10] [rank 0 rank 1]
	// [1] [10] [7] [1 11] [rank 0 rank 1]
}

// A rank that fails tells the others, which have an error that names it.
func ExampleAgree() {
	err := train.RunGroup(2, func(g train.Group) error {
		var mine error
		if g.Rank() == 1 {
			mine = errors.New("disk full")
		}
		return train.Agree(g, mine)
	})
	var failed *train.RankError
	if errors.As(err, &failed) {
		fmt.Println("rank", failed.Rank, "-", failed.Err)
	}
	// Output: rank 1 - disk full
}
