package cauchy

import "math/cmplx"

// block is the number of nodes worked on at a time: what the passes read and
// write for them stays in the first-level cache.
const block = 64

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
//	Khat  = e^(i theta/2) dt C x
//	dKhat = e^(i theta/2) dt (dC x + xi (dB - dP X) - Y dconj(P) x + c xi dlambda x)
//
// Near a pole B_n and P_n X nearly cancel. In this form of the gradient they do
// so once; the derivatives of the Cauchy sums, taken one by one, would lose
// twice as many digits.
type generator struct {
	y, c   []float64 // nodes
	y0     []float64 // (block) the first of y, where the node w = 1 is shifted
	f      *feature
	lambda []complex128 // (N) dt Lambda

	// For the values.
	wood   *woodbury
	terms  [][]term     // (groups, N) poles and numerators
	planes [][group]row // (groups) Cauchy sums of a block
	sums   []complex128 // (groups*group) Cauchy sums of a node
	k      []complex128 // (CH) of a node
	xy     []complex128 // (R + CH*R) X and Y of a node

	// For the gradients: rows of a block. With G_ch the gradient of Khat_ch
	// without its phase, zeta = sum_ch G_ch xi_ch and z_r = sum_ch G_ch Y_ch,r.
	gRow, xRow, zRow []row   // (CH) G, (R) X, (R) z
	x, zeta          pairRow // of one pole
}

func newGenerator(s *Size, y, c []float64) *generator {
	g := &generator{
		y: y, c: c, y0: make([]float64, block),
		f: newFeature(s), lambda: make([]complex128, s.N),
		wood: newWoodbury(s.R),
		k:    make([]complex128, s.CH), xy: make([]complex128, s.R+s.CH*s.R),
		gRow: newRows(s.CH, block), xRow: newRows(s.R, block), zRow: newRows(s.R, block),
		x: newPairRow(block), zeta: newPairRow(block),
	}
	groups := ((s.R+s.CH)*(s.R+1) + group - 1) / group
	g.sums = make([]complex128, groups*group)
	for range groups {
		g.terms = append(g.terms, make([]term, s.N))
		g.planes = append(g.planes, [group]row(newRows(group, block)))
	}
	return g
}

// prepare readies the generator for the feature loaded into f.
func (g *generator) prepare() {
	for n := range g.lambda {
		g.lambda[n] = g.f.lambda(n)
	}
	copy(g.y0, g.y)
	if y := g.f.shift(); y != 0 {
		g.y0[0] = y
	}
}

// nodes returns the block of nodes from lo on.
func (g *generator) nodes(lo int) (y, c []float64) {
	hi := min(lo+block, len(g.y))
	if lo == 0 {
		return g.y0[:hi], g.c[:hi]
	}
	return g.y[lo:hi], g.c[lo:hi]
}

// values writes Khat to bins (CH, nodes) and, if saved is not nil, X and Y of
// every node to saved (nodes, R + CH*R).
func (g *generator) values(bins [][]complex128, saved []complex128) {
	g.numerators()
	for lo := 0; lo < len(g.y); lo += block {
		y, c := g.nodes(lo)
		for i, t := range g.terms {
			sums(&g.planes[i], y, c, t)
		}
		for k := range y {
			for j := range g.sums {
				g.sums[j] = g.planes[j/group][j%group].at(k)
			}
			xy := g.xy
			if saved != nil {
				xy = saved[(lo+k)*len(xy):][:len(xy)]
			}
			g.wood.apply(g.k, xy, g.sums, c[k])
			phase := complex(c[k], y[k]/2)
			for ch, v := range g.k {
				bins[ch][lo+k] = phase * v
			}
		}
	}
}

// numerators sets terms to dt times the products of conj P and C with P and B:
// number i*(R+1)+j for row i of the former and row j of the latter.
func (g *generator) numerators() {
	f := g.f
	dt := complex(f.dt, 0)
	for n, l := range g.lambda {
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
func (g *generator) gradients(dst *gradient, bins [][]complex128, saved []complex128) {
	dst.clear()
	for lo := 0; lo < len(g.y); lo += block {
		y, c := g.nodes(lo)
		g.nodeRows(lo, y, c, bins, saved)
		for n := range g.lambda {
			g.addPole(dst, n, y, c)
		}
	}
	g.scale(dst)
}

// nodeRows sets gRow, xRow and zRow for the block from lo on.
func (g *generator) nodeRows(lo int, y, c []float64, bins [][]complex128, saved []complex128) {
	rank := len(g.xRow)
	for k := range y {
		xy := saved[(lo+k)*len(g.xy):][:len(g.xy)]
		for ch, b := range bins {
			g.gRow[ch].set(k, b[lo+k]*complex(c[k], y[k]/2))
		}
		for r := range rank {
			g.xRow[r].set(k, xy[r])
			var z complex128
			for ch := range bins {
				z += g.gRow[ch].at(k) * xy[rank+ch*rank+r]
			}
			g.zRow[r].set(k, z)
		}
	}
}

// addPole adds what the block contributes to the gradients of pole pair n.
func (g *generator) addPole(dst *gradient, n int, y, c []float64) {
	f := g.f
	x, zeta := g.x.first(len(y)), g.zeta.first(len(y))
	start(x, f.b[n], -f.p[0][n], g.xRow[0].first(len(y)))
	for r := 1; r < len(f.p); r++ {
		add(x, -f.p[r][n], g.xRow[r].first(len(y)))
	}
	start(zeta, 0, f.c[0][n], g.gRow[0].first(len(y)))
	for ch := 1; ch < len(f.c); ch++ {
		add(zeta, f.c[ch][n], g.gRow[ch].first(len(y)))
	}
	for r, p := range f.p {
		add(zeta, -cmplx.Conj(p[n]), g.zRow[r].first(len(y)))
	}
	total, moment := resolve(x, zeta, y, c, g.lambda[n])
	dst.a[n] += moment
	dst.b[n] += total
	for ch := range f.c {
		dst.c[ch][n] += project(g.gRow[ch].first(len(y)), x)
	}
	for r := range f.p {
		right := project(g.xRow[r].first(len(y)), zeta) // P as a factor of X
		left := project(g.zRow[r].first(len(y)), x)     // conj P as a factor of z
		dst.p[r][n] -= right + cmplx.Conj(left)
		dst.dt -= real(right * f.p[r][n])
	}
}

// scale turns the sums over the nodes into gradients. dt is a factor of every
// numerator, and of lambda.
func (g *generator) scale(dst *gradient) {
	f := g.f
	dt := complex(f.dt, 0)
	for n := range dst.a {
		dst.dt += real(dst.b[n]*f.b[n] + dt*dst.a[n]*f.a[n])
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
