//go:build (amd64 || arm64) && !purego

package fft

import (
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
)

// kernels is the assembly of a pass set. The functions trust their arguments;
// what they compute is said at the fields of the same names of passSet. Numbers
// of columns q, of points n and of blocks are not 0, and q is a multiple of
// width.
type kernels[T num.Float] struct {
	width   int
	radices []int // of the levels in a middle block
	cost    costs

	down, up [maxRadix + 1]levelKernel[T]
	load     [2]loadKernel[T]
	store    storeKernel[T]

	midForward, midInverse    func(re, im, tw *T, blocks int)
	midConvolve, midCorrelate func(re, im, tw, kre, kim *T, blocks int)
	midProduct                func(re, im, tw, kre, kim, ure, uim *T, blocks int)
	midBackward               func(re, im, tw, kre, kim, ure, uim, are, aim *T, blocks int)

	mulAddConj productKernel[T]
	prefetch   func(x *T, lines int)
}

type (
	levelKernel[T num.Float] func(re, im, tw *T, q, blocks int)
	// Rows have four sets of q columns. The last ones are at lastA and lastB,
	// wherever that is.
	loadKernel[T num.Float]    func(re, im, a, b, lastA, lastB, tw *T, q int)
	storeKernel[T num.Float]   func(a, b, lastA, lastB, cre, cim, re, im, tw *T, q int)
	productKernel[T num.Float] func(dre, dim, xre, xim, yre, yim *T, n int)
)

// assembly returns the passes that the kernels make.
func assembly[T num.Float](k kernels[T]) *passSet[T] {
	s := &passSet[T]{
		width:      k.width,
		cost:       k.cost,
		store:      k.storePass,
		mulAddConj: k.mulAddConj.pass,
		prefetch:   k.prefetchRow,
	}
	for h := range s.load {
		s.load[h] = k.load[h].pass
	}
	for radix := range s.down {
		if k.down[radix] != nil {
			s.down[radix], s.up[radix] = k.down[radix].pass(radix), k.up[radix].pass(radix)
		}
	}
	k.middle(s)
	return s
}

// middle sets the middle passes of s.
func (k *kernels[T]) middle(s *passSet[T]) {
	tw := &midTwiddles[T](k.width, k.radices)[0]
	block := s.midPoints()
	s.midForward = func(z Planes[T]) {
		re, im := z.first(len(z.Re))
		k.midForward(re, im, tw, len(z.Re)/block)
	}
	s.midInverse = func(z Planes[T]) {
		re, im := z.first(len(z.Re))
		k.midInverse(re, im, tw, len(z.Re)/block)
	}
	s.midConvolve = func(z, f Planes[T]) {
		n := len(z.Re)
		re, im := z.first(n)
		kre, kim := f.first(n)
		k.midConvolve(re, im, tw, kre, kim, n/block)
	}
	s.midCorrelate = func(z, f Planes[T]) {
		n := len(z.Re)
		re, im := z.first(n)
		kre, kim := f.first(n)
		k.midCorrelate(re, im, tw, kre, kim, n/block)
	}
	s.midProduct = func(z, f, u Planes[T]) {
		n := len(z.Re)
		re, im := z.first(n)
		kre, kim := f.first(n)
		ure, uim := u.first(n)
		k.midProduct(re, im, tw, kre, kim, ure, uim, n/block)
	}
	s.midBackward = func(z, f, u, acc Planes[T]) {
		n := len(z.Re)
		re, im := z.first(n)
		kre, kim := f.first(n)
		ure, uim := u.first(n)
		are, aim := acc.first(n)
		k.midBackward(re, im, tw, kre, kim, ure, uim, are, aim, n/block)
	}
}

// first returns the addresses of planes of at least n points, n > 0.
func (z Planes[T]) first(n int) (re, im *T) { return &z.Re[:n][0], &z.Im[:n][0] }

// pass returns the passSet function of a level.
func (f levelKernel[T]) pass(radix int) func(z Planes[T], q int, tw []T) {
	return func(z Planes[T], q int, tw []T) {
		n := len(z.Re)
		re, im := z.first(n)
		f(re, im, &tw[:2*(radix-1)*q][0], q, n/(radix*q))
	}
}

// pass is passSet.load: rows that are shorter are completed in the planes, the
// last set of columns alone where that is enough.
func (f loadKernel[T]) pass(z Planes[T], a, b, tw []T) {
	n := len(z.Re)
	q := n / 4
	re, im := z.first(n)
	lastRe, lastIm := &z.Re[3*q], &z.Im[3*q]
	switch {
	case len(a) == n && b != nil:
		f(re, im, &a[0], &b[:n][0], &a[3*q], &b[3*q], &tw[0], q)
	case len(a) >= 3*q && b != nil:
		padded(z.Re[3*q:], a[3*q:])
		padded(z.Im[3*q:], b[3*q:len(a)])
		f(re, im, &a[0], &b[0], lastRe, lastIm, &tw[0], q)
	default:
		padded(z.Re, a)
		padded(z.Im, b)
		f(re, im, re, im, lastRe, lastIm, &tw[0], q)
	}
}

// storePass is passSet.store: rows that are shorter are finished in the planes,
// the last set of columns alone where that is enough.
func (k *kernels[T]) storePass(a, b []T, c, z Planes[T], tw []T) {
	n := len(z.Re)
	q := n / 4
	re, im := z.first(n)
	cre, cim := c.first(n)
	lastRe, lastIm := &z.Re[3*q], &z.Im[3*q]
	switch {
	case len(a) == n && b != nil:
		k.store(&a[0], &b[:n][0], &a[3*q], &b[3*q], cre, cim, re, im, &tw[0], q)
	case len(a) >= 3*q && b != nil:
		k.store(&a[0], &b[:len(a)][0], lastRe, lastIm, cre, cim, re, im, &tw[0], q)
		copy(a[3*q:], z.Re[3*q:])
		copy(b[3*q:], z.Im[3*q:])
	default:
		k.store(re, im, lastRe, lastIm, cre, cim, re, im, &tw[0], q)
		copy(a, z.Re)
		copy(b, z.Im)
	}
}

// pass is passSet.mulAddConj.
func (f productKernel[T]) pass(dst, x, y Planes[T]) {
	n := len(dst.Re)
	if n == 0 {
		return
	}
	dre, dim := dst.first(n)
	xre, xim := x.first(n)
	yre, yim := y.first(n)
	f(dre, dim, xre, xim, yre, yim, n)
}

// prefetchRow is passSet.prefetch.
func (k *kernels[T]) prefetchRow(x []T) {
	perLine := num.Align / int(unsafe.Sizeof(T(0)))
	if n := min(len(x), prefetched/int(unsafe.Sizeof(T(0)))); n > 0 {
		k.prefetch(&x[0], (n+perLine-1)/perLine)
	}
}

// prefetched is the number of bytes of a row to ask for: what lies beyond, the
// machine foresees by itself.
const prefetched = 4096
