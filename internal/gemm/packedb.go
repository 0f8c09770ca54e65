package gemm

import (
	"fmt"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
)

// PackedB is a matrix op(B) of (k, n), with a bias for each column, laid out for
// repeated products with few rows: the weights of a linear layer that sees a row
// at a time. The zero value holds nothing; Pack fills it.
type PackedB[T num.Float] struct {
	kern *kernel[T]
	k, n int
	kc   int // terms in a block, but the last
	data []T // [block][column panel][terms][nr]
	bias []T // (n), or empty for none
}

// Pack copies op(B), which is (k, n), and the bias (n) or nil, into p, whose
// memory it reuses. B is as in Gemm. Pack panics where that would, and if the bias
// has another length.
func (p *PackedB[T]) Pack(transB bool, k, n int, b []T, ldb int, bias []T) {
	checkOp("B", transB, k, n, len(b), ldb)
	if bias != nil && len(bias) != n {
		panic(fmt.Sprintf("gemm: want bias of length %d, got %d", n, len(bias)))
	}
	kern := active[T]()
	kc, blocks := split(k, blockK)
	nr := kern.nr
	p.kern, p.k, p.n, p.kc = kern, k, n, kc
	p.data = num.Grow(p.data, roundUp(n, nr)*k)
	for q := range blocks {
		kq := min(kc, k-q*kc)
		for j := 0; j < n; j += nr {
			pack(kern, p.panels(q, j, kq)[:kq*nr], at(b, ldb, transB, q*kc, j), ldb, !transB, kq, nr, min(nr, n-j))
		}
	}
	p.bias = append(p.bias[:0], bias...)
}

// panels returns the kq terms of block q of the columns from j on, a multiple of
// nr.
func (p *PackedB[T]) panels(q, j, kq int) []T {
	return p.data[roundUp(p.n, p.kern.nr)*q*p.kc+j*kq:]
}

// ColumnStep is what the columns of a PackedB are split in multiples of.
const ColumnStep = blockN

// rowsAlone is the number of rows up to which each is multiplied by itself: a
// tile of C would be empty for the most part.
const rowsAlone = 2

// GemmPackedB sets columns [j0, j1) of C = A op(B) + bias, where op(B) and the
// bias are those of pb and the bias is added to every row. j0 is a multiple of
// ColumnStep, and so is j1 unless it is n. A is (m, k), C is (m, n); they are as
// in Gemm. An element of C depends neither on the split nor on the other rows.
// GemmPackedB panics where Gemm would, and at other columns.
func GemmPackedB[T num.Float](ws *Workspace[T], m int, a []T, lda int, pb *PackedB[T], j0, j1 int, c []T, ldc int) {
	check("A", m, pb.k, len(a), lda)
	check("C", m, pb.n, len(c), ldc)
	if j0%ColumnStep != 0 || j1%ColumnStep != 0 && j1 != pb.n || j0 < 0 || j1 < j0 || j1 > pb.n {
		panic(fmt.Sprintf("gemm: want columns of %d from and to multiples of %d, got [%d, %d)", pb.n, ColumnStep, j0, j1))
	}
	pb.eachRows(m, a, lda, c, ldc, func(m int, a, c []T) {
		for i := range m {
			row := c[i*ldc:][j0:j1]
			if len(pb.bias) == 0 {
				clear(row)
			} else {
				copy(row, pb.bias[j0:])
			}
		}
		pb.addProduct(ws, m, a, lda, j0, j1, c, ldc)
	})
}

// AddPackedB sets C += A op(B), where op(B) is that of pb, whose bias is left out:
// what a recurrent network adds at a step to the part of its inputs. A is (m, k),
// C is (m, n); they are as in Gemm. An element of C does not depend on the other
// rows. AddPackedB panics where Gemm would.
func AddPackedB[T num.Float](ws *Workspace[T], m int, a []T, lda int, pb *PackedB[T], c []T, ldc int) {
	check("A", m, pb.k, len(a), lda)
	check("C", m, pb.n, len(c), ldc)
	pb.eachRows(m, a, lda, c, ldc, func(m int, a, c []T) { pb.addProduct(ws, m, a, lda, 0, pb.n, c, ldc) })
}

// GemmTransPackedB sets C = Aᵀ op(B), where op(B) is that of pb, whose bias is left out.
// A is (k, m), C is (m, n); they are as in Gemm. An element of C does not depend on the
// other rows. GemmTransPackedB panics where Gemm would.
func GemmTransPackedB[T num.Float](ws *Workspace[T], m int, a []T, lda int, pb *PackedB[T], c []T, ldc int) {
	check("A", pb.k, m, len(a), lda)
	check("C", m, pb.n, len(c), ldc)
	if m == 0 || pb.n == 0 {
		return
	}
	kern := pb.kern
	_, blocks := split(pb.k, blockK)
	mc := min(m, rowsOf(kern, pb.kc))
	ws.grow(kern, mc, pb.kc)
	for q := range blocks {
		kq := min(pb.kc, pb.k-q*pb.kc)
		for i := 0; i < m; i += mc {
			mi := min(mc, m-i)
			packA(kern, ws.a, at(a, lda, true, i, q*pb.kc), lda, true, mi, kq, nil)
			for j := 0; j < pb.n; j += kern.nr {
				kern.column(ws, kq, ws.a, pb.panels(q, j, kq), mi, min(kern.nr, pb.n-j), from(c, i*ldc+j), ldc, q > 0)
			}
		}
	}
}

