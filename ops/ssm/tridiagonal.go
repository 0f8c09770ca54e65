package ssm

// Tridiagonal holds the O(N) parameters of the trainable model of LSSL (arXiv
// 2110.13985, section 4), whose state matrix is the inverse of a tridiagonal
// matrix T between and beside diagonal ones:
//
//	x' = -A x + B u      (mind the sign)
//	A  = diag(Pl) (T^-1 + diag(C)) diag(Pr)
//	B  = diag(Pl) B'
//
// where T has the subdiagonal Dl, the diagonal D and the superdiagonal Du, and
// B' is the field B. All HiPPO matrices of Legendre and Laguerre kind are of
// this form. E is what holds one of the seven: a slice, or a node of a graph.
type Tridiagonal[E any] struct {
	Pl E // (N) scale of the rows
	Dl E // (N-1) T[n+1, n]
	D  E // (N) T[n, n]
	Du E // (N-1) T[n, n+1]
	Pr E // (N) scale of the columns
	C  E // (N) shift of the diagonal of T^-1
	B  E // (N) input, in units of Pl
}

// Parts lists the seven, in the order of the fields.
func (t *Tridiagonal[E]) Parts() []E {
	return []E{t.Pl, t.Dl, t.D, t.Du, t.Pr, t.C, t.B}
}
