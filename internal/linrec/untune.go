package linrec

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// untune computes C = C~ (I - A^n)^-1, and its adjoint: with X the inverse,
//
//	gC~ = gC X^T,  gA^n = C^T gC~
type untune struct {
	n     int
	power *product // A^n - I
	inv   *Inverse // of it
}

func newUntune(p *powers, n int) *untune { return &untune{n, newProduct(p, n), NewInverse(p.n)} }

// rows replaces C~ by C, both (CH, N).
func (u *untune) rows(c []float64) error {
	u.power.run()
	if err := u.inv.Set(u.power.last()); err != nil {
		return fmt.Errorf("inverse of A^%d - I: %w", u.n, err)
	}
	vec.Scale(c, -1, c)
	u.inv.Rows(c, false)
	return nil
}

// rowsGrad replaces the gradient g of C by that of C~, and carries it to the
// powers.
func (u *untune) rowsGrad(g, c []float64) {
	n, last := u.power.p.n, len(u.power.g)-1
	vec.Scale(g, -1, g)
	u.inv.Rows(g, true)
	gemm.Gemm(&u.power.p.ws, true, false, n, n, len(c)/n, c, n, g, n, u.power.g[last], n, false)
	u.power.runGrad()
}
