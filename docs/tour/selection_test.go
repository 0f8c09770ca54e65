package tour_test

import (
	"fmt"
	"math"
)

//tour:selection-slow

// selective is the scan of a selective model of one channel and one state, A = -1, by
// zero-order hold: each input has a step width of its own, which says how much of the
// past is kept.
func selective(u, dt []float64) []float64 {
	x, y := 0.0, make([]float64, len(u))
	for l := range u {
		keep := math.Exp(-dt[l])
		x = keep*x + (1-keep)*u[l]
		y[l] = x
	}
	return y
}

//tour:end

//tour:selection-fast

// step is x -> A x + B: one step of a scan, or many of them made one.
type step struct{ A, B float64 }

// then is the step that makes s, and then t.
func (s step) then(t step) step { return step{t.A * s.A, t.A*s.B + t.B} }

// scan replaces each step by all steps up to it made one: rounds that double the reach, and
// within a round no step waits for another.
func scan(steps []step) []step {
	for reach := 1; reach < len(steps); reach *= 2 {
		next := append([]step(nil), steps...)
		for l := reach; l < len(steps); l++ {
			next[l] = steps[l-reach].then(steps[l])
		}
		steps = next
	}
	return steps
}

//tour:end

func Example_selection() {
	//tour:selection-agree
	const L = 1000
	u, dt := noise(L), noise(L)
	steps := make([]step, L)
	for l := range steps {
		dt[l] = math.Log1p(math.Exp(dt[l])) // softplus: positive
		steps[l] = step{math.Exp(-dt[l]), (1 - math.Exp(-dt[l])) * u[l]}
	}
	var fast []float64
	for _, s := range scan(steps) {
		fast = append(fast, s.B) // from x = 0
	}
	fmt.Printf("apart by less than 1e-13: %t\n", distance(fast, selective(u, dt)) < 1e-13)
	//tour:end
	// Output:
	// apart by less than 1e-13: true
}

func Example_selectionMemory() {
	//tour:selection-memory
	u := []float64{0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0} // two numbers, and nothing between them
	open, shut := make([]float64, len(u)), make([]float64, len(u))
	for l := range u {
		open[l] = 0.5
		if u[l] != 0 {
			shut[l] = 10 // forget, and take this in; elsewhere time stands still
		}
	}
	fmt.Printf("one width for all: %.1f\n", selective(u, open))
	fmt.Printf("a width for each:  %.1f\n", selective(u, shut))
	//tour:end
	// Output:
	// one width for all: [0.0 1.2 0.7 0.4 0.3 0.2 0.1 0.1 0.0 0.0 0.8 0.5]
	// a width for each:  [0.0 3.0 3.0 3.0 3.0 3.0 3.0 3.0 3.0 3.0 2.0 2.0]
}

// The answer of the exercise.
func Example_selectionExercise() {
	//tour:selection-exercise
	for _, z := range []float64{-3, 0, 2} {
		dt := math.Log1p(math.Exp(z)) // softplus
		gate := 1 / (1 + math.Exp(-z))
		fmt.Printf("1 - e^-dt = %.6f, the gate is %.6f\n", 1-math.Exp(-dt), gate)
	}
	//tour:end
	// Output:
	// 1 - e^-dt = 0.047426, the gate is 0.047426
	// 1 - e^-dt = 0.500000, the gate is 0.500000
	// 1 - e^-dt = 0.880797, the gate is 0.880797
}
