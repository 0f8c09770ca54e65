package gemm

import (
	"fmt"

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
	bias []T // (n) or nil
}

// Pack copies op(B), which is (k, n), and the bias (n) or nil, into p, whose
// memory it reuses. B is as in Gemm.
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
			pack(kern, p.panel(q, j, kq), at(b, ldb, transB, q*kc, j), ldb, !transB, kq, nr, min(nr, n-j))
		}
	}
	p.bias = append(p.bias[:0], bias...)
}

// panel returns the kq terms of block q of the columns from j on, a multiple of
// nr.
func (p *PackedB[T]) panel(q, j, kq int) []T {
	return p.data[roundUp(p.n, p.kern.nr)*q*p.kc+j*kq:][:kq*p.kern.nr]
}

// GemmPackedB sets C = A B + bias, where op(B) and the bias are those of pb and
// the bias is added to every row. A is (m, k), C is (m, n); they are as in Gemm.
func GemmPackedB[T num.Float](ws *Workspace[T], m int, a []T, lda int, pb *PackedB[T], c []T, ldc int) {
	check("A", m, pb.k, len(a), lda)
	check("C", m, pb.n, len(c), ldc)
	for i := range m {
		clear(c[i*ldc:][copy(c[i*ldc:][:pb.n], pb.bias):pb.n])
	}
	kern := pb.kern
	mr, nr := kern.mr, kern.nr
	ws.grow(kern, m, pb.kc)
	_, blocks := split(pb.k, blockK)
	for q := range blocks {
		kq := min(pb.kc, pb.k-q*pb.kc)
		packA(kern, ws.a, at(a, lda, false, 0, q*pb.kc), lda, false, m, kq, nil)
		for j := 0; j < pb.n; j += nr {
			panel := pb.panel(q, j, kq)
			for i := 0; i < m; i += mr {
				kern.tile(ws, kq, ws.a[i*(1+kq):], panel, min(mr, m-i), min(nr, pb.n-j), c[i*ldc+j:], ldc, true)
			}
		}
	}
}
