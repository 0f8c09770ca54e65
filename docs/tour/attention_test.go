package tour_test

import (
	"fmt"
	"math"
	"slices"
)

//tour:attention-slow

// attention returns, for every step, the mean of the values v so far, weighted by how well
// their keys k fit the query q: rows of D numbers.
func attention(q, k, v [][]float64) [][]float64 {
	y := make([][]float64, len(q))
	for i := range q {
		y[i] = make([]float64, len(v[0]))
		var total float64
		for j := 0; j <= i; j++ {
			w := math.Exp(dot(q[i], k[j]) / math.Sqrt(float64(len(q[i]))))
			total += w
			for d := range y[i] {
				y[i][d] += w * v[j][d]
			}
		}
		for d := range y[i] {
			y[i][d] /= total
		}
	}
	return y
}

//tour:end

func dot(a, b []float64) (s float64) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

//tour:attention-linear

// phi keeps features positive, so that weights are.
func phi(v []float64) []float64 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = math.Exp(min(x, 0)) + max(x, 0) // elu + 1
	}
	return w
}

// linearSlow is attention with weights phi(q) . phi(k): all pairs of steps.
func linearSlow(q, k, v [][]float64) [][]float64 {
	y := make([][]float64, len(q))
	for i := range q {
		y[i] = make([]float64, len(v[0]))
		var total float64
		for j := 0; j <= i; j++ {
			w := dot(phi(q[i]), phi(k[j]))
			total += w
			for d := range y[i] {
				y[i][d] += w * v[j][d]
			}
		}
		for d := range y[i] {
			y[i][d] /= total
		}
	}
	return y
}

// linearFast is the same as a recurrence: its state is the matrix s and the row z, however
// long the past.
func linearFast(q, k, v [][]float64) [][]float64 {
	y := make([][]float64, len(q))
	s, z := make([][]float64, len(k[0])), make([]float64, len(k[0]))
	for e := range s {
		s[e] = make([]float64, len(v[0]))
	}
	for i := range q {
		y[i] = make([]float64, len(v[0]))
		for e, w := range phi(k[i]) {
			z[e] += w
			for d := range v[i] {
				s[e][d] += w * v[i][d]
			}
		}
		weights := phi(q[i])
		total := dot(weights, z)
		for e, w := range weights {
			for d := range y[i] {
				y[i][d] += w * s[e][d] / total
			}
		}
	}
	return y
}

//tour:end

// rows cuts numbers into rows of d.
func rows(v []float64, d int) [][]float64 {
	var r [][]float64
	for ; len(v) > 0; v = v[d:] {
		r = append(r, v[:d])
	}
	return r
}

func flat(rows [][]float64) (v []float64) {
	for _, r := range rows {
		v = append(v, r...)
	}
	return v
}

func Example_attention() {
	//tour:attention-agree
	const L, D = 200, 8
	all := noise(3 * L * D)
	q, k, v := rows(all[:L*D], D), rows(all[L*D:2*L*D], D), rows(all[2*L*D:], D)
	off := distance(flat(linearFast(q, k, v)), flat(linearSlow(q, k, v)))
	fmt.Printf("linear attention, two ways: apart by less than 1e-13: %t\n", off < 1e-13)
	//tour:end
	// Output:
	// linear attention, two ways: apart by less than 1e-13: true
}

// The last output of an attention, with its past in another order.
func Example_attentionOrder() {
	//tour:attention-order
	const L, D = 50, 8
	all := noise(3 * L * D)
	q, k, v := rows(all[:L*D], D), rows(all[L*D:2*L*D], D), rows(all[2*L*D:], D)
	before := attention(q, k, v)[L-1]
	slices.Reverse(k[:L-1])
	slices.Reverse(v[:L-1])
	after := attention(q, k, v)[L-1]
	fmt.Printf("apart by less than 1e-13: %t\n", distance(after, before) < 1e-13)
	//tour:end
	// Output:
	// apart by less than 1e-13: true
}

// What the chapter counts, for one sequence and one layer.
func Example_attentionCost() {
	//tour:attention-cost
	const E, N = 256, 64
	for _, T := range []int{256, 4096, 65536} {
		fmt.Printf("T = %5d: attention remembers %8d numbers, S4D %d\n", T, 2*T*E, N*E)
	}
	//tour:end
	// Output:
	// T =   256: attention remembers   131072 numbers, S4D 16384
	// T =  4096: attention remembers  2097152 numbers, S4D 16384
	// T = 65536: attention remembers 33554432 numbers, S4D 16384
}
