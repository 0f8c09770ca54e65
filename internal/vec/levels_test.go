package vec

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil/fence"
)

// at runs f at a level.
func at(l cpu.Level, f func()) {
	defer cpu.SetActive(cpu.SetActive(l))
	f()
}

// plainly runs f with the formulas of scalar.go for all arguments: the oracle of every
// level, of portable Go in float32 too.
func plainly(f func()) {
	was := kernels32[cpu.Generic]
	defer func() { kernels32[cpu.Generic] = was }()
	kernels32[cpu.Generic] = generic[float32]()
	at(cpu.Generic, f)
}

// eachLevel runs a test at every level of this machine.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		t.Run(l.String(), func(t *testing.T) { at(l, func() { f(t) }) })
	}
}

// op is an elementwise function under test.
type op[T num.Float] struct {
	name      string
	ins, outs int
	call      func(out, in [][]T)
	update    bool // the outs start as the first ins
	positive  int  // this in and those after it are not negative
	// size returns what the rounding error of result j is relative to, where it
	// is greater than the result itself.
	size func(j int, in []float64) float64
	// Where the size is no number of T, an infinite factor may meet one that is 0 by
	// rounding alone: the result is not compared.
	finite bool
}

// sumOf is the size of a sum.
func sumOf(_ int, in []float64) float64 {
	var s float64
	for _, v := range in {
		s += math.Abs(v)
	}
	return s
}

