package gemm

import (
	"fmt"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
)

const (
	// blockK is the largest number of terms a microkernel sums before it
	// stores: a panel of B is blockK rows, and stays in the first-level cache.
	blockK = 256
	// blockBytes bounds a packed block of A, which stays in the second-level
	// cache.
	blockBytes = 384 << 10
	// blockN is the number of columns GemmPacked completes at a time: a multiple
	// of every kernel's nr.
	blockN = 128
)

// Workspace is the scratch memory of a product. The zero value is ready for
// use; it grows to what the largest product needs, at most some 450 KiB. Two
// products that run at the same time need two.
type Workspace[T num.Float] struct {
	a, b, tile []T
}

// Gemm sets C = op(A) op(B), or C += op(A) op(B) with add, where op(A) is (m, k)
// and op(B) is (k, n). All matrices are row-major with leading dimensions lda,
// ldb and ldc: A is (m, k), or (k, m) with transA; B is (k, n), or (n, k) with
// transB; C is (m, n). Sizes may be 0; with k = 0 the product is 0. C must not
// overlap A or B. Gemm panics if a slice is too short for its matrix or a
// leading dimension less than the row it spaces.
func Gemm[T num.Float](ws *Workspace[T], transA, transB bool, m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int, add bool) {
	checkOp("A", transA, m, k, len(a), lda)
	checkOp("B", transB, k, n, len(b), ldb)
	check("C", m, n, len(c), ldc)
	if m == 0 || n == 0 {
		return
	}
	kern := active[T]()
	kc, blocks := split(k, blockK)
	mc := rowsOf(kern, kc)
	ws.grow(kern, min(mc, m), kc)
	for q := range blocks {
		p := q * kc
		kq := min(kc, k-p)
		for i := 0; i < m; i += mc {
			mi := min(mc, m-i)
			packA(kern, ws.a, at(a, lda, transA, i, p), lda, transA, mi, kq, nil)
			multiply(kern, ws, ws.a, at(b, ldb, transB, p, 0), ldb, transB, mi, n, kq, from(c, i*ldc), ldc, add || q > 0)
		}
	}
}

// rowsOf returns how many rows of A, of k terms, are packed at a time.
func rowsOf[T num.Float](kern *kernel[T], k int) int {
	return max(kern.mr, blockBytes/int(unsafe.Sizeof(T(0)))/(k+1)/kern.mr*kern.mr)
}

// Packed is a matrix op(A) of (m, k), with a bias for each row, laid out for
// repeated products. The zero value holds nothing; Pack fills it.
type Packed[T num.Float] struct {
	kern *kernel[T]
	m, k int
	kc   int // terms in a block, but the last
	data []T // [block][row panel][1 + terms][mr], the first of them the bias
}

// Pack copies op(A), which is (m, k), and the bias (m) or nil, into p, whose
// memory it reuses. A is as in Gemm. Pack panics where that would, and if the bias
// has another length.
func (p *Packed[T]) Pack(transA bool, m, k int, a []T, lda int, bias []T) {
	checkOp("A", transA, m, k, len(a), lda)
	if bias != nil && len(bias) != m {
		panic(fmt.Sprintf("gemm: want bias of length %d, got %d", m, len(bias)))
	}
	kern := active[T]()
	kc, blocks := split(k, blockK)
	rows := roundUp(m, kern.mr)
	p.kern, p.m, p.k, p.kc = kern, m, k, kc
	p.data = num.Grow(p.data, rows*(k+blocks))
	for q := range blocks {
		packA(kern, p.block(q), at(a, lda, transA, 0, q*kc), lda, transA, m, min(kc, k-q*kc), bias)
		bias = nil // enters the sum once
	}
}

// block returns the panels of terms q kc and on.
func (p *Packed[T]) block(q int) []T {
	return p.data[roundUp(p.m, p.kern.mr)*(q*p.kc+q):]
}

// GemmPacked sets C = op(A) op(B) + bias, or C += op(A) op(B) + bias with add,
// where A and the bias are those of pa and the bias is added to every column.
// op(B) is (k, n), C is (m, n); they are as in Gemm.
//
// After columns [j0, j1) of C are complete, GemmPacked calls done(j0, j1), if
// done is not nil: the place for what follows the product element by element,
// as a gate does, while they are in cache. The calls cover [0, n) in order.
func GemmPacked[T num.Float](ws *Workspace[T], pa *Packed[T], transB bool, n int, b []T, ldb int, c []T, ldc int, add bool, done func(j0, j1 int)) {
	checkOp("B", transB, pa.k, n, len(b), ldb)
	check("C", pa.m, n, len(c), ldc)
	ws.grow(pa.kern, 0, pa.kc)
	_, blocks := split(pa.k, blockK)
	for j := 0; j < n; j += blockN {
		nj := min(blockN, n-j)
		for q := range blocks {
			p := q * pa.kc
			multiply(pa.kern, ws, pa.block(q), at(b, ldb, transB, p, j), ldb, transB,
				pa.m, nj, min(pa.kc, pa.k-p), from(c, j), ldc, add || q > 0)
		}
		if done != nil {
			done(j, j+nj)
		}
	}
}

