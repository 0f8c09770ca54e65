package ndconv

import (
	"github.com/gorgonia-s4/s4/internal/fft"
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// spectral is the method for long axes: products of spectra. Lines go through a transform
// two at a time; those of another axis than the last are made contiguous first, a block of
// inner lines at a time. The kernels of both directions are one periodic sequence, of the
// length of the transforms.
type spectral[T num.Float] struct {
	line
	fft    *fft.Plan[T]
	period int

	row         []T // (period) kernels, or their gradients
	k, sums     fft.Spectrum[T]
	z, bins     fft.Spectrum[T]
	in, of, out []T // (lines, n) of a block: what is read, twice, and what is written
}

// halves of a transform.
var halves = [2]fft.Half{fft.Cyclic, fft.Negacyclic}

func newSpectral[T num.Float](a line) *spectral[T] {
	plan := fft.New[T](a.n + a.reach())
	z := plan.NewSpectra(4)
	s := &spectral[T]{line: a, fft: plan, period: 2 * plan.Len(), k: z[0], sums: z[1], z: z[2], bins: z[3]}
	s.row, s.out = num.Aligned[T](s.period), num.Aligned[T](s.lines()*a.n)
	if !s.isLast() {
		s.in, s.of = num.Aligned[T](a.inner*a.n), num.Aligned[T](a.inner*a.n)
	}
	return s
}

// isLast says that lines are contiguous. They are one block then.
func (s *spectral[T]) isLast() bool { return s.inner == 1 }

func (s *spectral[T]) blocks() int {
	if s.isLast() {
		return 1
	}
	return s.outer
}

// lines is the number of lines of a block.
func (s *spectral[T]) lines() int {
	if s.isLast() {
		return s.outer
	}
	return s.inner
}

// gather returns the lines of a block of the image x, contiguous: in memory, or where they
// are.
func (s *spectral[T]) gather(memory, x []T, block int) []T {
	if x == nil || s.isLast() {
		return x
	}
	gemm.Transpose(memory, s.n, x[block*s.n*s.inner:], s.inner, s.n, s.inner)
	return memory
}

// target returns where lines are to be written for scatter to put them into the image y.
func (s *spectral[T]) target(y []T, add bool) []T {
	if y == nil || s.isLast() && !add {
		return y
	}
	return s.out
}

// scatter sets a block of the image y to the lines of target, or adds them.
func (s *spectral[T]) scatter(y []T, block int, add bool) {
	switch {
	case y == nil || s.isLast() && !add:
		return
	case s.isLast():
		vec.Add(y, y, s.out)
		return
	}
	y = y[block*s.n*s.inner:][:s.n*s.inner]
	to := y
	if add {
		to = s.in
	}
	gemm.Transpose(to, s.inner, s.out, s.n, s.inner, s.n)
	if add {
		vec.Add(y, y, to)
	}
}

// pair returns lines i and i+1, the second nil where there is none, and both where there
// are none.
func (s *spectral[T]) pair(lines []T, i int) (a, b []T) {
	if lines == nil {
		return nil, nil
	}
	a = lines[i*s.n:][:s.n]
	if i+1 < s.lines() {
		b = lines[(i+1)*s.n:][:s.n]
	}
	return a, b
}

// at returns where a lag is in a periodic sequence.
func (s *spectral[T]) at(lag int) int { return (lag + s.period) % s.period }

func (s *spectral[T]) load(k [2][]T, scale T) {
	clear(s.row)
	for d := range s.directions {
		for m, w := range k[d][:s.taps[d]] {
			s.row[s.at(s.lag(d, m))] += scale * w
		}
	}
	vec.Scale(s.row, 1/T(s.period), s.row)
	for _, half := range halves {
		s.fft.Forward(half, s.k[half], s.row, nil)
	}
}

func (s *spectral[T]) apply(y, x []T, add bool) {
	for block := range s.blocks() {
		from, to := s.gather(s.in, x, block), s.target(y, add)
		for i := 0; i < s.lines(); i += 2 {
			a, b := s.pair(from, i)
			for _, half := range halves {
				s.fft.Convolve(half, s.z[half], a, b, s.k[half])
			}
			a, b = s.pair(to, i)
			s.fft.Store(a, b, s.z)
		}
		s.scatter(y, block, add)
	}
}

func (s *spectral[T]) begin() {
	for _, half := range halves {
		s.sums[half].Clear()
	}
}

func (s *spectral[T]) back(dx, g, x []T, add bool) {
	for block := range s.blocks() {
		from, of, to := s.gather(s.in, g, block), s.gather(s.of, x, block), s.target(dx, add)
		for i := 0; i < s.lines(); i += 2 {
			s.backPair(to, from, of, i)
		}
		s.scatter(dx, block, add)
	}
}

// backPair is back for lines i and i+1 of a block.
func (s *spectral[T]) backPair(dx, g, x []T, i int) {
	ga, gb := s.pair(g, i)
	xa, xb := s.pair(x, i)
	for _, half := range halves {
		switch {
		case x == nil:
			s.fft.Correlate(half, s.z[half], ga, gb, s.k[half])
		case dx == nil:
			s.fft.Forward(half, s.bins[half], xa, xb)
			s.fft.Forward(half, s.z[half], ga, gb)
			fft.MulAddConj(s.sums[half], s.bins[half], s.z[half])
		default:
			s.fft.Forward(half, s.bins[half], xa, xb)
			s.fft.Backward(half, s.z[half], ga, gb, s.k[half], s.bins[half], s.sums[half])
		}
	}
	if dx != nil {
		a, b := s.pair(dx, i)
		s.fft.Store(a, b, s.z)
	}
}

func (s *spectral[T]) gradient(dk [2][]float64, scale float64) {
	for _, half := range halves {
		s.fft.Inverse(half, s.sums[half])
	}
	s.fft.Store(s.row, nil, s.sums)
	scale /= float64(s.period)
	for d := range s.directions {
		clear(dk[d])
		for m := range s.taps[d] {
			dk[d][m] = scale * float64(s.row[s.at(s.lag(d, m))])
		}
	}
}