func ops[T num.Float]() []op[T] {
	unary := func(name string, f func(dst, x []T)) op[T] {
		return op[T]{name: name, ins: 1, outs: 1, positive: 1, call: func(out, in [][]T) { f(out[0], in[0]) }}
	}
	binary := func(name string, f func(dst, a, b []T)) op[T] {
		return op[T]{name: name, ins: 2, outs: 1, positive: 2, call: func(out, in [][]T) { f(out[0], in[0], in[1]) }}
	}
	with := func(o op[T], size func(j int, in []float64) float64) op[T] {
		o.size = size
		return o
	}
	const alpha = 0.7
	var z, dz []T
	normal := least[T]() / epsilon[T]() // a product below has an error of its own
	step := NewAdamWStep[T](1e-2, 0.9, 0.999, 1e-8, 0.1, 3)
	return []op[T]{
		unary("Exp", Exp[T]), unary("Sigmoid", Sigmoid[T]), unary("Tanh", Tanh[T]), unary("Erf", Erf[T]),
		unary("GELU", GELU[T]), unary("GELUTanh", GELUTanh[T]), unary("SiLU", SiLU[T]),
		with(binary("GELUGrad", GELUGrad[T]), func(_ int, in []float64) float64 { return math.Abs(in[1]) }),         // crosses 0
		with(binary("GELUTanhGrad", GELUTanhGrad[T]), func(_ int, in []float64) float64 { return math.Abs(in[1]) }), // crosses 0
		with(binary("SiLUGrad", SiLUGrad[T]), func(_ int, in []float64) float64 { return math.Abs(in[1]) }),         // crosses 0
		binary("GLU", GLU[T]), binary("Add", Add[T]), binary("Mul", Mul[T]), binary("Sub", Sub[T]), binary("Max", Max[T]),
		{name: "GLUGrad", ins: 3, outs: 2, positive: 3, call: func(out, in [][]T) { GLUGrad(out[0], out[1], in[0], in[1], in[2]) }},
		unary("Scale", func(dst, x []T) { Scale(dst, alpha, x) }),
		{name: "Axpy", ins: 2, outs: 1, positive: 2, update: true,
			call: func(out, in [][]T) { Axpy(out[0], alpha, in[1]) },
			size: func(_ int, in []float64) float64 { return math.Abs(in[0]) + math.Abs(in[1]) }},
		{name: "AddMul", ins: 3, outs: 1, positive: 3, update: true,
			call: func(out, in [][]T) { AddMul(out[0], in[1], in[2]) },
			size: func(_ int, in []float64) float64 { return math.Abs(in[0]) + math.Abs(in[1]*in[2]) }},
		{name: "GELUBoth", ins: 1, outs: 2, positive: 1, call: func(out, in [][]T) { GELUBoth(out[0], out[1], in[0]) },
			size: func(j int, in []float64) float64 { return float64(j) }}, // the second crosses 0
		{name: "GELUTanhBoth", ins: 1, outs: 2, positive: 1, call: func(out, in [][]T) { GELUTanhBoth(out[0], out[1], in[0]) },
			size: func(j int, in []float64) float64 { return float64(j) }},
		{name: "SiLUBoth", ins: 1, outs: 2, positive: 1, call: func(out, in [][]T) { SiLUBoth(out[0], out[1], in[0]) },
			size: func(j int, in []float64) float64 { return float64(j) }},
		{name: "AddDiff", ins: 3, outs: 1, positive: 3, update: true,
			call: func(out, in [][]T) { AddDiff(out[0], in[1], in[2]) }, size: sumOf},
		{name: "AddSquareDiff", ins: 3, outs: 1, positive: 3, update: true,
			call: func(out, in [][]T) { AddSquareDiff(out[0], in[1], in[2]) },
			size: func(_ int, in []float64) float64 {
				return math.Abs(in[0]) + (math.Abs(in[1])+math.Abs(in[2]))*(math.Abs(in[1])+math.Abs(in[2]))
			}},
		{name: "Normalise", ins: 3, outs: 1, positive: 3,
			call: func(out, in [][]T) { Normalise(out[0], in[0], in[1], in[2], alpha, 0.3) },
			size: func(_ int, in []float64) float64 { return (math.Abs(in[0])+math.Abs(in[1]))*math.Abs(in[2]) + 1 }},
		{name: "NormProducts", ins: 6, outs: 4, positive: 6, update: true,
			call: func(out, in [][]T) { NormProducts(out[2], out[3], out[0], out[1], in[2], in[3], in[4], in[5], alpha) },
			size: func(j int, in []float64) float64 {
				xh := (math.Abs(in[2]) + math.Abs(in[4])) * math.Abs(in[5])
				return []float64{math.Abs(in[0]) + math.Abs(in[3]), math.Abs(in[1]) + xh*math.Abs(in[3]), xh, xh * math.Abs(in[3])}[j]
			}},
		{name: "NormGrad", ins: 5, outs: 1, positive: 5,
			call: func(out, in [][]T) { NormGrad(out[0], in[0], in[1], in[2], in[3], in[4], alpha) },
			size: func(_ int, in []float64) float64 {
				return (math.Abs(in[1]) + math.Abs(in[3]) + math.Abs(in[0]*in[4])) * math.Abs(in[2])
			}},
		{name: "Affine", ins: 1, outs: 1, positive: 1,
			call: func(out, in [][]T) { Affine(out[0], in[0], 0.2, alpha, 0.3) },
			size: func(_ int, in []float64) float64 { return math.Abs(in[0]) + 1 }},
		{name: "AffineGrad", ins: 2, outs: 1, positive: 2,
			call: func(out, in [][]T) { AffineGrad(out[0], in[0], in[1], 0.2, alpha, 0.1, 0.3) },
			size: func(_ int, in []float64) float64 { return math.Abs(in[0]) + math.Abs(in[1]) + 1 }},
		// z has memory of its own, and is cut into its gates behind the others.
		{name: "LSTM", ins: 5, outs: 6, positive: 5,
			call: func(out, in [][]T) {
				z = joined(z, in[:4])
				LSTM(z, in[4], out[4], out[5])
				cut(out[:4], z)
			},
			size: func(j int, in []float64) float64 { return []float64{0, 0, 0, 0, 1 + math.Abs(in[4]), 1}[j] }},
		{name: "LSTMGrad", ins: 9, outs: 6, positive: 9, update: true, finite: true,
			call: func(out, in [][]T) {
				z, dz = joined(z, in[4:8]), num.Grow(dz, 4*len(in[0]))
				LSTMGrad(dz, z, in[2], in[3], out[0], out[1], in[8])
				cut(out[2:6], dz)
			},
			size: func(j int, v []float64) float64 {
				dh, dc, c0 := math.Abs(v[0])+math.Abs(v[8]), math.Abs(v[1]), math.Abs(v[2])
				i, f, c, o := math.Abs(v[4]), math.Abs(v[5]), math.Abs(v[6]), math.Abs(v[7])
				e := dc + 2*dh*o + normal
				c0 += normal
				return []float64{0, e * f, e * c * i * (1 + i), e * c0 * f * (1 + f), e * i * (1 + c*c), dh * o * (1 + o)}[j]
			}},
		{name: "GRU", ins: 5, outs: 4, positive: 5,
			call: func(out, in [][]T) {
				z = joined(z, in[:4])
				GRU(z, in[4], out[3])
				cut(out[:3], z)
			},
			size: func(j int, v []float64) float64 {
				return []float64{math.Abs(v[0]) + math.Abs(v[3]), 0, 0, math.Abs(v[0]) + math.Abs(v[3]) + 1 + math.Abs(v[4])}[j]
			}},
		{name: "GRUGrad", ins: 7, outs: 5, positive: 7, update: true, finite: true,
			call: func(out, in [][]T) {
				z, dz = joined(z, in[1:5]), num.Grow(dz, 4*len(in[0]))
				GRUGrad(dz, z, in[5], out[0], in[6])
				cut(out[1:5], dz)
			},
			size: func(j int, v []float64) float64 {
				dh, h := math.Abs(v[0])+math.Abs(v[6]), math.Abs(v[5])
				n, r, u, q := math.Abs(v[1]), math.Abs(v[2]), math.Abs(v[3]), math.Abs(v[4])
				e := dh*(1+u)*(1+n*n) + normal
				return []float64{dh * u, e, e * q * r * (1 + r), dh * (h + n) * u * (1 + u), e * r}[j]
			}},
		{name: "AdamW", ins: 4, outs: 3, positive: 1, update: true,
			call: func(out, in [][]T) { AdamW(out[0], in[3], out[1], out[2], step) },
			size: func(j int, in []float64) float64 {
				if j > 0 {
					return 0 // the moments are sums of positive terms
				}
				return math.Abs(in[0]) + 1
			}},
		unary("Softplus", Softplus[T]),
		{name: "Rotate", ins: 4, outs: 2, positive: 4,
			call: func(out, in [][]T) { Rotate(out[0], out[1], in[0], in[1], in[2], in[3]) },
			size: func(j int, v []float64) float64 {
				return (math.Abs(v[0]) + math.Abs(v[1])) * (math.Abs(v[2]) + math.Abs(v[3]))
			}},
		{name: "RotateBy", ins: 2, outs: 2, positive: 2, update: true,
			call: func(out, in [][]T) { RotateBy(out[0], out[1], 0.8, 0.6) }, size: sumOf},
		{name: "Retain", ins: 4, outs: 3, positive: 4, update: true,
			call: func(out, in [][]T) {
				Retain(out[0], out[1], out[2], in[3], Turn[T]{0.8, 0.6, alpha, -0.4, 1.1, 0.9})
			},
			size: func(j int, in []float64) float64 {
				if j > 0 {
					in = in[1:] // a and b do not depend on y
				}
				return sumOf(j, in)
			}},
	}
}

