package fftconv

import (
	"github.com/gorgonia-s4/s4/internal/fft"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// denseSizes are those of a convolution with a kernel for each pair of features.
type denseSizes struct{ B, I, O, L, K int }

func (s denseSizes) validate() error {
	return size.First(
		size.Tensor("the input (B, I, L)", s.B, s.I, s.L), size.Tensor("the output (B, O, L)", s.B, s.O, s.L),
		size.Tensor("the kernels (O, I, K)", s.O, s.I, s.K),
		size.Tensor("the bins of the input (B, I, 2*L)", s.B, s.I, 2, s.L), size.Tensor("the bins of the output (B, O, 2*L)", s.B, s.O, 2, s.L))
}

// densePlan computes such convolutions. Each row of a feature is transformed by itself,
// so that no other row has a part in how it is rounded; a task is a row or, for the sums
// over features, an output feature or an input feature of all rows, with the spectra of
// its kernels at hand.
type densePlan[T num.Float] struct {
	denseSizes
	taps  int // of a kernel that have an effect
	gain  T   // with the factor of the transforms
	fft   *fft.Single[T]
	space graphop.Common[denseSpace[T]]
}

// denseSpace is the scratch memory of a call.
type denseSpace[T num.Float] struct {
	x, dy   []fft.Planes[T] // the bins (B, I), (B, O)
	workers []denseWorker[T]
}

// denseWorker is the memory of one worker.
type denseWorker[T num.Float] struct {
	k []fft.Planes[T] // of the kernels of a task
	z fft.Planes[T]
}

func newDensePlan[T num.Float](s denseSizes, gain float64) (*densePlan[T], error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	p := &densePlan[T]{denseSizes: s, taps: min(s.K, s.L)}
	p.fft = fft.NewSingle[T](s.L + p.taps - 1)
	if bins := p.fft.Len(); bins > s.L { // a transform has a least size
		if err := size.First(
			size.Tensor("the bins of the input (B, I, 2*bins)", s.B, s.I, 2, bins), size.Tensor("the bins of the output (B, O, 2*bins)", s.B, s.O, 2, bins),
		); err != nil {
			return nil, err
		}
	}
	p.gain = T(gain / float64(p.fft.Len()))
	n := par.Workers()
	p.space = graphop.NewCommon([...]int{p.fft.Len(), s.B * s.I, s.B * s.O, max(s.I, s.O), n}, func() *denseSpace[T] {
		w := &denseSpace[T]{x: p.fft.NewPlanes(s.B * s.I), dy: p.fft.NewPlanes(s.B * s.O), workers: make([]denseWorker[T], n)}
		for i := range w.workers {
			w.workers[i] = denseWorker[T]{p.fft.NewPlanes(max(s.I, s.O)), p.fft.NewPlanes(1)[0]}
		}
		return w
	})
	return p, nil
}

// length is the number of steps of row b that count.
func (p *densePlan[T]) length(lengths []int, b int) int { return graphop.Length(lengths, b, p.L) }

// transform writes the bins of rows v (B, features, L), as far as they count.
func (p *densePlan[T]) transform(z []fft.Planes[T], v []T, features int, lengths []int) {
	par.For(p.B*features, func(_, i int) {
		p.fft.Forward(z[i], v[i*p.L:][:p.length(lengths, i/features)])
	})
}

// kernel writes the bins of the kernel of output o and input i, or their conjugates.
func (p *densePlan[T]) kernel(z fft.Planes[T], k []T, o, i int, conj bool) {
	p.fft.Forward(z, k[(o*p.I+i)*p.K:][:p.taps])
	if conj {
		vec.Scale(z.Im, -1, z.Im)
	}
}

// sum writes the sum over n of conj(a(i)) b(i) to dst, times the gain. It destroys z.
func (p *densePlan[T]) sum(dst []T, z fft.Planes[T], n int, a, b func(i int) fft.Planes[T]) {
	if len(dst) == 0 {
		return
	}
	z.Clear()
	for i := range n {
		fft.MulAddConj(z, a(i), b(i))
	}
	p.fft.Inverse(dst, z)
	vec.Scale(dst, p.gain, dst)
}

// forward writes the output y (B, O, L).
func (p *densePlan[T]) forward(y, x, k, bias []T, lengths []int) {
	s := p.space.Get()
	p.transform(s.x, x, p.I, lengths)
	par.For(p.O, func(worker, o int) {
		w := &s.workers[worker]
		for i := range p.I {
			p.kernel(w.k[i], k, o, i, true)
		}
		for b := range p.B {
			row, n := y[(b*p.O+o)*p.L:][:p.L], p.length(lengths, b)
			p.sum(row[:n], w.z, p.I, func(i int) fft.Planes[T] { return w.k[i] }, func(i int) fft.Planes[T] { return s.x[b*p.I+i] })
			if bias != nil {
				for t := range n {
					row[t] += bias[o]
				}
			}
			clear(row[n:])
		}
	})
}

// backward writes the gradients of sum(gy y) by x, unless dx is nil, and by the kernels.
func (p *densePlan[T]) backward(dx, dk, x, k, gy []T, lengths []int) {
	s := p.space.Get()
	p.transform(s.x, x, p.I, lengths)
	p.transform(s.dy, gy, p.O, lengths)
	if dx != nil {
		par.For(p.I, func(worker, i int) {
			w := &s.workers[worker]
			for o := range p.O {
				p.kernel(w.k[o], k, o, i, false)
			}
			for b := range p.B {
				row, n := dx[(b*p.I+i)*p.L:][:p.L], p.length(lengths, b)
				p.sum(row[:n], w.z, p.O, func(o int) fft.Planes[T] { return w.k[o] }, func(o int) fft.Planes[T] { return s.dy[b*p.O+o] })
				clear(row[n:])
			}
		})
	}
	par.For(p.O, func(worker, o int) {
		for i := range p.I {
			row := dk[(o*p.I+i)*p.K:][:p.K]
			p.sum(row[:p.taps], s.workers[worker].z, p.B, func(b int) fft.Planes[T] { return s.x[b*p.I+i] }, func(b int) fft.Planes[T] { return s.dy[b*p.O+o] })
			clear(row[p.taps:])
		}
	})
}

// backwardBias writes the gradient of the bias.
func (p *densePlan[T]) backwardBias(db, gy []T, lengths []int) {
	for o := range db {
		var sum float64
		for b := range p.B {
			sum += vec.Sum64(gy[(b*p.O+o)*p.L:][:p.length(lengths, b)])
		}
		db[o] = T(sum)
	}
}
