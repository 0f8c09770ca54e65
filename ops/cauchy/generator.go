package cauchy

import "math/cmplx"

// generator evaluates the generating functions Khat(w) = sum_l K[l] w^l of one
// feature, one for each channel, at the nodes, and their gradients. It is
// scratch memory for one goroutine.
//
// Let x be the response of the state to the input w^-l and xi that of the
// transposed model with C~ for B, both up to a phase. By the Woodbury identity,
// with X and Y as in [woodbury] and n over both poles of each pair,
//
//	x_n   = (B_n - P_n X) / (i y - c lambda_n)
//	xi_n  = (C_n - Y conj(P_n)) / (i y - c lambda_n)
//	Khat  = e^(i theta/2) C dt x
//	dKhat = e^(i theta/2) (dC dt x + xi dt (dB - dP X) - Y dconj(P) dt x + c xi dt dlambda x + xi ddt (B - P X))
//
// Near a pole B_n and P_n X nearly cancel. In this form of the gradient they do
// so once; the derivatives of the Cauchy sums, taken one by one, would lose
// twice as many digits.
type generator struct {
	y, c   []float64 // nodes, the last one repeated to fill vectors
	y0     []float64 // (block) the first of y, where the node w = 1 is shifted
	f      *feature
	lambda []complex128 // (N) dt Lambda

	// For the values.
	wood  *woodbury
	terms [][]term // (groups, N) poles and numerators
	sums  []rows   // (groups) Cauchy sums of a block
	xy    []row    // (R + CH*R) X and Y of a block, where they are not saved
	part  []row    // (R + CH*R) those of a block, saved or not
	bins  []row    // (CH) Khat of a block

	// For the gradients. With G_ch the gradient of Khat_ch without its phase,
	// zeta = sum_ch G_ch xi_ch and z_r = sum_ch G_ch Y_ch,r.
	right, left rows      // of a block: X (R); G (CH) and z (R)
	coef        []float64 // (N, 2+2R+CH, 2) lambda, B, -P, C, -conj P; see resolve
	acc         []float64 // (N, 2+2R+CH, 2, lanes) sums over the nodes
}

// newGenerator returns a generator for the n-th roots of unity.
func newGenerator(s *Size, n int) *generator {
	y, c := nodes(n)
	g := &generator{
		y: fill(y), c: fill(c), y0: make([]float64, block),
		f: newFeature(s), lambda: make([]complex128, s.N),
		wood: newWoodbury(s.R, s.CH), bins: make([]row, s.CH),
		xy: newRowList(s.R+s.CH*s.R, block), part: make([]row, s.R+s.CH*s.R),
		right: newRows(s.R), left: newRows(s.CH + s.R),
		coef: make([]float64, s.N*factors(s)*2), acc: make([]float64, s.N*factors(s)*2*lanes),
	}
	for range (countSums(s) + group - 1) / group {
		g.terms = append(g.terms, make([]term, s.N))
		g.sums = append(g.sums, newRows(group))
	}
	return g
}

// countSums is the number of Cauchy sums of a model: see [woodbury].
func countSums(s *Size) int { return (s.R + s.CH) * (s.R + 1) }

// factors is the number of gradients that the pass resolve finds for a pole.
func factors(s *Size) int { return 2 + 2*s.R + s.CH }

// fill returns v with its last element repeated to whole vectors. Results at the
// nodes added do not count; those of the last are the ones sure to harm nothing.
func fill(v []float64) []float64 {
	last := v[len(v)-1]
	for len(v)%lanes != 0 {
		v = append(v, last)
	}
	return v
}

// wholeVectors is the number of nodes for the n-th roots of unity, with those
// that fill.
func wholeVectors(n int) int { return (n/2 + lanes) / lanes * lanes }

// newBins returns rows (CH) of the nodes for the n-th roots of unity.
func newBins(s *Size, n int) []row { return newRowList(s.CH, wholeVectors(n)) }

// prepare readies the generator for the feature loaded into f.
func (g *generator) prepare() {
	for n := range g.lambda {
		g.lambda[n] = g.f.lambda(n)
	}
	copy(g.y0, g.y)
	shift := g.f.shift()
	if shift == 0 {
		return
	}
	for k, y := range g.y[:lanes] {
		if y == 0 { // the first, and for n = 1 those that fill
			g.y0[k] = shift
		}
	}
}

// nodes returns the block of nodes from lo up to hi.
func (g *generator) nodes(lo int) (y, c []float64, hi int) {
	hi = min(lo+block, len(g.y))
	if lo == 0 {
		return g.y0[:hi], g.c[:hi], hi
	}
	return g.y[lo:hi], g.c[lo:hi], hi
}

// values writes Khat to bins (CH, nodes) and, if saved is not nil, X and Y of
// every node to saved (R + CH*R, nodes).
func (g *generator) values(bins, saved []row) {
	g.numerators()
	for lo := 0; lo < len(g.y); lo += block {
		y, c, hi := g.nodes(lo)
		for i, t := range g.terms {
			sums(g.sums[i], y, c, t)
		}
		for i := range g.xy {
			if saved == nil {
				g.part[i] = g.xy[i].part(0, hi-lo)
			} else {
				g.part[i] = saved[i].part(lo, hi)
			}
		}
		for ch, b := range bins {
			g.bins[ch] = b.part(lo, hi)
		}
		g.wood.applyBlock(g.bins, g.part, g.sums, y, c)
	}
}

