package scan

import "github.com/gorgonia-s4/s4/internal/num"

func generic[T num.Float]() passes[T] {
	return passes[T]{realGeneric[T], complexGeneric[T], conjGeneric[T], gradRealGeneric[T], gradComplexGeneric[T]}
}

func realGeneric[T num.Float](x, a, start []T, p, rows, x0, ldx, a0, lda int) {
	for range rows {
		row, ar, s := x[x0:][:p], a[a0:][:p], start[:p]
		for i, v := range s {
			row[i] += ar[i] * v
		}
		start, x0, a0 = row, x0+ldx, a0+lda
	}
}

func complexGeneric[T num.Float](x, a, start []T, p, rows, x0, ldx, a0, lda int) {
	along(x, a, start, p, rows, x0, ldx, a0, lda, 1)
}

func conjGeneric[T num.Float](x, a, start []T, p, rows, x0, ldx, a0, lda int) {
	along(x, a, start, p, rows, x0, ldx, a0, lda, -1)
}

// along is the complex pass with sign times the imaginary part of a.
func along[T num.Float](x, a, start []T, p, rows, x0, ldx, a0, lda int, sign T) {
	for range rows {
		row, ar, s := x[x0:][:2*p], a[a0:][:2*p], start[:2*p]
		for i := range p {
			re, im := ar[i], sign*ar[p+i]
			sr, si := s[i], s[p+i]
			row[i] += re*sr - im*si
			row[p+i] += re*si + im*sr
		}
		start, x0, a0 = row, x0+ldx, a0+lda
	}
}

func gradRealGeneric[T num.Float](da, h, before []T, p, rows int) {
	for l := range rows {
		hr, br := h[l*p:][:p], before[l*p:][:p]
		for i, v := range hr {
			da[i] += v * br[i]
		}
	}
}

func gradComplexGeneric[T num.Float](da, h, before []T, p, rows int) {
	for l := range rows {
		hr, br := h[2*l*p:][:2*p], before[2*l*p:][:2*p]
		for i := range p {
			re, im := br[i], br[p+i]
			da[i] += hr[i]*re + hr[p+i]*im
			da[p+i] += hr[p+i]*re - hr[i]*im
		}
	}
}
