package cauchy

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/cpu"
)

// The passes: loops over the (pole, node) pairs of a block of nodes. All other
// work is proportional to the number of poles or of nodes alone.
//
// At the node (y, c) a conjugate pair of poles lambda, conj lambda has
//
//	E+ = i y - c lambda,  E- = i y - c conj(lambda)
//
// With lambda = -decay + i freq both are real numbers but for one imaginary
// unit, E = c decay + i (y -+ c freq), and one division serves both.
//
// pass_generic.go has the passes in Go; those for AVX2, AVX-512 and NEON are generated
// (internal/asm/_gen/cauchy). They know the layout of rows and terms and the
// constants below.

const (
	// block is the number of nodes worked on at a time: what the passes read and
	// write for them stays in the first-level cache.
	block = 128
	// lanes is the number of nodes in the widest vector. Passes take whole ones.
	lanes = 8
	// group is how many numerators the pass sums takes at a time.
	group = 4
)

// row is a complex function of nodes.
type row struct{ re, im []float64 }

// newRowList returns rows of n nodes.
func newRowList(count, n int) []row {
	list := make([]row, count)
	cutRows(list, make([]float64, 2*count*n))
	return list
}

// cutRows makes mem (rows, 2, nodes) the memory of the rows of a list.
func cutRows(list []row, mem []float64) {
	n := len(mem) / max(1, 2*len(list))
	for i := range list {
		list[i] = row{mem[2*i*n:][:n], mem[(2*i+1)*n:][:n]}
	}
}

// part returns the row of the nodes from lo up to hi.
func (r row) part(lo, hi int) row { return row{r.re[lo:hi], r.im[lo:hi]} }

func (r row) at(k int) complex128 { return complex(r.re[k], r.im[k]) }

func (r row) set(k int, v complex128) { r.re[k], r.im[k] = real(v), imag(v) }

// copyFrom sets the first nodes of r to those of s.
func (r row) copyFrom(s row) {
	copy(r.re, s.re)
	copy(r.im, s.im)
}

// rows are complex functions of the nodes of a block, (count, 2, block): real
// parts, imaginary parts.
type rows []float64

func newRows(count int) rows { return make(rows, count*2*block) }

func (r rows) count() int { return len(r) / (2 * block) }

// row returns the first n nodes of row i.
func (r rows) row(i, n int) row {
	return row{r[2*i*block:][:n], r[(2*i+1)*block:][:n]}
}

// term is a conjugate pair of poles with the numerators v_j of one group.
type term struct {
	decay, freq float64 // lambda = -decay + i freq
	re, im      [group]float64
}

// passes are the passes of one instruction set. Nodes come in whole vectors.
type passes struct {
	sums    func(dst rows, y, c []float64, terms []term)
	resolve func(acc, coef, y, c []float64, right, left rows)
}

// sums writes the Cauchy sums of one group at the nodes (y, c) to dst,
//
//	dst_j = sum_n v_jn/E+ + conj(v_jn)/E-
//
// It is the inner loop of the forward pass. It panics if the lengths do not fit.
func sums(dst rows, y, c []float64, terms []term) {
	checkNodes(y, c)
	if dst.count() != group {
		panic(fmt.Sprintf("cauchy: sums: want %d rows, got %d", group, dst.count()))
	}
	byLevel[cpu.Active()].sums(dst, y, c, terms)
}

// resolve is the inner loop of the backward pass. With functions f_i of the
// nodes, the rows of right, and g_j, the rows of left, every pair of poles has
//
//	x+ = (b + sum_i v_i f_i)/E+,        x- = (conj(b) + sum_i conj(v_i) f_i)/E-
//	zeta+ = (sum_j u_j g_j)/E+,         zeta- = (sum_j conj(u_j) g_j)/E-
//
// resolve adds to acc the sums over the nodes of
//
//	c (zeta+ x+ + conj(zeta- x-)),  zeta+ + conj(zeta-)
//	f_i zeta+ + conj(f_i zeta-),    g_j x+ + conj(g_j x-)
//
// which are the gradients by lambda, b, v and u. coef (pairs, 2+i+j, 2) has
// (decay, freq) and the real and imaginary parts of b, v and u of every pair;
// acc (pairs, 2+i+j, 2, lanes) has the real and imaginary parts of the sums over
// every lanes-th node. It panics if the lengths do not fit.
func resolve(acc, coef, y, c []float64, right, left rows) {
	checkNodes(y, c)
	if each := 2 * (2 + right.count() + left.count()); len(coef)%each != 0 || len(acc) != lanes*len(coef) {
		panic(fmt.Sprintf("cauchy: resolve: want a multiple of %d coefficients and %d sums for each, got %d and %d", each, lanes, len(coef), len(acc)))
	}
	byLevel[cpu.Active()].resolve(acc, coef, y, c, right, left)
}

// checkNodes panics unless (y, c) are nodes of a block, in whole vectors.
func checkNodes(y, c []float64) {
	if len(y) != len(c) || len(y) > block || len(y)%lanes != 0 {
		panic(fmt.Sprintf("cauchy: want a multiple of %d nodes, at most %d, got %d sines and %d cosines", lanes, block, len(y), len(c)))
	}
}
