package fft

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
)

// This file has the passes in Go, one column at a time. They are what every
// other implementation is measured against.
//
// The inner loops have no bounds checks but one on the twiddles: each set of
// columns is cut as x[s*q:][:len(x0)], so that the compiler sees equal lengths.

// generic returns the passes in Go.
func generic[T num.Float]() *passSet[T] {
	return &passSet[T]{
		width:        1,
		cost:         costs{level: [maxRadix + 1]float64{2: 1.43, 3: 1.98, 4: 1.9, 5: 2.98}, ends: 4.2},
		load:         [2]func(z Planes[T], a, b, tw []T){Cyclic: loadCyclic[T], Negacyclic: loadNegacyclic[T]},
		store:        store[T],
		down:         [maxRadix + 1]func(z Planes[T], q int, tw []T){2: dif2[T], 3: dif3[T], 4: dif4[T], 5: dif5[T]},
		up:           [maxRadix + 1]func(z Planes[T], q int, tw []T){2: dit2[T], 3: dit3[T], 4: dit4[T], 5: dit5[T]},
		midForward:   midForward[T],
		midInverse:   midInverse[T],
		midConvolve:  midConvolve[T],
		midCorrelate: midCorrelate[T],
		midBackward:  midBackward[T],
		midProduct:   midProduct[T],
		mulAddConj:   mulAddConjPlanes[T],
		prefetch:     func([]T) {}, // Go has no such instruction
	}
}

func addSub[T num.Float](a, b T) (sum, diff T) { return a + b, a - b }

// mul returns a*b.
func mul[T num.Float](ar, ai, br, bi T) (re, im T) { return ar*br - ai*bi, ar*bi + ai*br }

// mulConj returns a*conj(b).
func mulConj[T num.Float](ar, ai, br, bi T) (re, im T) { return ar*br + ai*bi, ai*br - ar*bi }

// dif4 is a forward level of radix 4.
func dif4[T num.Float](z Planes[T], q int, tw []T) {
	for re, im := z.Re, z.Im; len(re) >= 4*q; re, im = re[4*q:], im[4*q:] {
		r0, i0 := re[:q], im[:q]
		i0 = i0[:len(r0)]
		r1, i1 := re[q:][:len(r0)], im[q:][:len(r0)]
		r2, i2 := re[2*q:][:len(r0)], im[2*q:][:len(r0)]
		r3, i3 := re[3*q:][:len(r0)], im[3*q:][:len(r0)]
		t := tw
		for j := range r0 {
			w := t[:6:6]
			t = t[6:]
			ar, br := addSub(r0[j], r2[j])
			ai, bi := addSub(i0[j], i2[j])
			cr, dr := addSub(r1[j], r3[j])
			ci, di := addSub(i1[j], i3[j])
			r0[j], i0[j] = ar+cr, ai+ci
			r1[j], i1[j] = mul(br+di, bi-dr, w[0], w[1])
			r2[j], i2[j] = mul(ar-cr, ai-ci, w[2], w[3])
			r3[j], i3[j] = mul(br-di, bi+dr, w[4], w[5])
		}
	}
}

// dit4 is an inverse level of radix 4.
func dit4[T num.Float](z Planes[T], q int, tw []T) {
	for re, im := z.Re, z.Im; len(re) >= 4*q; re, im = re[4*q:], im[4*q:] {
		r0, i0 := re[:q], im[:q]
		i0 = i0[:len(r0)]
		r1, i1 := re[q:][:len(r0)], im[q:][:len(r0)]
		r2, i2 := re[2*q:][:len(r0)], im[2*q:][:len(r0)]
		r3, i3 := re[3*q:][:len(r0)], im[3*q:][:len(r0)]
		t := tw
		for j := range r0 {
			w := t[:6:6]
			t = t[6:]
			x1r, x1i := mulConj(r1[j], i1[j], w[0], w[1])
			x2r, x2i := mulConj(r2[j], i2[j], w[2], w[3])
			x3r, x3i := mulConj(r3[j], i3[j], w[4], w[5])
			ar, br := addSub(r0[j], x2r)
			ai, bi := addSub(i0[j], x2i)
			cr, dr := addSub(x1r, x3r)
			ci, di := addSub(x1i, x3i)
			r0[j], r2[j] = addSub(ar, cr)
			i0[j], i2[j] = addSub(ai, ci)
			r3[j], r1[j] = addSub(br, di)
			i1[j], i3[j] = addSub(bi, dr)
		}
	}
}