// numerators sets terms to dt times the products of conj P and C with P and B:
// number i*(R+1)+j for row i of the former and row j of the latter.
func (g *generator) numerators() {
	f := g.f
	for n, l := range g.lambda {
		dt := complex(f.dt[n], 0)
		for i := range g.terms {
			g.terms[i][n].decay, g.terms[i][n].freq = -real(l), imag(l)
		}
		j := 0
		put := func(left complex128) {
			for r := 0; r <= len(f.p); r++ {
				right := f.b[n]
				if r < len(f.p) {
					right = f.p[r][n]
				}
				v := dt * left * right
				t := &g.terms[j/group][n]
				t.re[j%group], t.im[j%group] = real(v), imag(v)
				j++
			}
		}
		for _, p := range f.p {
			put(cmplx.Conj(p[n]))
		}
		for _, c := range f.c {
			put(c[n])
		}
	}
}

// gradients writes to dst the gradient of Re sum bins Khat, bins (CH, nodes),
// with saved as values wrote it.
func (g *generator) gradients(dst *gradient, bins, saved []row) {
	g.coefficients()
	clear(g.acc)
	for lo := 0; lo < len(g.y); lo += block {
		y, c, hi := g.nodes(lo)
		g.nodeRows(lo, hi, y, c, bins, saved)
		resolve(g.acc, g.coef, y, c, g.right, g.left)
	}
	g.collect(dst)
	g.scale(dst)
}

// coefficients sets coef for the feature.
func (g *generator) coefficients() {
	f := g.f
	coef := g.coef[:0]
	put := func(v complex128) { coef = append(coef, real(v), imag(v)) }
	for n, l := range g.lambda {
		put(complex(-real(l), imag(l)))
		put(f.b[n])
		for _, p := range f.p {
			put(-p[n])
		}
		for _, c := range f.c {
			put(c[n])
		}
		for _, p := range f.p {
			put(-cmplx.Conj(p[n]))
		}
	}
}

// nodeRows sets right and left for the block of nodes from lo up to hi.
func (g *generator) nodeRows(lo, hi int, y, c []float64, bins, saved []row) {
	rank, n := g.right.count(), hi-lo
	for r := range rank {
		g.right.row(r, n).copyFrom(saved[r].part(lo, hi))
		z := g.left.row(len(bins)+r, n)
		clear(z.re)
		clear(z.im)
	}
	for ch, b := range bins {
		gk := g.left.row(ch, n)
		turn(gk, b.part(lo, hi), y, c)
		for r := range rank {
			mulAdd(g.left.row(len(bins)+r, n), gk, saved[rank+ch*rank+r].part(lo, hi))
		}
	}
}

// turn multiplies f by the phase of the nodes (y, c), e^(i theta/2).
func turn(dst, f row, y, c []float64) {
	n := len(y)
	c, re, im, dr, di := c[:n], f.re[:n], f.im[:n], dst.re[:n], dst.im[:n]
	for k, yk := range y {
		r, i, s := re[k], im[k], yk/2
		dr[k], di[k] = r*c[k]-i*s, r*s+i*c[k]
	}
}

// mulAdd adds the product of f and g to dst.
func mulAdd(dst, f, g row) {
	n := len(dst.re)
	fr, fi, gr, gi, di := f.re[:n], f.im[:n], g.re[:n], g.im[:n], dst.im[:n]
	for k := range dst.re {
		dst.re[k] += fr[k]*gr[k] - fi[k]*gi[k]
		di[k] += fr[k]*gi[k] + fi[k]*gr[k]
	}
}

// collect writes the sums in acc to dst.
func (g *generator) collect(dst *gradient) {
	acc := g.acc
	sum := func() (total float64) {
		for _, v := range acc[:lanes] {
			total += v
		}
		acc = acc[lanes:]
		return total
	}
	next := func() complex128 {
		re := sum()
		return complex(re, sum())
	}
	for n := range dst.a {
		dst.a[n], dst.b[n] = next(), next()
		dst.dt[n] = 0
		for r, p := range dst.p { // P as a factor of X
			v := next()
			p[n] = -v
			dst.dt[n] -= real(v * g.f.p[r][n])
		}
		for _, c := range dst.c {
			c[n] = next()
		}
		for _, p := range dst.p { // conj P as a factor of z
			p[n] -= cmplx.Conj(next())
		}
	}
}

// scale turns the sums over the nodes into gradients. The dt of a state is a factor
// of its numerators, and of its lambda.
func (g *generator) scale(dst *gradient) {
	f := g.f
	for n := range dst.a {
		dt := complex(f.dt[n], 0)
		dst.dt[n] += real(dst.b[n]*f.b[n] + dt*dst.a[n]*f.a[n])
		dst.a[n] *= dt * dt
		dst.b[n] *= dt
		for _, p := range dst.p {
			p[n] *= dt
		}
		for _, c := range dst.c {
			c[n] *= dt
		}
	}
}
