package attention

import "github.com/gorgonia-s4/s4/internal/num"

// generic returns the passes in portable Go.
func generic[T num.Float]() passes[T] { return passes[T]{scoresGeneric[T], mixGeneric[T]} }

func scoresGeneric[T num.Float](dst, q, k []T, blocks int) {
	steps := stepsIn[T]()
	for range blocks {
		row := dst[:steps]
		clear(row)
		for _, x := range q {
			for i, v := range k[:len(row)] {
				row[i] += x * v
			}
			k = k[steps:]
		}
		dst = dst[steps:]
	}
}

func mixGeneric[T num.Float](sums, p, v []T, features, blocks int) {
	steps, n := stepsIn[T](), sumsIn[T]()
	for range blocks {
		for f := range features {
			s := sums[f*n:][:n]
			for i, x := range v[:steps] {
				s[i%n] += p[i] * x
			}
			v = v[steps:]
		}
		p = p[steps:]
	}
}