// tileRows is the number of tiles, one below the other, that are completed before the
// next rows: their rows of A and C stay in the second-level cache.
const tileRows = 4

// eachRows calls f for some rows of A and C at a time.
func (p *PackedB[T]) eachRows(m int, a []T, lda int, c []T, ldc int, f func(m int, a, c []T)) {
	if m == 0 {
		return
	}
	step := tileRows * p.kern.mr
	for i := 0; i < m; i += step {
		f(min(step, m-i), from(a, i*lda), c[i*ldc:])
	}
}

// addProduct adds columns [j0, j1) of A op(B) to C.
func (p *PackedB[T]) addProduct(ws *Workspace[T], m int, a []T, lda, j0, j1 int, c []T, ldc int) {
	_, blocks := split(p.k, blockK)
	for q := range blocks {
		kq := min(p.kc, p.k-q*p.kc)
		aq := at(a, lda, false, 0, q*p.kc)
		j := j0
		if m <= rowsAlone {
			j = p.addRows(m, q, kq, aq, lda, j0, j1, c, ldc)
		}
		if j < j1 {
			p.addTiles(ws, m, q, kq, aq, lda, j, j1, c, ldc)
		}
	}
}

// addRows adds the product by block q of terms, kq of them, to C, a row at a
// time, for columns from j on. It returns the column before j1 from which on
// there are too few.
func (p *PackedB[T]) addRows(m, q, kq int, a []T, lda, j, j1 int, c []T, ldc int) int {
	step := rowPanels * p.kern.nr
	for ; j+step <= j1; j += step {
		for i := range m {
			p.kern.row(kq, from(a, i*lda), p.panels(q, j, kq), c[i*ldc+j:])
		}
	}
	return j
}

// addTiles adds the product by block q of terms to C, for columns [j0, j1). Rows are
// read where they are, but for the last that are less than a step of a tile.
func (p *PackedB[T]) addTiles(ws *Workspace[T], m, q, kq int, a []T, lda, j0, j1 int, c []T, ldc int) {
	kern := p.kern
	whole := m / kern.step * kern.step
	rest := m - whole
	ws.grow(kern, rest, kq)
	if rest > 0 {
		packA(kern, ws.a, from(a, whole*lda), lda, false, rest, kq, nil)
	}
	for j := j0; j < j1; j += kern.nr {
		panel, nj := p.panels(q, j, kq), min(kern.nr, j1-j)
		next := p.after(q, j, j0, j1)
		for i := 0; i < whole; {
			m := kern.tileOf(whole - i)
			kern.addRows(ws, kq, from(a, i*lda), lda, panel, m, nj, c[i*ldc+j:], ldc, next)
			next = next[min(len(next), kq*lineLen[T]()):]
			i += m
		}
		if rest > 0 {
			kern.tile(ws, kq, ws.a, panel, rest, nj, c[whole*ldc+j:], ldc, true)
		}
	}
}

// tileOf returns how many of the rows that are left the next tile has: all that it can,
// unless the last tile would have only a step of them, which is too few sums at a time.
func (kern *kernel[T]) tileOf(rows int) int {
	if rows == kern.mr+kern.step {
		return roundUp(rows/2, kern.step)
	}
	return min(kern.mr, rows)
}

// lineLen returns the number of elements in a cache line.
func lineLen[T num.Float]() int { return 64 / int(unsafe.Sizeof(T(0))) }

// after returns the panels that addTiles reads, or another call of it, behind that of
// the columns from j on: they are fetched while a panel is worked on.
func (p *PackedB[T]) after(q, j, j0, j1 int) []T {
	if j += p.kern.nr; j >= j1 {
		q, j = q+1, j0
	}
	if q*p.kc >= p.k {
		q, j = 0, j1
	}
	return p.panels(q, min(j, roundUp(p.n, p.kern.nr)), min(p.kc, p.k-q*p.kc))
}

// addRows adds the product of m rows of A, a multiple of step, by a panel of B to
// the tile C (m, n), which may be less than a full one, and fetches from next on.
func (kern *kernel[T]) addRows(ws *Workspace[T], k int, a []T, lda int, b []T, m, n int, c []T, ldc int, next []T) {
	run := kern.rows[m/kern.step-1]
	if n == kern.nr {
		run(k, a, lda, b, c, ldc, next)
		return
	}
	clear(ws.tile[:m*kern.nr])
	run(k, a, lda, b, ws.tile, kern.nr, next)
	for r := range m {
		moveRow(c[r*ldc:][:n], ws.tile[r*kern.nr:], true)
	}
}
