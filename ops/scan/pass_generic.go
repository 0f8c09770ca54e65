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
		row := x[x0:]
		xr, xi, ar, ai, sr, si := row[:p], row[p:][:p], a[a0:][:p], a[a0+p:][:p], start[:p], start[p:][:p]
		for i, re := range ar {
			im := sign * ai[i]
			xr[i] += re*sr[i] - im*si[i]
			xi[i] += re*si[i] + im*sr[i]
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
		hr, hi := h[2*l*p:][:p], h[(2*l+1)*p:][:p]
		br, bi := before[2*l*p:][:p], before[(2*l+1)*p:][:p]
		dr, di := da[:p], da[p:][:p]
		for i, re := range br {
			im := bi[i]
			dr[i] += hr[i]*re + hi[i]*im
			di[i] += hi[i]*re - hr[i]*im
		}
	}
}
