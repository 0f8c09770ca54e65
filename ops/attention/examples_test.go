package attention_test

import (
	"errors"
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// stretch returns steps [from, to) of x (1, features, length), as a node.
func stretch(g *G.ExprGraph, name string, x []float64, features, length, from, to int) *G.Node {
	var part []float64
	for h := range features {
		part = append(part, x[h*length+from:h*length+to]...)
	}
	return sample.Of(g, name, part, 1, features, to-from)
}

// A sequence in two parts: the second goes on from the state after the first, which of
// the linear form is two sums, and of softmax the keys and values that there were.
func ExampleAttendState() {
	const features, length, first = 4, 10, 6
	x := sample.Values(3 * features * length)
	for _, cfg := range []attention.Config{
		{Heads: 2, Causal: true, Form: attention.Softmax, Rotary: attention.RotaryHalf, Theta: attention.DefaultTheta},
		{Heads: 2, Causal: true, Form: attention.Linear},
	} {
		check(cfg.Validate(features))
		g := G.NewGraph()
		whole, err := attention.Attend(stretch(g, "qkv", x, 3*features, length, 0, length), cfg)
		check(err)
		_, state, err := attention.AttendState(stretch(g, "before", x, 3*features, length, 0, first), nil, cfg)
		check(err)
		rest, _, err := attention.AttendState(stretch(g, "after", x, 3*features, length, first, length), state, cfg)
		check(err)
		ys := sample.Run(whole, rest)
		for _, s := range state {
			fmt.Print(s.Shape(), " ")
		}
		fmt.Println("the same:", sample.Apart(ys[0][first:length], ys[1][:length-first]) < 1e-9)
	}
	// Output:
	// (1, 2, 6, 2) (1, 2, 6, 2) (1) the same: true
	// (1, 2, 2, 2) (1, 2, 2) the same: true
}

// What tells steps where they are: sines of the position, or learned vectors.
func ExampleAddPositions() {
	const features, length = 4, 5
	g := G.NewGraph()
	x := sample.Node(g, "x", 1, features, length)
	lengths := attention.Lengths(sample.Of(g, "lengths", []int{length}, 1))
	waves, err1 := attention.AddSinusoids(x, nil, lengths)
	learned, err2 := attention.AddPositions(x, sample.Node(g, "table", 100, features), nil, lengths)
	next, err3 := attention.NextPosition(x, nil) // where the next part of the sequence starts
	check(err1, err2, err3)
	ys := sample.Run(waves, learned, next)
	fmt.Println(learned.Shape(), "next position", ys[2][0])

	at := make([]float64, features) // without a graph
	attention.Sinusoid(at, attention.Frequencies(features), 3)
	fmt.Printf("%.3f %t\n", at, sample.Apart([]float64{ys[0][3]}, []float64{sample.Values(20)[3] + at[0]}) < 1e-12)
	// Output:
	// (1, 4, 5) next position 5
	// [0.141 -0.990 0.030 1.000] true
}

// alike is where dropouts get their masks from: a number for each pass. *ops.Masks draws
// them from a seed.
type alike struct{ passes uint64 }

func (a *alike) Draw() uint64  { a.passes++; return a.passes }
func (a *alike) Row(i int) int { return i }

// Weights that are dropped in training, and not in evaluation.
func ExampleMasks() {
	g := G.NewGraph()
	qkv := sample.Node(g, "qkv", 1, 6, 4)
	var masks attention.Masks = &alike{}
	dropped, err1 := attention.Attend(qkv, attention.Config{Heads: 1, Dropout: 0.5, Masks: masks})
	plain, err2 := attention.Attend(qkv, attention.Config{Heads: 1})
	check(err1, err2)
	ys := sample.Run(dropped, plain) // evaluation
	fmt.Println(sample.Apart(ys[0], ys[1]) < 1e-12)
	// Output: true
}

// A batch of sequences step by step: a prompt is read at once, a second sequence joins,
// and the first leaves.
func ExampleStep_Regroup() {
	const features, length = 4, 6
	first, err := attention.NewStep[float64](attention.Config{Heads: 2, Causal: true}, features)
	check(err)
	prompt := sample.Values(length * 3 * features)
	y := make([]float64, length*features)
	check(first.Scan(y, prompt))

	second := first.Fork() // at the start of a batch of one
	check(second.Advance(y[:features], prompt[:3*features]))
	check(first.CheckRegroup([]int{0}, second.Store())) // whether they can
	check(first.Regroup([]int{0}, second.Store()))
	both := make([]float64, 2*features)
	check(first.Advance(both, sample.Values(2*3*features)))
	fmt.Println("batch of", first.Store().Batch)

	check(second.Reset(2), second.Load(first.Store())) // both, to go on in another way
	check(first.Regroup([]int{1}))
	fmt.Println("then of", first.Store().Batch)
	// Output:
	// batch of 2
	// then of 1
}