// joined returns slices one behind the other, in the memory of z.
func joined[T num.Float](z []T, parts [][]T) []T {
	z = z[:0]
	for _, p := range parts {
		z = append(z, p...)
	}
	return z
}

// cut copies the parts of z to slices, one behind the other.
func cut[T num.Float](parts [][]T, z []T) {
	for i, p := range parts {
		copy(p, z[i*len(p):])
	}
}

// operands returns random operands of the function, numbers of all sizes among
// them and, with special, NaN and infinities.
func (o op[T]) operands(rng *rand.Rand, n int, special bool) [][]T {
	in := make([][]T, o.ins)
	for j := range in {
		in[j] = make([]T, n)
		for i := range in[j] {
			v := rng.NormFloat64() * 3
			switch r := rng.IntN(20); {
			case r == 0:
				v *= math.Pow(10, 6*rng.NormFloat64())
			case r == 1:
				v *= 30
			case r == 2 && special:
				v = []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1e-320, 1e-42}[rng.IntN(7)]
			}
			if j >= o.positive {
				v = math.Abs(v)
			}
			in[j][i] = T(v)
		}
	}
	return in
}

// apply returns the results on in[lo:hi], from slices whose memory begins offset
// elements further than an aligned place, and fails if anything but the
// destination changes.
func (o op[T]) apply(t *testing.T, in [][]T, lo, hi, offset int) [][]T {
	t.Helper()
	parts, part := make([]*fence.Buffer[T], o.ins), make([][]T, o.ins)
	for j := range in {
		parts[j] = fence.Of(in[j][lo:hi], offset)
		part[j] = parts[j].V
	}
	outs, out := make([]*fence.Buffer[T], o.outs), make([][]T, o.outs)
	for j := range out {
		start := make([]T, hi-lo)
		if o.update {
			start = part[j]
		}
		outs[j] = fence.Of(start, offset)
		out[j] = outs[j].V
	}
	o.call(out, part)
	for _, b := range outs {
		b.Check(t, o.name)
	}
	for _, b := range parts {
		b.Unchanged(t, o.name)
	}
	return out
}

