package cauchy

// woodbury turns the Cauchy sums s(a, b) of one node, the matrix
//
//	[ s(Q,P)  s(Q,B) ]   R rows, Q = conj P
//	[ s(C,P)  s(C,B) ]   CH rows
//
// into the generating functions without their phase (S4, theorem 3 and
// appendix C.3; in the form without a pole at w = -1)
//
//	K = s(C,B) - s(C,P) X,  X = c (I + c s(Q,P))^-1 s(Q,B)   (R)
//
// and finds, for the gradient, Y = c s(C,P) (I + c s(Q,P))^-1 (CH, R).
//
// For poles in the left half plane the matrix is never singular: its Hermitian
// part is at least I. Near a pole it is a huge matrix of rank 1 plus a small
// one. Elimination with pivoting keeps both, where Cramer's rule would lose
// the small one, and with it the result.
type woodbury struct {
	r int
	m *lu

	// Of one node.
	sums []complex128 // (R+CH, R+1)
	k    []complex128 // (CH)
	xy   []complex128 // (R + CH*R) X and Y
}

func newWoodbury(r, ch int) *woodbury {
	return &woodbury{
		r: r, m: newLU(r),
		sums: make([]complex128, (r+ch)*(r+1)), k: make([]complex128, ch), xy: make([]complex128, r+ch*r),
	}
}

// applyBlock writes the generating functions to bins (CH), and X (R) and Y (CH,
// R) to xy, for the sums at the nodes (y, c), in order in the rows of sums.
func (w *woodbury) applyBlock(bins, xy []row, sums []rows, y, c []float64) {
	at := func(j int) row { return sums[j/group].row(j%group, len(y)) }
	if w.r == 1 {
		for ch, b := range bins {
			apply1(b, xy[0], xy[1+ch], at(0), at(1), at(2+2*ch), at(3+2*ch), c)
			turn(b, b, y, c)
		}
		return
	}
	for k := range y {
		for j := range w.sums {
			s := at(j)
			w.sums[j] = complex(s.re[k], s.im[k])
		}
		w.apply(w.k, w.xy, w.sums, c[k])
		for i, v := range w.xy {
			xy[i].set(k, v)
		}
		phase := complex(c[k], y[k]/2)
		for ch, b := range bins {
			b.set(k, phase*w.k[ch])
		}
	}
}

// apply writes K (CH) to k, and X (R) and Y (CH, R) one after the other to xy,
// for the sums (R+CH, R+1) of the node with cosine c.
func (w *woodbury) apply(k, xy, sums []complex128, c float64) {
	x, y := xy[:w.r], xy[w.r:]
	cols := w.r + 1
	for i := range w.r {
		for j := range w.r {
			w.m.a[i*w.r+j] = complex(c, 0) * sums[i*cols+j]
		}
		w.m.a[i*w.r+i]++
		x[i] = complex(c, 0) * sums[i*cols+w.r]
	}
	w.m.factorise()
	w.m.solve(x)
	for ch := range k {
		row := sums[(w.r+ch)*cols:][:cols]
		yc := y[ch*w.r:][:w.r]
		k[ch] = row[w.r]
		for j := range w.r {
			k[ch] -= row[j] * x[j]
			yc[j] = complex(c, 0) * row[j]
		}
		w.m.solveLeft(yc)
	}
}

// apply1 writes K, X and Y of one channel for rank 1, in closed form.
func apply1(k, x, y, qp, qb, cp, cb row, c []float64) {
	for i, ci := range c {
		// z = c/(1 + c s(Q,P))
		dr, di := 1+ci*qp.re[i], ci*qp.im[i]
		m := ci / (dr*dr + di*di)
		zr, zi := dr*m, -di*m
		br, bi, pr, pi := qb.re[i], qb.im[i], cp.re[i], cp.im[i]
		xr, xi := zr*br-zi*bi, zr*bi+zi*br
		x.re[i], x.im[i] = xr, xi
		y.re[i], y.im[i] = zr*pr-zi*pi, zr*pi+zi*pr
		k.re[i] = cb.re[i] - (pr*xr - pi*xi)
		k.im[i] = cb.im[i] - (pr*xi + pi*xr)
	}
}