// dif2 is a forward level of radix 2.
func dif2[T num.Float](z Planes[T], q int, tw []T) {
	for re, im := z.Re, z.Im; len(re) >= 2*q; re, im = re[2*q:], im[2*q:] {
		r0, i0 := re[:q], im[:q]
		i0 = i0[:len(r0)]
		r1, i1 := re[q:][:len(r0)], im[q:][:len(r0)]
		t := tw
		for j := range r0 {
			w := t[:2:2]
			t = t[2:]
			ar, br := addSub(r0[j], r1[j])
			ai, bi := addSub(i0[j], i1[j])
			r0[j], i0[j] = ar, ai
			r1[j], i1[j] = mul(br, bi, w[0], w[1])
		}
	}
}

// dit2 is an inverse level of radix 2.
func dit2[T num.Float](z Planes[T], q int, tw []T) {
	for re, im := z.Re, z.Im; len(re) >= 2*q; re, im = re[2*q:], im[2*q:] {
		r0, i0 := re[:q], im[:q]
		i0 = i0[:len(r0)]
		r1, i1 := re[q:][:len(r0)], im[q:][:len(r0)]
		t := tw
		for j := range r0 {
			w := t[:2:2]
			t = t[2:]
			xr, xi := mulConj(r1[j], i1[j], w[0], w[1])
			r0[j], r1[j] = addSub(r0[j], xr)
			i0[j], i1[j] = addSub(i0[j], xi)
		}
	}
}

// sin3 = sin(2 pi/3); the cosine is -1/2.
const sin3 = 0.86602540378443864676372317075293618

// dif3 is a forward level of radix 3.
func dif3[T num.Float](z Planes[T], q int, tw []T) {
	for re, im := z.Re, z.Im; len(re) >= 3*q; re, im = re[3*q:], im[3*q:] {
		r0, i0 := re[:q], im[:q]
		i0 = i0[:len(r0)]
		r1, i1 := re[q:][:len(r0)], im[q:][:len(r0)]
		r2, i2 := re[2*q:][:len(r0)], im[2*q:][:len(r0)]
		t := tw
		for j := range r0 {
			w := t[:4:4]
			t = t[4:]
			ar, dr := addSub(r1[j], r2[j])
			ai, di := addSub(i1[j], i2[j])
			br, bi := r0[j]-ar/2, i0[j]-ai/2
			dr, di = sin3*dr, sin3*di
			r0[j], i0[j] = r0[j]+ar, i0[j]+ai
			r1[j], i1[j] = mul(br+di, bi-dr, w[0], w[1])
			r2[j], i2[j] = mul(br-di, bi+dr, w[2], w[3])
		}
	}
}

// dit3 is an inverse level of radix 3.
func dit3[T num.Float](z Planes[T], q int, tw []T) {
	for re, im := z.Re, z.Im; len(re) >= 3*q; re, im = re[3*q:], im[3*q:] {
		r0, i0 := re[:q], im[:q]
		i0 = i0[:len(r0)]
		r1, i1 := re[q:][:len(r0)], im[q:][:len(r0)]
		r2, i2 := re[2*q:][:len(r0)], im[2*q:][:len(r0)]
		t := tw
		for j := range r0 {
			w := t[:4:4]
			t = t[4:]
			x1r, x1i := mulConj(r1[j], i1[j], w[0], w[1])
			x2r, x2i := mulConj(r2[j], i2[j], w[2], w[3])
			ar, dr := addSub(x1r, x2r)
			ai, di := addSub(x1i, x2i)
			br, bi := r0[j]-ar/2, i0[j]-ai/2
			dr, di = sin3*dr, sin3*di
			r0[j], i0[j] = r0[j]+ar, i0[j]+ai
			r2[j], r1[j] = addSub(br, di)
			i1[j], i2[j] = addSub(bi, dr)
		}
	}
}