// same reports whether a and b are equal, NaN and signs of zeros included.
func same[T num.Float](a, b []T) bool {
	return slices.EqualFunc(a, b, func(x, y T) bool {
		return x == y && math.Signbit(float64(x)) == math.Signbit(float64(y)) || x != x && y != y
	})
}

// isFloat64 reports whether T is float64.
func isFloat64[T num.Float]() bool { return unsafe.Sizeof(T(0)) == 8 }

// epsilon is half the distance of 1 and the next number.
func epsilon[T num.Float]() float64 {
	if isFloat64[T]() {
		return 0x1p-53
	}
	return 0x1p-24
}

// least is the smallest positive number.
func least[T num.Float]() float64 {
	if isFloat64[T]() {
		return math.SmallestNonzeroFloat64
	}
	return math.SmallestNonzeroFloat32
}

// agree compares results with those of the formulas of scalar.go.
func (o op[T]) agree(t *testing.T, in, want, got [][]T) {
	t.Helper()
	const ulps = 16
	x := make([]float64, o.ins)
	for j := range want {
		for i, w := range want[j] {
			for k := range in {
				x[k] = float64(in[k][i])
			}
			size := math.Abs(float64(w))
			if o.size != nil {
				size = max(size, o.size(j, x))
			}
			g := got[j][i]
			if w == g || w != w && g != g || o.finite && math.IsInf(float64(T(size)), 0) {
				continue
			}
			if d := math.Abs(float64(w) - float64(g)); !(d <= ulps*max(epsilon[T]()*size, least[T]())) {
				t.Errorf("%s of %v, result %d: want %v, got %v", o.name, x, j, w, g)
			}
		}
	}
}

func testAgainstGeneric[T num.Float](t *testing.T) {
	const n = 20011
	rng := rand.New(rand.NewPCG(1, 1))
	for _, o := range ops[T]() {
		in := o.operands(rng, n, true)
		var want [][]T
		plainly(func() { want = o.apply(t, in, 0, n, 0) })
		o.agree(t, in, want, o.apply(t, in, 0, n, 3))
	}
}

// TestAgainstGeneric compares every level with the formulas of scalar.go.
func TestAgainstGeneric(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		t.Run("float32", testAgainstGeneric[float32])
		t.Run("float64", testAgainstGeneric[float64])
	})
}

// TestEveryLevelHasEveryFunction looks at the table of kernels.
func TestEveryLevelHasEveryFunction(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, k := range []any{*active[float32](), *active[float64]()} {
			v := reflect.ValueOf(k)
			for i := range v.NumField() {
				if f := v.Field(i); f.Kind() == reflect.Func && f.IsNil() {
					t.Errorf("%s: %s is missing", v.Type(), v.Type().Field(i).Name)
				}
			}
		}
	})
}

// TestLevelsAgree checks that the elementwise functions give the same bits with
// AVX2 and with AVX-512.
func TestLevelsAgree(t *testing.T) {
	if cpu.Detected() < cpu.AVX512 {
		t.Skip("needs AVX-512")
	}
	t.Run("float32", testLevelsAgree[float32])
	t.Run("float64", testLevelsAgree[float64])
}

func testLevelsAgree[T num.Float](t *testing.T) {
	const n = 20011
	rng := rand.New(rand.NewPCG(7, 7))
	for _, o := range ops[T]() {
		in := o.operands(rng, n, true)
		var avx2, avx512 [][]T
		at(cpu.AVX2, func() { avx2 = o.apply(t, in, 0, n, 0) })
		at(cpu.AVX512, func() { avx512 = o.apply(t, in, 0, n, 0) })
		for j := range avx2 {
			if !same(avx2[j], avx512[j]) {
				t.Errorf("%s: result %d differs", o.name, j)
			}
		}
	}
}

