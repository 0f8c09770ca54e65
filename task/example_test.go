package task_test

import (
	"errors"
	"fmt"
	"strings"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/task"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		panic(err)
	}
}

// drawn is a data set of one's own: sequences of numbers and a class for each step,
// drawn anew in every epoch. It says where its examples are from, and how they were
// chosen.
type drawn struct{ epoch int }

func (drawn) Fields() []task.Field {
	return []task.Field{task.Features(task.X, 1), task.Labels(task.Target)}
}
func (drawn) Len() int                    { return 3 }
func (drawn) Length(i int) int            { return i + 1 }
func (d drawn) Epoch(n int) task.Dataset  { return drawn{n} }
func (drawn) Origin(i int) string         { return fmt.Sprintf("drawn.csv:%d", i+1) }
func (drawn) Describe() map[string]string { return map[string]string{"noise": "0.1"} }

func (d drawn) Example(i int, row *task.Row) error {
	x, class := make([]float32, i+1), make([]int, i+1)
	for l := range x {
		x[l], class[l] = float32(10*d.epoch+l), l%2
	}
	class[0] = task.Ignore // of the first step nothing can be said
	row.Floats(task.X, x...)
	row.Ints(task.Target, class...)
	return nil
}

// A data set of one's own, read as a trainer reads it: a batch of the first epoch, one
// of the second in the same memory, and the rows of a part of it.
func ExampleDataset() {
	var ds task.Epochs = drawn{}
	check(task.CheckFields(ds.Fields()))
	b := task.NewBatch(ds)
	check(b.Load([]int{0, 2}, 3, 4)) // two examples in three rows of four steps
	x, err := b.Array(task.X)
	check(err)
	fmt.Println(x.Shape, x.Dtype(), x.Float32s)
	target, err := b.Array(task.Target)
	check(err)
	fmt.Println(target.Ints, "of which", task.CountLabels(task.Target)(b), "count")

	b.Use(ds.Epoch(1))
	check(b.Load([]int{1}, 1, 2))
	x, err = b.Array(task.X)
	check(err)
	fmt.Println(x.Float32s)

	check(b.Load([]int{0, 1, 2}, 3, 3))
	var part task.Batch
	b.Rows(1, 3, &part)
	fmt.Println(part.Examples, part.First, "of", part.Of)

	// In errors examples have names.
	_, located := ds.(task.Located)
	_, described := ds.(task.Described)
	fmt.Println(located, described, "-", task.ExampleName(ds, 2), "-", b.Element(task.X, 4))
	// Output:
	// (3, 4, 1) float32 [0 0 0 0 0 1 2 0 0 0 0 0]
	// [-1 -1 -1 -1 -1 1 0 -1 -1 -1 -1 -1] of which 2 count
	// [10 11]
	// [1 2] 1 of 3
	// true true - example 2 (drawn.csv:3) - example 1 (drawn.csv:2): x[0] of step 1
}

// A weighted mean counts its weights, and an input of numbers says which it may hold.
func ExampleGraph() {
	graph := task.Graph{
		Ranges: map[string]task.Range{
			task.X:      {Low: 0, High: 256},
			task.Target: {Low: 0, High: 10, Ignored: true},
		},
		Count: task.CountWeights(task.Weights),
		Rows: func(r task.Rows) { // what dropouts are told: see layers.BeginRows
			fmt.Println("rows from", r.First, "of", r.Of)
		},
		States: []task.State{{Name: "blocks.0.x"}}, // In and Out are nodes of the graph
	}
	fmt.Println(graph.Ranges[task.X].Holds(256), graph.Ranges[task.Target].Holds(task.Ignore))
	ds, err := task.NewTable(
		task.Col(task.Numbers(task.Target), []float32{1, 2}),
		task.Col(task.Numbers(task.Weights), []float32{1, 0.5}))
	check(err)
	b := task.NewBatch(ds)
	check(b.Load([]int{0, 1}, 4, 1))
	fmt.Println(graph.Count(b))
	graph.Rows(task.Rows{First: 4, Of: 8})
	// Output:
	// false true
	// 1.5
	// rows from 4 of 8
}

// letters is a text that knows where its tokens are from.
type letters struct{ task.Ints }

func (letters) Place(begin, end int) string {
	return fmt.Sprintf("a.txt, tokens %d to %d", begin, end-1)
}

// A long sequence is cut: into windows apart, into windows that overlap, of which each
// target counts once, or into streams whose state is carried.
func ExampleNewWindows() {
	var text task.Sequence = task.Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	apart, err1 := task.NewWindows(text, 4)
	sliding, err2 := task.NewSliding(text, 4, 2)
	check(err1, err2)
	for _, w := range []*task.Windows{apart, sliding} {
		var spans []string
		for i := range w.Len() {
			begin, scored, end := w.Span(i)
			spans = append(spans, fmt.Sprintf("%d-%d from %d", begin, end, scored))
		}
		fmt.Println(strings.Join(spans, ", "))
	}
	some := make([]int, 3)
	fmt.Println(text.Read(some, 8), some[:2])

	var placed task.Placed = letters{task.Ints{0, 1, 2, 3, 4, 5, 6, 7, 8}}
	streams, err := task.StreamsOf(placed, 2, 2)
	check(err)
	for i := range streams.Len() {
		fmt.Println(streams.Start(i), streams.Origin(i))
	}
	rolled := streams.Rolled(1) // for training: other pieces in every epoch
	fmt.Println(streams.Rows(), "rows,", rolled.Epoch(0).Len(), "pieces,", len(rolled.Describe()), "choice")
	// Output:
	// 0-4 from 0, 4-8 from 4, 8-9 from 8
	// 0-4 from 0, 2-6 from 4, 4-8 from 6, 5-9 from 8
	// 2 [8 9]
	// 0 a.txt, tokens 0 to 1
	// 4 a.txt, tokens 4 to 5
	// 2 a.txt, tokens 2 to 3
	// 6 a.txt, tokens 6 to 7
	// 2 rows, 4 pieces, 1 choice
}

// Two documents of a pair, each as long as it is.
func ExamplePair() {
	fields := task.Pair(task.Tokens("", 0))
	ds, err := task.NewTable(
		task.Col(fields[0], [][]int{{1, 2, 3}}), task.Col(fields[1], [][]int{{4}}), task.Col(task.Label(task.Target), []int{1}))
	check(err)
	b := task.NewBatch(ds)
	check(b.Load([]int{0}, 1, 4))
	for _, name := range []string{task.X, task.XLengths, task.X2, task.X2Lengths} {
		a, err := b.Array(name)
		check(err)
		fmt.Println(name, a.Ints)
	}
	// Output:
	// x [1 2 3 0]
	// x_lengths [3]
	// x2 [4 0 0 0]
	// x2_lengths [1]
}

// Arrays are what graphs give and batches have.
func ExampleArray() {
	a := task.Array{Shape: tensor.Shape{2, 2}, Float64s: []float64{1, 2, 3, 4}}
	fmt.Println(a, a.Dtype() == tensor.Float64, a.Len(), a.At(3))
	// Output: float64 of shape (2, 2) true 4 4
}
