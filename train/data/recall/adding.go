package recall

import "math/rand/v2"

// adding draws an example of the adding problem: x (L, 2), numbers and marks, one mark in
// each half of the steps, and the sum of the marked numbers.
func adding(r *rand.Rand, length int) (x []float32, sum float32) {
	x = make([]float32, 2*length)
	for l := range length {
		x[2*l] = r.Float32()
	}
	half := length / 2
	for _, l := range []int{r.IntN(half), half + r.IntN(length-half)} {
		x[2*l+1] = 1
		sum += x[2*l]
	}
	return x, sum
}
