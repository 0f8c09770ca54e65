package selective

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil/fence"
)

// passCase has the operands of the passes.
type passCase[T num.Float] struct {
	n, steps    int
	tiles, sums []T
	x, h, a, da []T
	b, c        []T
	ldb, ldc    int
	offset      int // of operands in memory
}

func newPassCase[T num.Float](rng *rand.Rand, n, steps int) *passCase[T] {
	w := lanesOf[T]()
	normal := func(n int) []T {
		v := make([]T, n)
		for i := range v {
			v[i] = T(rng.NormFloat64())
		}
		return v
	}
	p := &passCase[T]{n: n, steps: steps, ldb: steps + rng.IntN(3), ldc: steps + rng.IntN(3), offset: rng.IntN(8)}
	p.tiles, p.sums = normal(tiles*tileLen[T]()), normal(2*n*tileLen[T]())
	p.x, p.h, p.a, p.da = normal(n*w), normal(n*w), normal(n*w), normal(n*w)
	p.b, p.c = normal((n-1)*p.ldb+steps), normal((n-1)*p.ldc+steps)
	for i, v := range p.a {
		p.a[i] = -T(math.Abs(float64(v)))
	}
	for i, v := range tile(p.tiles, tileDelta) {
		tile(p.tiles, tileDelta)[i] = T(math.Abs(float64(v)))
	}
	return p
}

// apply returns what a pass leaves at a level, but for tiles that are scratch memory.
func (p *passCase[T]) apply(t *testing.T, l cpu.Level, back bool) map[string][]T {
	t.Helper()
	defer cpu.SetActive(cpu.SetActive(l))
	of := func(v []T, i int) *fence.Buffer[T] { return fence.Of(v, p.offset+i) }
	ts, sums, x, h, a, da := of(p.tiles, 0), of(p.sums, 1), of(p.x, 2), of(p.h, 3), of(p.a, 4), of(p.da, 5)
	bs, cs := of(p.b, 6), of(p.c, 7)
	b, c := operand[T]{v: bs.V, state: p.ldb, step: 1}, operand[T]{v: cs.V, state: p.ldc, step: 1}
	if back {
		backward(ts.V, sums.V, x.V, h.V, a.V, da.V, b, c, p.n, p.steps)
	} else {
		forward(ts.V, x.V, a.V, b, c, p.n, p.steps)
	}
	for name, f := range map[string]*fence.Buffer[T]{"tiles": ts, "sums": sums, "x": x, "h": h, "da": da} {
		f.Check(t, name)
	}
	for name, f := range map[string]*fence.Buffer[T]{"a": a, "b": bs, "c": cs} {
		f.Unchanged(t, name)
	}
	scratch := tileState * tileLen[T]()
	return map[string][]T{"tiles": ts.V[:scratch], "sums": sums.V, "x": x.V, "h": h.V, "da": da.V}
}

// The passes of every instruction set against those in Go, for every number of steps
// and states.
func TestPasses(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testPasses[float32](t, 3e-6) })
	t.Run("float64", func(t *testing.T) { testPasses[float64](t, 1e-14) })
}

func testPasses[T num.Float](t *testing.T, tol float64) {
	rng := rand.New(rand.NewPCG(1, 6))
	for _, n := range []int{1, 2, 3, 16} {
		for _, steps := range []int{1, 2, 5, 33, chunkSteps} {
			p := newPassCase[T](rng, n, steps)
			for _, back := range []bool{false, true} {
				want := p.apply(t, cpu.Generic, back)
				for l := cpu.Generic + 1; l <= cpu.Detected(); l++ {
					for name, got := range p.apply(t, l, back) {
						compare(t, fmt.Sprintf("%v: backward %t: %d states, %d steps: %s", l, back, n, steps, name), got, want[name], tol)
					}
				}
			}
		}
	}
}

func compare[T num.Float](t *testing.T, what string, got, want []T, tol float64) {
	t.Helper()
	for i, w := range want {
		if d := math.Abs(float64(got[i] - w)); !(d <= tol*(20+math.Abs(float64(w)))) && !(w != w && got[i] != got[i]) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], w)
		}
	}
}

// What is not a number stays in its lane, and a state that decays fast becomes 0.
func TestPassesAtTheBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 6))
	w := lanesOf[float32]()
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		p := newPassCase[float32](rng, 2, 3)
		clear(tile(p.tiles, tileInput))
		tile(p.tiles, tileDelta)[w+3] = float32(math.NaN())
		p.a[5], p.a[w+5] = -1e30, -1e30
		x := p.apply(t, l, false)["x"]
		for i, v := range x {
			switch lane := i % w; {
			case lane == 3 && v == v:
				t.Errorf("%v: a state of the lane of NaN is %v", l, v)
			case lane != 3 && !num.Finite(v):
				t.Errorf("%v: the state beside is %v", l, v)
			case lane == 5 && v != 0:
				t.Errorf("%v: a state that has decayed is %v", l, v)
			}
		}
	}
}
