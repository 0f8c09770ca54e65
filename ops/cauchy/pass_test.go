package cauchy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil/fence"
)

// atLevel runs f with the instruction set l.
func atLevel(l cpu.Level, f func()) {
	defer cpu.SetActive(cpu.SetActive(l))
	f()
}

// passCase has the operands of both passes.
type passCase struct {
	y, c                   []float64
	terms                  []term
	coef, acc, right, left []float64
}

func newPassCase(rng *rand.Rand, n, pairs, rights, lefts int) *passCase {
	normal := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = rng.NormFloat64()
		}
		return v
	}
	each := 2 * (2 + rights + lefts)
	p := &passCase{
		y: make([]float64, n), c: make([]float64, n), terms: make([]term, pairs),
		coef: normal(pairs * each), acc: normal(pairs * each * lanes),
		right: newRows(rights), left: newRows(lefts),
	}
	copy(p.right, normal(len(p.right)))
	copy(p.left, normal(len(p.left)))
	for k := range n {
		theta := math.Pi * rng.Float64()
		p.y[k], p.c[k] = 2*math.Sin(theta/2), math.Cos(theta/2)
	}
	for i := range p.terms {
		t := &p.terms[i]
		t.decay, t.freq = 0.05+rng.ExpFloat64(), 3*rng.NormFloat64()
		copy(t.re[:], normal(group))
		copy(t.im[:], normal(group))
		p.coef[i*each], p.coef[i*each+1] = t.decay, t.freq
	}
	return p
}

// same reports whether a and b have the same elements, NaN included.
func same(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || x != x && y != y })
}

// apply returns the sums at the nodes, (2*group, nodes), and acc.
func (p *passCase) apply(t *testing.T, l cpu.Level, offset int) (sum, acc []float64) {
	t.Helper()
	y, c, coef := fence.Of(p.y, offset), fence.Of(p.c, offset+1), fence.Of(p.coef, offset+2)
	right, left := fence.Of(p.right, offset+3), fence.Of(p.left, offset+4)
	const untouched = 12345
	blank := newRows(group)
	for i := range blank {
		blank[i] = untouched
	}
	dst, total := fence.Of(blank, offset+5), fence.Of(p.acc, offset+6)
	atLevel(l, func() {
		sums(dst.V, y.V, c.V, p.terms)
		resolve(total.V, coef.V, y.V, c.V, right.V, left.V)
	})
	for name, operand := range map[string]*fence.Buffer[float64]{"y": y, "c": c, "coef": coef, "right": right, "left": left} {
		operand.Unchanged(t, name)
	}
	dst.Check(t, "sums")
	total.Check(t, "acc")
	for lo := 0; lo < len(dst.V); lo += block {
		sum = append(sum, dst.V[lo:][:len(p.y)]...)
		for k, v := range dst.V[lo+len(p.y) : lo+block] {
			if v != untouched {
				t.Fatalf("sums: node %d of %d was written", len(p.y)+k, len(p.y))
			}
		}
	}
	return sum, total.V
}

// agree reports whether a and b are equal up to tol times the largest element,
// and not finite at the same places.
func agree(a, b []float64, tol float64) bool {
	var size float64
	for i := range a {
		if num.Finite(a[i]) != num.Finite(b[i]) {
			return false
		}
		if num.Finite(a[i]) {
			size = max(size, math.Abs(a[i]))
		}
	}
	for i := range a {
		if num.Finite(a[i]) && math.Abs(a[i]-b[i]) > tol*size {
			return false
		}
	}
	return true
}

// The passes of every instruction set against those in Go, and against each
// other: what AVX2 and AVX-512 compute is the same to the bit.
func TestPasses(t *testing.T) {
	const tol = 1e-13
	rng := rand.New(rand.NewPCG(1, 1))
	for n := 0; n <= block; n += lanes {
		for pairs := range 6 {
			for _, rows := range [][2]int{{1, 2}, {1, 3}, {2, 3}, {2, 4}, {1, 5}, {3, 6}} {
				p := newPassCase(rng, n, pairs, rows[0], rows[1])
				name := fmt.Sprintf("%d nodes, %d pairs, %d rows", n, pairs, rows)
				comparePasses(t, name, p, rng.IntN(8), tol)
			}
		}
	}
}

func comparePasses(t *testing.T, name string, p *passCase, offset int, tol float64) {
	t.Helper()
	wantSum, wantAcc := p.apply(t, cpu.Generic, 0)
	var lastSum, lastAcc []float64
	for l := cpu.Generic + 1; l <= cpu.Detected(); l++ {
		sum, acc := p.apply(t, l, offset)
		if !agree(wantSum, sum, tol) {
			t.Errorf("%v: %s: sums are %v, want %v", l, name, sum, wantSum)
		}
		if !agree(wantAcc, acc, tol) {
			t.Errorf("%v: %s: acc is %v, want %v", l, name, acc, wantAcc)
		}
		if lastSum != nil && (!same(lastSum, sum) || !same(lastAcc, acc)) {
			t.Errorf("%s: %v and %v differ", name, l-1, l)
		}
		lastSum, lastAcc = sum, acc
	}
}

// Numbers that are not finite, in every kind of operand.
func TestPassesNotFinite(t *testing.T) {
	const tol = 1e-13
	rng := rand.New(rand.NewPCG(2, 1))
	for i := range 300 {
		p := newPassCase(rng, 24, 3, 1+i%2, 2+i%3)
		v := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[rng.IntN(3)]
		operands := [][]float64{p.y, p.c, p.coef, p.right, p.left, p.acc, p.terms[1].re[:], p.terms[0].im[:]}
		name := fmt.Sprintf("%v in operand %d", v, i%len(operands))
		x := operands[i%len(operands)]
		x[rng.IntN(len(x))] = v
		comparePasses(t, name, p, 0, tol)
	}
}

func TestPassesPanic(t *testing.T) {
	fine := func() *passCase { return newPassCase(rand.New(rand.NewPCG(3, 1)), lanes, 2, 1, 2) }
	for name, f := range map[string]func(p *passCase){
		"nodes that do not fill a vector": func(p *passCase) { sums(newRows(group), p.y[:3], p.c[:3], p.terms) },
		"fewer cosines":                   func(p *passCase) { sums(newRows(group), p.y, p.c[:0], p.terms) },
		"more than a block":               func(p *passCase) { v := make([]float64, 2*block); sums(newRows(group), v, v, p.terms) },
		"rows missing":                    func(p *passCase) { sums(newRows(group-1), p.y, p.c, p.terms) },
		"coefficients of half a pair":     func(p *passCase) { resolve(p.acc, p.coef[:5], p.y, p.c, p.right, p.left) },
		"sums missing":                    func(p *passCase) { resolve(p.acc[1:], p.coef, p.y, p.c, p.right, p.left) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f(fine())
		}()
	}
}

// BenchmarkPasses times both passes of a block for 32 pairs of poles, rank 1.
func BenchmarkPasses(b *testing.B) {
	p := newPassCase(rand.New(rand.NewPCG(1, 1)), block, 32, 1, 2)
	dst := newRows(group)
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		b.Run(fmt.Sprintf("%v/sums", l), func(b *testing.B) {
			defer cpu.SetActive(cpu.SetActive(l))
			for b.Loop() {
				sums(dst, p.y, p.c, p.terms)
			}
		})
		b.Run(fmt.Sprintf("%v/resolve", l), func(b *testing.B) {
			defer cpu.SetActive(cpu.SetActive(l))
			for b.Loop() {
				resolve(p.acc, p.coef, p.y, p.c, p.right, p.left)
			}
		})
	}
}
