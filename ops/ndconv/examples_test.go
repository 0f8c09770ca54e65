package ndconv_test

import (
	"errors"
	"fmt"
	"log"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/ops/ndconv"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// A picture of 3 rows of 4, smeared down and to both sides by the product of a kernel
// for each axis. Of a second picture there are only the first two rows.
func ExampleConv() {
	g := G.NewGraph()
	picture := []float64{
		0, 0, 0, 0,
		0, 1, 0, 0,
		0, 0, 0, 0,
	}
	u := sample.Of(g, "u", append(append([]float64(nil), picture...), picture...), 2, 1, 12)
	down, sides := sample.Of(g, "down", []float64{1, 10}, 1, 1, 2), sample.Of(g, "sides", []float64{1, 2, 0, 3}, 2, 1, 2)
	cfg := ndconv.Config{Shape: []int{3, 4}, Modes: []fftconv.Mode{fftconv.Causal, fftconv.Bidirectional}}
	y, err := ndconv.Conv(cfg, u, []*G.Node{down, sides}, nil, ndconv.WithLengths(sample.Of(g, "lengths", []int{12, 8}, 2)))
	check(err)
	v := sample.Run(y)[0]
	for row := range 6 {
		fmt.Println(v[4*row : 4*row+4])
	}
	_, err = ndconv.Conv(ndconv.Config{Shape: make([]int, ndconv.MaxAxes+1)}, u, nil, nil)
	fmt.Println(err)
	// Output:
	// [0 0 0 0]
	// [3 1 2 0]
	// [30 10 20 0]
	// [0 0 0 0]
	// [3 1 2 0]
	// [0 0 0 0]
	// ndconv.Conv: want Shape of 1 to 3 axes, got 4
}

// At a finer resolution than that of training, states are left out that training could
// not tell from slower ones.
func ExampleBandLimit() {
	g := G.NewGraph()
	c := sample.Of(g, "C", []float64{1, 0, 1, 0}, 1, 1, 2, 2)
	dt, frequencies := sample.Of(g, "log_dt", []float64{math.Log(0.1)}, 1, 1), sample.Of(g, "A_imag", []float64{math.Pi, 20 * math.Pi}, 1, 2)
	kept, err := ndconv.BandLimit(ndconv.Band{Limit: 1}, c, dt, frequencies)
	check(err)
	fmt.Println(sample.Run(kept)[0])
	// Output: [1 0 0 0]
}
