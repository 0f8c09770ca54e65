package cauchy

// generic are the passes in portable Go, the oracle of the others.
var generic = passes{sums: sumsGeneric, resolve: resolveGeneric}

func sumsGeneric(dst rows, y, c []float64, terms []term) {
	n := len(y)
	c = c[:n]
	d0, d1, d2, d3 := dst.row(0, n), dst.row(1, n), dst.row(2, n), dst.row(3, n)
	for k, yk := range y {
		ck := c[k]
		var re0, im0, re1, im1, re2, im2, re3, im3 float64
		for i := range terms {
			t := &terms[i]
			p, f := ck*t.decay, ck*t.freq
			dp, dm := yk-f, yk+f
			pp := p * p
			mp, mm := pp+dp*dp, pp+dm*dm
			inv := 1 / (mp * mm)
			mp, mm = mm*inv, mp*inv // 1/|E+|^2, 1/|E-|^2
			dp *= mp
			dm *= mm
			// 1/E+ + 1/E- = a - ib, 1/E+ - 1/E- = u - iv
			a, b, u, v := p*(mp+mm), dp+dm, p*(mp-mm), dp-dm
			re0 += t.re[0] * a
			im0 -= t.re[0] * b
			re0 += t.im[0] * v
			im0 += t.im[0] * u
			re1 += t.re[1] * a
			im1 -= t.re[1] * b
			re1 += t.im[1] * v
			im1 += t.im[1] * u
			re2 += t.re[2] * a
			im2 -= t.re[2] * b
			re2 += t.im[2] * v
			im2 += t.im[2] * u
			re3 += t.re[3] * a
			im3 -= t.re[3] * b
			re3 += t.im[3] * v
			im3 += t.im[3] * u
		}
		d0.re[k], d0.im[k] = re0, im0
		d1.re[k], d1.im[k] = re1, im1
		d2.re[k], d2.im[k] = re2, im2
		d3.re[k], d3.im[k] = re3, im3
	}
}

func resolveGeneric(acc, coef, y, c []float64, right, left rows) {
	each := 2 * (2 + right.count() + left.count())
	for len(coef) > 0 {
		resolvePair(acc[:lanes*each], coef[:each], y, c, right, left)
		acc, coef = acc[lanes*each:], coef[each:]
	}
}

// resolvePair is resolve for one pair of poles.
func resolvePair(acc, coef, y, c []float64, right, left rows) {
	n := len(y)
	c = c[:n]
	decay, freq, br, bi := coef[0], coef[1], coef[2], coef[3]
	v := coef[4:]
	u := v[2*right.count():]
	for k, yk := range y {
		ck := c[k]
		p, f := ck*decay, ck*freq
		dp, dm := yk-f, yk+f
		pp := p * p
		mp, mm := pp+dp*dp, pp+dm*dm
		inv := 1 / (mp * mm)
		mp, mm = mm*inv, mp*inv
		e := inverse{p * mp, dp * mp, p * mm, dm * mm}

		x := e.times(combine(br, bi, v, right, k))
		zeta := e.times(combine(0, 0, u, left, k))
		sum := acc[k%lanes:]
		sum[0] += ck * (zeta.pr*x.pr - zeta.pi*x.pi + zeta.mr*x.mr - zeta.mi*x.mi)
		sum[lanes] += ck * (zeta.pr*x.pi + zeta.pi*x.pr - zeta.mr*x.mi - zeta.mi*x.mr)
		sum[2*lanes] += zeta.pr + zeta.mr
		sum[3*lanes] += zeta.pi - zeta.mi
		sum = sum[4*lanes:]
		sum = zeta.project(sum, right, k)
		x.project(sum, left, k)
	}
}

// inverse has 1/E+ = ap - i bp and 1/E- = am - i bm.
type inverse struct{ ap, bp, am, bm float64 }

// pair has the value of a function for both poles of a pair.
type pair struct{ pr, pi, mr, mi float64 }

func (e *inverse) times(x pair) pair {
	return pair{
		x.pr*e.ap + x.pi*e.bp, x.pi*e.ap - x.pr*e.bp,
		x.mr*e.am + x.mi*e.bm, x.mi*e.am - x.mr*e.bm,
	}
}

// combine returns b + sum_i v_i f_i and conj(b) + sum_i conj(v_i) f_i at node k.
func combine(br, bi float64, v []float64, f rows, k int) pair {
	// What b and v contribute by their real parts is the same for both poles; by
	// their imaginary parts, opposite.
	ar, ai, dr, di := br, 0.0, 0.0, bi
	for i := range f.count() {
		vr, vi := v[2*i], v[2*i+1]
		fr, fi := f[2*i*block+k], f[(2*i+1)*block+k]
		ar += vr * fr
		ai += vr * fi
		dr -= vi * fi
		di += vi * fr
	}
	return pair{ar + dr, ai + di, ar - dr, ai - di}
}

// project adds f_i x+ + conj(f_i x-) at node k to the sums and returns those
// that follow.
func (x *pair) project(sum []float64, f rows, k int) []float64 {
	sr, si, dr, di := x.pr+x.mr, x.pi+x.mi, x.pr-x.mr, x.pi-x.mi
	for i := range f.count() {
		fr, fi := f[2*i*block+k], f[(2*i+1)*block+k]
		s := sum[2*i*lanes:]
		s[0] += fr*sr - fi*si
		s[lanes] += fr*di + fi*dr
	}
	return sum[min(len(sum), 2*f.count()*lanes):]
}