// multiply sets C = A op(B), or adds to it, for one block of terms. A is packed
// with its bias; op(B) is (k, n) and packed here, a panel at a time.
func multiply[T num.Float](kern *kernel[T], ws *Workspace[T], a, b []T, ldb int, transB bool, m, n, k int, c []T, ldc int, add bool) {
	nr := kern.nr
	for j := 0; j < n; j += nr {
		nj := min(nr, n-j)
		pack(kern, ws.b, at(b, ldb, transB, 0, j), ldb, !transB, k, nr, nj)
		kern.column(ws, k, a, ws.b, m, nj, from(c, j), ldc, add)
	}
}

// column sets a column of tiles C (m, n), n at most nr, or adds to it, for k terms of the
// panels of A with their biases and of one of B.
func (kern *kernel[T]) column(ws *Workspace[T], k int, a, b []T, m, n int, c []T, ldc int, add bool) {
	mr, i := kern.mr, 0
	if n == kern.nr {
		whole := kern.run[len(kern.run)-1]
		for ; i+mr <= m; i += mr {
			whole(k, a[i*(1+k):], b, c[i*ldc:], ldc, add)
		}
	}
	for ; i < m; i += mr {
		kern.tile(ws, k, a[i*(1+k):], b, min(mr, m-i), n, c[i*ldc:], ldc, add)
	}
}

// tile sets the tile C (m, n), which may be less than a full one, or adds to it,
// for k terms of a panel of A with its bias and one of B.
func (kern *kernel[T]) tile(ws *Workspace[T], k int, a, b []T, m, n int, c []T, ldc int, add bool) {
	run := kern.run[(m-1)/kern.step]
	if n == kern.nr && m%kern.step == 0 {
		run(k, a, b, c, ldc, add)
		return
	}
	run(k, a, b, ws.tile, kern.nr, false)
	for r := range m {
		moveRow(c[r*ldc:][:n], ws.tile[r*kern.nr:], add)
	}
}

// moveRow copies the first len(dst) elements of src to dst, or adds them.
func moveRow[T num.Float](dst, src []T, add bool) {
	if !add {
		copy(dst, src)
		return
	}
	for i := range dst {
		dst[i] += src[i]
	}
}

// grow makes room for rows x k of A, a panel of B of k terms and a tile.
func (ws *Workspace[T]) grow(kern *kernel[T], rows, k int) {
	ws.a = num.Grow(ws.a, roundUp(rows, kern.mr)*(k+1))
	ws.b = num.Grow(ws.b, kern.nr*k)
	ws.tile = num.Grow(ws.tile, kern.mr*kern.nr)
}

// split cuts n into blocks of nearly equal size, at most limit, and returns the
// size and the number of blocks. There is one block, of size 0, for n = 0.
func split(n, limit int) (size, blocks int) {
	blocks = max(1, (n+limit-1)/limit)
	return (n + blocks - 1) / blocks, blocks
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// at returns the elements of op(A) from row i and column j on, or nil if there
// are none.
func at[T num.Float](a []T, ld int, trans bool, i, j int) []T {
	if trans {
		i, j = j, i
	}
	return from(a, i*ld+j)
}

// from returns a[off:], or nil if a is shorter.
func from[T num.Float](a []T, off int) []T {
	if off >= len(a) {
		return nil
	}
	return a[off:]
}

// checkOp panics unless op(X) can be (rows, cols).
func checkOp(name string, trans bool, rows, cols, length, ld int) {
	if trans {
		rows, cols = cols, rows
	}
	check(name, rows, cols, length, ld)
}

// check panics unless a slice of the given length holds rows x cols elements at
// leading dimension ld.
func check(name string, rows, cols, length, ld int) {
	if rows < 0 || cols < 0 {
		panic(fmt.Sprintf("gemm: want sizes >= 0, got %s (%d, %d)", name, rows, cols))
	}
	if ld < cols {
		panic(fmt.Sprintf("gemm: want leading dimension of %s >= %d, got %d", name, cols, ld))
	}
	if rows > 0 && cols > 0 && length < (rows-1)*ld+cols {
		panic(fmt.Sprintf("gemm: want %s (%d, %d) of length >= %d, got %d", name, rows, cols, (rows-1)*ld+cols, length))
	}
}
