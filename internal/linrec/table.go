package linrec

// table is the rows Q_t = Q_0 A^t, or with trans Q_0 (A^t)^T, t < T = 2^m,
// where Q_0 is (width, N). They grow by doubling:
//
//	Q[h:2h] = Q[0:h] A^h,  h = 1, 2, 4, ..
type table struct {
	p        *powers
	m, width int
	trans    bool
	q, g     []float64 // (T, width, N), and its gradient
}

func newTable(p *powers, m, width int, trans bool) *table {
	size := (1 << m) * width * p.n
	return &table{p, m, width, trans, make([]float64, size), make([]float64, size)}
}

// grow computes q from its first rows.
func (t *table) grow() {
	for k := range t.m {
		h := t.width << k
		t.p.times(t.q[h*t.p.n:], t.q, t.trans, k, h, false)
	}
}

// growGrad carries the gradient g to the powers and to the first rows of g.
func (t *table) growGrad() {
	for k := t.m - 1; k >= 0; k-- {
		h := t.width << k
		g := t.g[h*t.p.n:]
		t.p.collect(t.q, g, t.trans, k, h)
		t.p.timesGrad(t.g, g, t.trans, k, h)
	}
}