// Cosines and sines of 2 pi/5 and 4 pi/5.
const (
	cos51 = 0.30901699437494742410229341718281906
	cos52 = -0.80901699437494742410229341718281906
	sin51 = 0.95105651629515357211643933337938214
	sin52 = 0.58778525229247312916870595463907277
)

// dif5 is a forward level of radix 5.
func dif5[T num.Float](z Planes[T], q int, tw []T) {
	for re, im := z.Re, z.Im; len(re) >= 5*q; re, im = re[5*q:], im[5*q:] {
		r0, i0 := re[:q], im[:q]
		i0 = i0[:len(r0)]
		r1, i1 := re[q:][:len(r0)], im[q:][:len(r0)]
		r2, i2 := re[2*q:][:len(r0)], im[2*q:][:len(r0)]
		r3, i3 := re[3*q:][:len(r0)], im[3*q:][:len(r0)]
		r4, i4 := re[4*q:][:len(r0)], im[4*q:][:len(r0)]
		t := tw
		for j := range r0 {
			w := t[:8:8]
			t = t[8:]
			ar, dr := addSub(r1[j], r4[j])
			ai, di := addSub(i1[j], i4[j])
			br, er := addSub(r2[j], r3[j])
			bi, ei := addSub(i2[j], i3[j])
			fr, fi := r0[j]+cos51*ar+cos52*br, i0[j]+cos51*ai+cos52*bi
			gr, gi := sin51*dr+sin52*er, sin51*di+sin52*ei
			hr, hi := r0[j]+cos52*ar+cos51*br, i0[j]+cos52*ai+cos51*bi
			kr, ki := sin52*dr-sin51*er, sin52*di-sin51*ei
			r0[j], i0[j] = r0[j]+ar+br, i0[j]+ai+bi
			r1[j], i1[j] = mul(fr+gi, fi-gr, w[0], w[1])
			r2[j], i2[j] = mul(hr+ki, hi-kr, w[2], w[3])
			r3[j], i3[j] = mul(hr-ki, hi+kr, w[4], w[5])
			r4[j], i4[j] = mul(fr-gi, fi+gr, w[6], w[7])
		}
	}
}

// dit5 is an inverse level of radix 5.
func dit5[T num.Float](z Planes[T], q int, tw []T) {
	for re, im := z.Re, z.Im; len(re) >= 5*q; re, im = re[5*q:], im[5*q:] {
		r0, i0 := re[:q], im[:q]
		i0 = i0[:len(r0)]
		r1, i1 := re[q:][:len(r0)], im[q:][:len(r0)]
		r2, i2 := re[2*q:][:len(r0)], im[2*q:][:len(r0)]
		r3, i3 := re[3*q:][:len(r0)], im[3*q:][:len(r0)]
		r4, i4 := re[4*q:][:len(r0)], im[4*q:][:len(r0)]
		t := tw
		for j := range r0 {
			w := t[:8:8]
			t = t[8:]
			x1r, x1i := mulConj(r1[j], i1[j], w[0], w[1])
			x2r, x2i := mulConj(r2[j], i2[j], w[2], w[3])
			x3r, x3i := mulConj(r3[j], i3[j], w[4], w[5])
			x4r, x4i := mulConj(r4[j], i4[j], w[6], w[7])
			ar, dr := addSub(x1r, x4r)
			ai, di := addSub(x1i, x4i)
			br, er := addSub(x2r, x3r)
			bi, ei := addSub(x2i, x3i)
			fr, fi := r0[j]+cos51*ar+cos52*br, i0[j]+cos51*ai+cos52*bi
			gr, gi := sin51*dr+sin52*er, sin51*di+sin52*ei
			hr, hi := r0[j]+cos52*ar+cos51*br, i0[j]+cos52*ai+cos51*bi
			kr, ki := sin52*dr-sin51*er, sin52*di-sin51*ei
			r0[j], i0[j] = r0[j]+ar+br, i0[j]+ai+bi
			r4[j], r1[j] = addSub(fr, gi)
			i1[j], i4[j] = addSub(fi, gr)
			r3[j], r2[j] = addSub(hr, ki)
			i2[j], i3[j] = addSub(hi, kr)
		}
	}
}

