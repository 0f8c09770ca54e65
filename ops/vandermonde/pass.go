package vandermonde

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// The passes: loops over the rows of the tables of a series, for all of its
// poles. The poles lie side by side in vector registers. Powers are worked out
// in float64 whatever the type of a table.
//
// pass_generic.go has the passes in Go; those for AVX2, AVX-512 and NEON are generated
// (internal/asm/_gen/vandermonde) and know the constants below.

// group is the number of powers worked out side by side: tables have a multiple
// of it in rows.
const group = 4

// groups returns the number of groups that hold the given number of rows.
func groups(rows int) int { return (rows + group - 1) / group }

// passes are the passes of one instruction set. A complex row is planar, n real
// parts and n imaginary ones.
type passes[T num.Float] struct {
	powers   func(dst []T, x, z, c []float64, n, groups int)
	tangents func(dst []T, x, z []float64, n, groups int)
	horner   func(s, x []float64, u []T, n, rows int)
	// lanes is how many poles there are at least.
	lanes int
}

// passesFor returns the fastest passes for n poles.
func passesFor[T num.Float](n int) *passes[T] {
	levels, ok := any(&passes32).(*[cpu.Levels]passes[T])
	if !ok {
		levels = any(&passes64).(*[cpu.Levels]passes[T])
	}
	l := cpu.Active()
	for levels[l].lanes > n {
		l--
	}
	return &levels[l]
}

// tiny is below which powers are taken for 0: so small that a product of two of
// them would be subnormal in T. Arithmetic on subnormal numbers is a hundred
// times slower, and beside z^0 = 1 they are nothing.
func tiny[T num.Float]() float64 {
	if _, ok := any(T(0)).(float32); ok {
		return 0x1p-60
	}
	return 0x1p-500
}

// powers writes c z^i to row i of dst (group*groups, 2n), and z^(group*groups)
// to x (2n). z and c are complex rows.
//
// The relative error of z^i is that of z times i and i/group + 3 roundings.
func powers[T num.Float](dst []T, x, z, c []float64, groups int) {
	n := len(z) / 2
	want("powers", "dst", 2*n*group*groups, len(dst))
	want("powers", "x", 2*n, len(x))
	want("powers", "c", 2*n, len(c))
	passesFor[T](n).powers(dst, x, z, c, n, groups)
}

// tangents writes z^i and its derivative i z^(i-1) to row i of dst
// (group*groups+1, 4n), of the last row the derivative alone, and z^(group*groups)
// to x (2n). z is a complex row.
func tangents[T num.Float](dst []T, x, z []float64, groups int) {
	n := len(z) / 2
	want("tangents", "dst", 4*n*(group*groups+1), len(dst))
	want("tangents", "x", 2*n, len(x))
	passesFor[T](n).tangents(dst, x, z, n, groups)
}

// horner writes to s (3, 2n) the sums of U_j x^j and of V_j x^j, and the
// derivative of the first by x; (U_j, V_j) is row j of u (rows, 4n), and x a
// complex row. It panics if the lengths do not fit, as powers and tangents do.
func horner[T num.Float](s, x []float64, u []T) {
	n := len(x) / 2
	want("horner", "s", 6*n, len(s))
	if len(u)%(4*n) != 0 {
		panic(fmt.Sprintf("vandermonde: horner: want rows of %d, got %d elements", 4*n, len(u)))
	}
	passesFor[T](n).horner(s, x, u, n, len(u)/(4*n))
}

// want panics unless an operand has the length n.
func want(pass, operand string, n, got int) {
	if n != got {
		panic(fmt.Sprintf("vandermonde: %s: want %s of length %d, got %d", pass, operand, n, got))
	}
}
