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
}

func newWoodbury(r int) *woodbury { return &woodbury{r, newLU(r)} }

// apply writes K (CH) to k, and X (R) and Y (CH, R) one after the other to xy,
// for the sums (R+CH, R+1) of the node with cosine c.
func (w *woodbury) apply(k, xy, sums []complex128, c float64) {
	if w.r == 1 {
		apply1(k, xy, sums, complex(c, 0))
		return
	}
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

// apply1 is apply for rank 1, in closed form.
func apply1(k, xy, sums []complex128, c complex128) {
	z := c * reciprocal(1+c*sums[0])
	x := z * sums[1]
	xy[0] = x
	for ch := range k {
		cp, cb := sums[2+2*ch], sums[3+2*ch]
		k[ch] = cb - cp*x
		xy[1+ch] = z * cp
	}
}