// padded copies src to the front of dst and clears the rest.
func padded[T num.Float](dst, src []T) { clear(dst[copy(dst, src):]) }

// loadCyclic is the first level of the cyclic half.
func loadCyclic[T num.Float](z Planes[T], a, b, tw []T) {
	padded(z.Re, a)
	padded(z.Im, b)
	dif4(z, len(z.Re)/4, tw)
}

// loadNegacyclic is the first level of the negacyclic half. The twist of
// column set s is exp(-i pi s/4) times a factor that is in the twiddles.
func loadNegacyclic[T num.Float](z Planes[T], a, b, tw []T) {
	const h = math.Sqrt2 / 2
	padded(z.Re, a)
	padded(z.Im, b)
	q := len(z.Re) / 4
	r0, i0 := z.Re[:q], z.Im[:q]
	i0 = i0[:len(r0)]
	r1, i1 := z.Re[q:][:len(r0)], z.Im[q:][:len(r0)]
	r2, i2 := z.Re[2*q:][:len(r0)], z.Im[2*q:][:len(r0)]
	r3, i3 := z.Re[3*q:][:len(r0)], z.Im[3*q:][:len(r0)]
	for j := range r0 {
		w := tw[:8:8]
		tw = tw[8:]
		x1r, x1i := (r1[j]+i1[j])*h, (i1[j]-r1[j])*h
		x3r, x3i := (i3[j]-r3[j])*h, (r3[j]+i3[j])*-h
		ar, br := addSub(r0[j], i2[j])
		bi, ai := addSub(i0[j], r2[j])
		cr, dr := addSub(x1r, x3r)
		ci, di := addSub(x1i, x3i)
		r0[j], i0[j] = mul(ar+cr, ai+ci, w[0], w[1])
		r1[j], i1[j] = mul(br+di, bi-dr, w[2], w[3])
		r2[j], i2[j] = mul(ar-cr, ai-ci, w[4], w[5])
		r3[j], i3[j] = mul(br-di, bi+dr, w[6], w[7])
	}
}

// store is the last level of the negacyclic half, and the sum of both.
func store[T num.Float](a, b []T, c, z Planes[T], tw []T) {
	const h = math.Sqrt2 / 2
	q := len(z.Re) / 4
	r0, i0 := z.Re[:q], z.Im[:q]
	i0 = i0[:len(r0)]
	r1, i1 := z.Re[q:][:len(r0)], z.Im[q:][:len(r0)]
	r2, i2 := z.Re[2*q:][:len(r0)], z.Im[2*q:][:len(r0)]
	r3, i3 := z.Re[3*q:][:len(r0)], z.Im[3*q:][:len(r0)]
	for j := range r0 {
		w := tw[:8:8]
		tw = tw[8:]
		x0r, x0i := mulConj(r0[j], i0[j], w[0], w[1])
		x1r, x1i := mulConj(r1[j], i1[j], w[2], w[3])
		x2r, x2i := mulConj(r2[j], i2[j], w[4], w[5])
		x3r, x3i := mulConj(r3[j], i3[j], w[6], w[7])
		ar, br := addSub(x0r, x2r)
		ai, bi := addSub(x0i, x2i)
		cr, dr := addSub(x1r, x3r)
		ci, di := addSub(x1i, x3i)
		r0[j], i0[j] = ar+cr, ai+ci
		y1r, y1i := br-di, bi+dr
		r1[j], i1[j] = (y1r-y1i)*h, (y1r+y1i)*h
		r2[j], i2[j] = ci-ai, ar-cr
		y3r, y3i := br+di, bi-dr
		r3[j], i3[j] = (y3r+y3i)*-h, (y3r-y3i)*h
	}
	sum(a, c.Re, z.Re)
	sum(b, c.Im, z.Im)
}

