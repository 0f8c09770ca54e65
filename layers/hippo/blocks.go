package hippo

import (
	"fmt"
	"math/cmplx"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Blocks is a block-diagonal normal matrix (N, N) of equal blocks by its eigenvectors: J
// blocks of n = N/J states, with m = n eigenvalues each, or n/2, one of each conjugate
// pair. P = J m are all of them.
type Blocks struct {
	J      int
	Lambda []complex128 // (m): those of each block
	V      *mat.CDense  // (n, m): their unit eigenvectors
}

// NormalBlocks returns the matrix that S5 starts from (S5, section 4.2 and appendix
// B.1.1): each of so many blocks, of n/blocks states, is the normal part of LegS,
//
//	A + p p^T = -1/2 I + skew,   p_k = sqrt(k + 1/2)
//
// with the eigenvalues in the order of their imaginary part, most negative first. pairs
// keeps one of each conjugate pair, that of Im <= 0. The eigenvectors have the phases of
// [NPLR]. n is a multiple of blocks, and n/blocks is even.
func NormalBlocks(n, blocks int, pairs bool) (*Blocks, error) {
	fail := func(format string, args ...any) (*Blocks, error) {
		return nil, fmt.Errorf("hippo: NormalBlocks: "+format, args...)
	}
	if n < 1 || blocks < 1 || n%blocks != 0 || n/blocks%2 != 0 {
		return fail("want N >= 2 and a number of blocks that divides it into blocks of an even number of states (conjugate pairs), got N = %d, blocks = %d", n, blocks)
	}
	if n/blocks > MaxN {
		return fail("want blocks of at most %d states, got %d", MaxN, n/blocks)
	}
	if err := size.Tensor("V (N/blocks, N/blocks)", n/blocks, n/blocks); err != nil {
		return fail("%w", err)
	}
	d, err := NPLR(LegS, n/blocks, 1, NPLROptions{})
	if err != nil {
		return fail("%w", err)
	}
	b := &Blocks{J: blocks, Lambda: d.Lambda, V: d.V}
	if !pairs {
		b.conjugates()
	}
	return b, nil
}

// conjugates adds the other of each pair.
func (b *Blocks) conjugates() {
	n, half := b.V.Dims()
	v := mat.NewCDense(n, n, nil)
	for k := range half {
		for i := range n {
			v.Set(i, k, b.V.At(i, k))
			v.Set(i, n-1-k, cmplx.Conj(b.V.At(i, k)))
		}
		b.Lambda = append(b.Lambda, cmplx.Conj(b.Lambda[half-1-k]))
	}
	b.V = v
}

// Eigenvalues returns those of all blocks, (P).
func (b *Blocks) Eigenvalues() []complex128 {
	var all []complex128
	for range b.J {
		all = append(all, b.Lambda...)
	}
	return all
}

// Inputs returns the input matrix b0 (N, H) in the eigenbasis, V^H b0 (P, H). It returns
// an error if the length is wrong.
func (b *Blocks) Inputs(b0 []float64, h int) ([]complex128, error) {
	n, m := b.V.Dims()
	if err := num.CheckLen("b0", b0, b.J*n*h, false); err != nil {
		return nil, fmt.Errorf("hippo: Blocks.Inputs: %w", err)
	}
	out := make([]complex128, b.J*m*h)
	for j := range b.J {
		for k := range m {
			row := out[(j*m+k)*h:][:h]
			for i := range n {
				v := cmplx.Conj(b.V.At(i, k))
				for f, x := range b0[(j*n+i)*h:][:h] {
					row[f] += v * complex(x, 0)
				}
			}
		}
	}
	return out, nil
}

// Outputs returns the output matrix c0 (H, N) in the eigenbasis, c0 V (H, P). It returns
// an error if the length is wrong.
func (b *Blocks) Outputs(c0 []complex128, h int) ([]complex128, error) {
	n, m := b.V.Dims()
	if len(c0) != h*b.J*n {
		return nil, fmt.Errorf("hippo: Blocks.Outputs: c0: want %d elements, got %d", h*b.J*n, len(c0))
	}
	out := make([]complex128, h*b.J*m)
	for f := range h {
		for j := range b.J {
			row := out[(f*b.J+j)*m:][:m]
			for i := range n {
				x := c0[(f*b.J+j)*n+i]
				for k := range row {
					row[k] += x * b.V.At(i, k)
				}
			}
		}
	}
	return out, nil
}