func testPlaces[T num.Float](t *testing.T) {
	const n = 600
	rng := rand.New(rand.NewPCG(2, 2))
	for _, o := range ops[T]() {
		in := o.operands(rng, n, true)
		want := o.apply(t, in, 0, n, 0)
		check := func(lo, hi, offset int) {
			for j, got := range o.apply(t, in, lo, hi, offset) {
				if !same(got, want[j][lo:hi]) {
					t.Fatalf("%s: elements [%d, %d) at offset %d differ from the same elements of the whole", o.name, lo, hi, offset)
				}
			}
		}
		for hi := range n + 1 {
			check(0, hi, hi%16)
		}
		for offset := range 16 {
			for _, length := range []int{0, 1, 3, 8, 15, 16, 17, 31, 63, 65, 130} {
				check(offset, offset+length, offset)
			}
		}
	}
}

// TestPlaces checks that a result is the same, bit for bit, for every length,
// alignment and place in the slice, and that nothing beside it is written.
func TestPlaces(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		t.Run("float32", testPlaces[float32])
		t.Run("float64", testPlaces[float64])
	})
}

func testAliases[T num.Float](t *testing.T) {
	const n = 101
	rng := rand.New(rand.NewPCG(3, 3))
	for _, o := range ops[T]() {
		if o.update {
			continue // its destinations are operands
		}
		in := o.operands(rng, n, false)
		want := o.apply(t, in, 0, n, 0)
		for j := range o.outs {
			for k := range o.ins {
				operands, out := make([][]T, o.ins), make([][]T, o.outs)
				for i := range in {
					operands[i] = slices.Clone(in[i])
				}
				for i := range out {
					out[i] = make([]T, n)
				}
				out[j] = operands[k]
				o.call(out, operands)
				if !same(out[j], want[j]) {
					t.Errorf("%s with result %d in the place of operand %d differs", o.name, j, k)
				}
			}
		}
	}
}

// TestAliases checks that a destination may be an operand.
func TestAliases(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		t.Run("float32", testAliases[float32])
		t.Run("float64", testAliases[float64])
	})
}

func testAllocs[T num.Float](t *testing.T) {
	for _, o := range ops[T]() {
		in, out := make([][]T, o.ins), make([][]T, o.outs)
		for j := range in {
			in[j] = make([]T, 10)
		}
		for j := range out {
			out[j] = make([]T, 10)
		}
		if got := testing.AllocsPerRun(10, func() { o.call(out, in) }); got != 0 {
			t.Errorf("%s allocates %v times", o.name, got)
		}
	}
	x := make([]T, 10)
	if got := testing.AllocsPerRun(10, func() { Sum(x); Dot(x, x); SumSq(x); SumSqDiff(x, 1); DotDiff(x, x, 1) }); got != 0 {
		t.Errorf("the reductions allocate %v times", got)
	}
}

func TestAllocs(t *testing.T) {
	t.Run("float32", testAllocs[float32])
	t.Run("float64", testAllocs[float64])
}

func testReductions[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	lengths := []int{1023, 4096, 30011}
	for n := range 601 {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		offset := n % 16
		a, b := num.Aligned[T](n + offset)[offset:], num.Aligned[T](n + offset)[offset:]
		var sum, sumSq, dot, sumSize, dotSize, sqDiff, dotDiff, dotDiffSize float64
		const c = 0.3
		for i := range a {
			a[i], b[i] = T(rng.NormFloat64()), T(rng.NormFloat64())
			x, y := float64(a[i]), float64(b[i])
			sum, sumSq, dot = sum+x, sumSq+x*x, dot+x*y
			sumSize, dotSize = sumSize+math.Abs(x), dotSize+math.Abs(x*y)
			sqDiff, dotDiff, dotDiffSize = sqDiff+(x-c)*(x-c), dotDiff+x*(y-c), dotDiffSize+math.Abs(x*(y-c))
		}
		check := func(name string, want, got, size float64) {
			if d := math.Abs(got - want); !(d <= epsilon[T]()*math.Abs(want)*1.01+0x1p-53*float64(n+2)*size) {
				t.Errorf("%s of %d elements: want %v, got %v", name, n, want, got)
			}
		}
		check("Sum", sum, float64(Sum(a)), sumSize)
		check("SumSq", sumSq, float64(SumSq(a)), sumSq)
		check("SumSq64", sumSq, SumSq64(a), sumSq)
		if got := RoughSumSq(a); !(math.Abs(got-sumSq) <= 1e-5*sumSq) {
			t.Errorf("RoughSumSq of %d elements: want about %v, got %v", n, sumSq, got)
		}
		check("Dot", dot, float64(Dot(a, b)), dotSize)
		check("SumSqDiff", sqDiff, SumSqDiff(a, c), sqDiff)
		check("DotDiff", dotDiff, DotDiff(a, b, c), dotDiffSize)
	}
}