// sum sets dst to the sum of the first len(dst) elements of x and y.
func sum[T num.Float](dst, x, y []T) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i, v := range x {
		dst[i] = v + y[i]
	}
}

// midForward finishes the forward transform: blocks of 4 points.
func midForward[T num.Float](z Planes[T]) {
	re, im := z.Re, z.Im
	im = im[:len(re)]
	for n := 0; n < len(re)-3; n += 4 {
		ar, br := addSub(re[n], re[n+2])
		ai, bi := addSub(im[n], im[n+2])
		cr, dr := addSub(re[n+1], re[n+3])
		ci, di := addSub(im[n+1], im[n+3])
		re[n], re[n+2] = addSub(ar, cr)
		im[n], im[n+2] = addSub(ai, ci)
		re[n+1], re[n+3] = addSub(br, di)
		im[n+3], im[n+1] = addSub(bi, dr)
	}
}

// midInverse begins the inverse transform: blocks of 4 points.
func midInverse[T num.Float](z Planes[T]) {
	re, im := z.Re, z.Im
	im = im[:len(re)]
	for n := 0; n < len(re)-3; n += 4 {
		ar, br := addSub(re[n], re[n+2])
		ai, bi := addSub(im[n], im[n+2])
		cr, dr := addSub(re[n+1], re[n+3])
		ci, di := addSub(im[n+1], im[n+3])
		re[n], re[n+2] = addSub(ar, cr)
		im[n], im[n+2] = addSub(ai, ci)
		re[n+3], re[n+1] = addSub(br, di)
		im[n+1], im[n+3] = addSub(bi, dr)
	}
}

// midConvolve finishes the forward transform, multiplies with k and begins the
// inverse.
func midConvolve[T num.Float](z, k Planes[T]) {
	re, im, kr, ki := z.Re, z.Im, k.Re, k.Im
	im, kr, ki = im[:len(re)], kr[:len(re)], ki[:len(re)]
	for n := 0; n < len(re)-3; n += 4 {
		ar, br := addSub(re[n], re[n+2])
		ai, bi := addSub(im[n], im[n+2])
		cr, dr := addSub(re[n+1], re[n+3])
		ci, di := addSub(im[n+1], im[n+3])
		x0r, x0i := mul(ar+cr, ai+ci, kr[n], ki[n])
		x2r, x2i := mul(ar-cr, ai-ci, kr[n+2], ki[n+2])
		x1r, x1i := mul(br+di, bi-dr, kr[n+1], ki[n+1])
		x3r, x3i := mul(br-di, bi+dr, kr[n+3], ki[n+3])
		ar, br = addSub(x0r, x2r)
		ai, bi = addSub(x0i, x2i)
		cr, dr = addSub(x1r, x3r)
		ci, di = addSub(x1i, x3i)
		re[n], re[n+2] = addSub(ar, cr)
		im[n], im[n+2] = addSub(ai, ci)
		re[n+3], re[n+1] = addSub(br, di)
		im[n+1], im[n+3] = addSub(bi, dr)
	}
}

