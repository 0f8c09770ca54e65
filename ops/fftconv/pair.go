package fftconv

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Rows that share a transform share its rounding, which is relative to the
// Euclidean norm of both. So that none is heard in the other, the rows of a pair
// are of one size: within a factor of 2^alikeBits, or scaled by powers of two,
// which is exact and undone where their result is stored. A row that is not
// finite has no size and is transformed alone; one of zeros, such as a dropped
// feature or padding, is not transformed at all.

const (
	// alikeBits: norms within this many bits of one another are of one size.
	alikeBits = 2
	// commonBits: a pair takes the size of its louder row if that is within
	// this many bits of 1, so that one row is scaled and not both.
	commonBits = 32
	// zeroSize is the exponent of a row of zeros.
	zeroSize = math.MinInt
)

// pair is the rows of a transform, of equal length.
type pair[T num.Float] struct {
	a, b   []T // b is nil where there is none
	ea, eb int // they are scaled by 2^ea and 2^eb
}

// room is memory for the rows of a pair that cannot be used as they are.
type room[T num.Float] [2][]T

func newRoom[T num.Float](l int) room[T] { return room[T]{num.Aligned[T](l), num.Aligned[T](l)} }

// pair returns the rows a and b, which may be nil, at one size. It is false
// where they may not share a transform.
func (r *room[T]) pair(a, b []T) (pair[T], bool) {
	ea, eb, ok := exponents([][]T{a}, [][]T{b})
	if !ok {
		return pair[T]{}, false
	}
	return r.fit(a, b, ea, eb), true
}

// fit returns the rows a and b times 2^ea and 2^eb, the shorter one with zeros
// behind it.
func (r *room[T]) fit(a, b []T, ea, eb int) pair[T] {
	n := max(len(a), len(b))
	p := pair[T]{a: fitRow(r[0], a, n, ea), ea: ea, eb: eb}
	if b != nil {
		p.b = fitRow(r[1], b, n, eb)
	}
	return p
}

func fitRow[T num.Float](room, x []T, n, e int) []T {
	if len(x) == n && e == 0 {
		return x
	}
	scale(room[:len(x)], x, e)
	clear(room[len(x):n])
	return room[:n]
}

// scale sets dst to 2^e x.
func scale[T num.Float](dst, x []T, e int) {
	const most = 100 // a float32 holds 2^most and its inverse
	for {
		step := min(max(e, -most), most)
		vec.Scale(dst, T(math.Ldexp(1, step)), x)
		if e -= step; e == 0 {
			return
		}
		x = dst
	}
}

// exponents returns ea and eb such that every row of as times 2^ea is of the
// size of the same row of bs times 2^eb. It is false where there are none. Rows
// of bs may be nil.
func exponents[T num.Float](as, bs [][]T) (ea, eb int, ok bool) {
	for i, a := range as {
		if b := bs[i]; b != nil && !alike[T](vec.RoughSumSq(a), vec.RoughSumSq(b)) {
			return unlike(as, bs)
		}
	}
	return 0, 0, true
}

// unlike is exponents for rows that differ.
func unlike[T num.Float](as, bs [][]T) (ea, eb int, ok bool) {
	sizeA, okA := largest(as)
	sizeB, okB := largest(bs)
	if !okA || !okB || sizeA == zeroSize || sizeB == zeroSize {
		return 0, 0, false
	}
	common := max(sizeA, sizeB)
	if common < -commonBits || common > commonBits {
		common = 0
	}
	ea, eb = common-sizeA, common-sizeB
	for i := range as {
		a, _ := exponent(as[i])
		b, _ := exponent(bs[i])
		if d := a + ea - b - eb; (a == zeroSize) != (b == zeroSize) || a != zeroSize && (d < -alikeBits || d > alikeBits) {
			return 0, 0, false
		}
	}
	return ea, eb, true
}

// areZero reports whether all rows are zero, or empty.
func areZero[T num.Float](rows [][]T) bool {
	e, ok := largest(rows)
	return ok && e == zeroSize
}

// largest returns the largest exponent of the rows, false where one is not
// finite.
func largest[T num.Float](rows [][]T) (e int, ok bool) {
	e = zeroSize
	for _, x := range rows {
		v, ok := exponent(x)
		if !ok {
			return 0, false
		}
		e = max(e, v)
	}
	return e, true
}

// exponent returns the power of two that is next to the norm of x, false where
// an element is not finite.
func exponent[T num.Float](x []T) (e int, ok bool) {
	if q := vec.SumSq64(x); q >= 0x1p-960 && q <= 0x1p960 { // nothing was lost in it
		return halfExponent(q), true
	}
	var top float64
	for _, v := range x {
		top = max(top, math.Abs(float64(v))) // NaN stays
	}
	switch {
	case !num.Finite(top):
		return 0, false
	case top == 0:
		return zeroSize, true
	}
	_, e = math.Frexp(top)
	var q float64
	for _, v := range x {
		r := math.Ldexp(float64(v), -e)
		q += r * r
	}
	return e + halfExponent(q), true
}

// halfExponent returns the exponent of sqrt(q).
func halfExponent(q float64) int {
	_, e := math.Frexp(q)
	return e >> 1
}

// alike reports whether rows with these rough sums of squares are of one size,
// and so near to 1 that nothing is lost, by overflow or underflow, in the sums or
// in a transform of the rows.
func alike[T num.Float](qa, qb float64) bool {
	const most = 1 << (2 * alikeBits)
	lo, hi := 0x1p-900, 0x1p900
	var v T
	if _, isSingle := any(v).(float32); isSingle {
		lo, hi = 0x1p-90, 0x1p90
	}
	return qa >= lo && qb >= lo && qa <= hi && qb <= hi && qa <= most*qb && qb <= most*qa
}