func TestReductions(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		t.Run("float32", testReductions[float32])
		t.Run("float64", testReductions[float64])
	})
}

// TestReductionSpecial puts a special value at every place of a slice.
func TestReductionSpecial(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for n := 1; n < 80; n++ {
			for i := range n {
				x, one := make([]float32, n), make([]float32, n)
				for j := range one {
					one[j] = 1
				}
				x[i] = float32(math.Inf(-1))
				if q := RoughSumSq(x); !math.IsInf(q, 1) {
					t.Fatalf("-Inf at %d of %d: RoughSumSq is %v", i, n, q)
				}
				if s, d := Sum(x), Dot(one, x); !math.IsInf(float64(s), -1) || !math.IsInf(float64(d), -1) {
					t.Fatalf("-Inf at %d of %d: Sum is %v, Dot is %v", i, n, s, d)
				}
				x[i] = float32(math.NaN())
				if s, d := Sum(x), Dot(one, x); s == s || d == d {
					t.Fatalf("NaN at %d of %d: Sum is %v, Dot is %v", i, n, s, d)
				}
			}
		}
	})
}

// TestSumWide checks that float32 is added up in float64.
func TestSumWide(t *testing.T) {
	x := []float32{1 << 30, 1, 1, 1, -(1 << 30), 1e30, -1e30, 3e38}
	eachLevel(t, func(t *testing.T) {
		if got := Sum(x[:5]); got != 3 {
			t.Errorf("Sum: want 3, got %v", got)
		}
		if got := SumSq(x[5:6]); !math.IsInf(float64(got), 1) {
			t.Errorf("SumSq of 1e30: want +Inf, got %v", got)
		}
		if got := Dot(x[5:7], x[5:7]) / 1; got == got && !math.IsInf(float64(got), 1) {
			t.Errorf("Dot: want +Inf, got %v", got)
		}
	})
}

// values turns fuzz data into numbers with any bits.
func values[T num.Float](data []byte) []T {
	var x []T
	if isFloat64[T]() {
		for ; len(data) >= 8; data = data[8:] {
			x = append(x, T(math.Float64frombits(binary.LittleEndian.Uint64(data))))
		}
		return x
	}
	for ; len(data) >= 4; data = data[4:] {
		x = append(x, T(math.Float32frombits(binary.LittleEndian.Uint32(data))))
	}
	return x
}

func fuzz[T num.Float](t *testing.T, data []byte, offset int) {
	x := values[T](data)
	rng := rand.New(rand.NewPCG(uint64(len(data)), 5))
	for _, o := range ops[T]() {
		if o.update || o.name == "Add" || o.name == "Sub" || o.name == "Mul" || o.name == "Scale" {
			continue // one operation: any bits but NaN overflow alike
		}
		in := o.operands(rng, len(x), false)
		in[min(1, o.ins-1)] = x
		if o.name == "GELUGrad" || o.name == "GELUTanhGrad" || o.name == "SiLUGrad" {
			in[0], in[1] = in[1], in[0]
		}
		var want [][]T
		plainly(func() { want = o.apply(t, in, 0, len(x), offset) })
		for l := cpu.Generic; l <= cpu.Detected(); l++ {
			at(l, func() { o.agree(t, in, want, o.apply(t, in, 0, len(x), offset)) })
		}
	}
}

// FuzzFunctions compares every level with the formulas of scalar.go on arguments with
// any bits.
func FuzzFunctions(f *testing.F) {
	rng := rand.New(rand.NewPCG(6, 6))
	for n := range 20 {
		data := make([]byte, 8*n*n)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		f.Add(data, uint8(n))
	}
	for _, v := range []float64{math.Inf(1), math.Inf(-1), math.NaN(), -745.2, 709.79, 1e-320} {
		f.Add(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)), uint8(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, offset uint8) {
		fuzz[float32](t, data, int(offset)%16)
		fuzz[float64](t, data, int(offset)%16)
	})
}