// midCorrelate finishes the forward transform, multiplies with conj(k) and
// begins the inverse.
func midCorrelate[T num.Float](z, k Planes[T]) {
	midForward(z)
	kr, ki := k.Re[:len(z.Re)], k.Im[:len(z.Re)]
	im := z.Im[:len(z.Re)]
	for i, re := range z.Re {
		z.Re[i], im[i] = mulConj(re, im[i], kr[i], ki[i])
	}
	midInverse(z)
}

// midProduct begins the inverse transform of the product of k and u.
func midProduct[T num.Float](z, k, u Planes[T]) {
	mulPlanes(z, k, u)
	midInverse(z)
}

// midBackward finishes the forward transform, adds its product with conj(u) to
// acc, multiplies it with conj(k) and begins the inverse.
func midBackward[T num.Float](z, k, u, acc Planes[T]) {
	re, im, kr, ki := z.Re, z.Im, k.Re, k.Im
	im, kr, ki = im[:len(re)], kr[:len(re)], ki[:len(re)]
	ur, ui, gr, gi := u.Re[:len(re)], u.Im[:len(re)], acc.Re[:len(re)], acc.Im[:len(re)]
	for n := 0; n < len(re)-3; n += 4 {
		ar, br := addSub(re[n], re[n+2])
		ai, bi := addSub(im[n], im[n+2])
		cr, dr := addSub(re[n+1], re[n+3])
		ci, di := addSub(im[n+1], im[n+3])
		x0r, x2r := addSub(ar, cr)
		x0i, x2i := addSub(ai, ci)
		x1r, x3r := addSub(br, di)
		x3i, x1i := addSub(bi, dr)
		gr[n] += x0r*ur[n] + x0i*ui[n]
		gi[n] += x0i*ur[n] - x0r*ui[n]
		gr[n+1] += x1r*ur[n+1] + x1i*ui[n+1]
		gi[n+1] += x1i*ur[n+1] - x1r*ui[n+1]
		gr[n+2] += x2r*ur[n+2] + x2i*ui[n+2]
		gi[n+2] += x2i*ur[n+2] - x2r*ui[n+2]
		gr[n+3] += x3r*ur[n+3] + x3i*ui[n+3]
		gi[n+3] += x3i*ur[n+3] - x3r*ui[n+3]
		x0r, x0i = mulConj(x0r, x0i, kr[n], ki[n])
		x1r, x1i = mulConj(x1r, x1i, kr[n+1], ki[n+1])
		x2r, x2i = mulConj(x2r, x2i, kr[n+2], ki[n+2])
		x3r, x3i = mulConj(x3r, x3i, kr[n+3], ki[n+3])
		ar, br = addSub(x0r, x2r)
		ai, bi = addSub(x0i, x2i)
		cr, dr = addSub(x1r, x3r)
		ci, di = addSub(x1i, x3i)
		re[n], re[n+2] = addSub(ar, cr)
		im[n], im[n+2] = addSub(ai, ci)
		re[n+3], re[n+1] = addSub(br, di)
		im[n+1], im[n+3] = addSub(bi, dr)
	}
}

// mulPlanes sets dst to x*y, point by point.
func mulPlanes[T num.Float](dst, x, y Planes[T]) {
	n := len(dst.Re)
	dr, di := dst.Re, dst.Im[:n]
	xr, xi, yr, yi := x.Re[:n], x.Im[:n], y.Re[:n], y.Im[:n]
	for i := range dr {
		dr[i], di[i] = mul(xr[i], xi[i], yr[i], yi[i])
	}
}

// mulAddConjPlanes adds conj(x)*y to dst, point by point.
func mulAddConjPlanes[T num.Float](dst, x, y Planes[T]) {
	n := len(dst.Re)
	dr, di := dst.Re, dst.Im[:n]
	xr, xi, yr, yi := x.Re[:n], x.Im[:n], y.Re[:n], y.Im[:n]
	for i := range dr {
		re, im := mulConj(yr[i], yi[i], xr[i], xi[i])
		dr[i] += re
		di[i] += im
	}
}
