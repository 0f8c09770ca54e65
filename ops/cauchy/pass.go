package cauchy

// The passes: loops over the (pole, node) pairs of a block of nodes. All other
// work is proportional to the number of poles or of nodes alone.
//
// At the node (y, c) a conjugate pair of poles lambda, conj lambda has
//
//	E+ = i y - c lambda,  E- = i y - c conj(lambda)
//
// With lambda = -decay + i freq both are real numbers but for one imaginary
// unit, E = c decay + i (y -+ c freq), and one division serves both.

// row is a complex function of the nodes of a block.
type row struct{ re, im []float64 }

// newRows returns rows for blocks of up to n nodes.
func newRows(count, n int) []row {
	mem := make([]float64, 2*count*n)
	rows := make([]row, count)
	for i := range rows {
		rows[i] = row{mem[2*i*n:][:n], mem[(2*i+1)*n:][:n]}
	}
	return rows
}

// first returns the row of the first n nodes.
func (r row) first(n int) row { return row{r.re[:n], r.im[:n]} }

func (r row) at(k int) complex128 { return complex(r.re[k], r.im[k]) }

func (r row) set(k int, v complex128) { r.re[k], r.im[k] = real(v), imag(v) }

// pairRow has a row for each pole of a conjugate pair.
type pairRow struct{ plus, minus row }

func newPairRow(n int) pairRow {
	r := newRows(2, n)
	return pairRow{r[0], r[1]}
}

func (p pairRow) first(n int) pairRow { return pairRow{p.plus.first(n), p.minus.first(n)} }

// group is how many numerators the pass sums takes at a time.
const group = 4

// term is a conjugate pair of poles with the numerators v_j of one group.
type term struct {
	decay, freq float64 // lambda = -decay + i freq
	re, im      [group]float64
}

// sums writes the Cauchy sums of one group at the nodes (y, c),
//
//	dst_j = sum_n v_jn/E+ + conj(v_jn)/E-
//
// It is the inner loop of the forward pass.
func sums(dst *[group]row, y, c []float64, terms []term) {
	n := len(y)
	c = c[:n]
	d0, d1, d2, d3 := dst[0].first(n), dst[1].first(n), dst[2].first(n), dst[3].first(n)
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

// start sets dst to the constant b plus z times f: plus = b + z f and minus =
// conj(b) + conj(z) f.
func start(dst pairRow, b, z complex128, f row) {
	n := len(f.re)
	fi := f.im[:n]
	pr, pi, mr, mi := dst.plus.re[:n], dst.plus.im[:n], dst.minus.re[:n], dst.minus.im[:n]
	br, bi, zr, zi := real(b), imag(b), real(z), imag(z)
	for k, r := range f.re {
		i := fi[k]
		rr, ii, ri, ir := br+zr*r, zi*i, zr*i, bi+zi*r
		pr[k], pi[k] = rr-ii, ri+ir
		mr[k], mi[k] = rr+ii, ri-ir
	}
}

// add adds z times f: plus += z f and minus += conj(z) f.
func add(dst pairRow, z complex128, f row) {
	n := len(f.re)
	fi := f.im[:n]
	pr, pi, mr, mi := dst.plus.re[:n], dst.plus.im[:n], dst.minus.re[:n], dst.minus.im[:n]
	zr, zi := real(z), imag(z)
	for k, r := range f.re {
		i := fi[k]
		rr, ii, ri, ir := zr*r, zi*i, zr*i, zi*r
		pr[k] += rr - ii
		pi[k] += ri + ir
		mr[k] += rr + ii
		mi[k] += ri - ir
	}
}

// resolve divides x and g by E and returns, summed over the nodes,
//
//	total  = g+ + conj(g-)
//	moment = c (g+ x+ + conj(g- x-))
//
// with the quotients: the gradients by B and by lambda. It is the inner loop of
// the backward pass.
func resolve(x, g pairRow, y, c []float64, lambda complex128) (total, moment complex128) {
	n := len(y)
	c = c[:n]
	xpr, xpi, xmr, xmi := x.plus.re[:n], x.plus.im[:n], x.minus.re[:n], x.minus.im[:n]
	gpr, gpi, gmr, gmi := g.plus.re[:n], g.plus.im[:n], g.minus.re[:n], g.minus.im[:n]
	decay, freq := -real(lambda), imag(lambda)
	var tr, ti, mr, mi float64
	for k, yk := range y {
		ck := c[k]
		p, f := ck*decay, ck*freq
		dp, dm := yk-f, yk+f
		pp := p * p
		mp, mm := pp+dp*dp, pp+dm*dm
		inv := 1 / (mp * mm)
		mp, mm = mm*inv, mp*inv
		ap, bp, am, bm := p*mp, dp*mp, p*mm, dm*mm // 1/E+ = ap - i bp, 1/E- = am - i bm
		r, i := xpr[k], xpi[k]
		xr, xi := r*ap+i*bp, i*ap-r*bp
		xpr[k], xpi[k] = xr, xi
		r, i = gpr[k], gpi[k]
		gr, gi := r*ap+i*bp, i*ap-r*bp
		gpr[k], gpi[k] = gr, gi
		sr, si := gr*xr-gi*xi, gr*xi+gi*xr
		r, i = xmr[k], xmi[k]
		xr, xi = r*am+i*bm, i*am-r*bm
		xmr[k], xmi[k] = xr, xi
		r, i = gmr[k], gmi[k]
		hr, hi := r*am+i*bm, i*am-r*bm
		gmr[k], gmi[k] = hr, hi
		tr += gr + hr
		ti += gi - hi
		mr += ck * (sr + hr*xr - hi*xi)
		mi += ck * (si - hr*xi - hi*xr)
	}
	return complex(tr, ti), complex(mr, mi)
}

// project returns the sum over the nodes of f x+ + conj(f x-).
func project(f row, x pairRow) complex128 {
	n := len(f.re)
	fi := f.im[:n]
	pr, pi, mr, mi := x.plus.re[:n], x.plus.im[:n], x.minus.re[:n], x.minus.im[:n]
	var sr, si float64
	for k, r := range f.re {
		i := fi[k]
		sr += r*(pr[k]+mr[k]) - i*(pi[k]+mi[k])
		si += r*(pi[k]-mi[k]) + i*(pr[k]-mr[k])
	}
	return complex(sr, si)
}
