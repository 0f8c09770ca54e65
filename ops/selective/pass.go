package selective

import (
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// chunkSteps is the number of steps that are taken at a time.
const chunkSteps = 64

// A tile has a row of one register of channels for each step of a chunk, and two more:
// the next tile is not at a distance that the caches take for none.
const (
	laneBytes = 64
	tileRows  = chunkSteps + 2
	maxLanes  = 16
)

// The tiles of a pass.
const (
	tileDelta  = iota // delta'
	tileInput         // delta' u
	tileOut           // sum_n C x, which is added to
	tileGOut          // the gradient of that
	tileGDelta        // that of delta' by the decays, which is added to
	tileGInput        // that of delta' u, which is added to
	tileState         // scratch: the states x_{-1}, x_0, .. of one n
	tileDecay         // scratch: exp(delta' A) of one n
	tiles
)

// lanesOf returns the number of channels of a block.
func lanesOf[T num.Float]() int { return laneBytes / int(unsafe.Sizeof(T(0))) }

// tileLen returns the number of elements of a tile.
func tileLen[T num.Float]() int { return tileRows * lanesOf[T]() }

// tile returns a tile of those of a worker.
func tile[T num.Float](all []T, i int) []T {
	n := tileLen[T]()
	return all[i*n:][:n]
}

// operand is B or C for a pass: the number of a state at a step, for a lane.
type operand[T num.Float] struct {
	v                 []T
	state, step, lane int // distances
}

// passes are the loops of one instruction set over all states of a block of channels
// and the steps of a chunk. x, h, a and da are (N, lanes): the states, which are
// replaced by those after the last step; the gradient of the state after the last step,
// replaced by that before the first; A; and the sum to which its gradient is added. b
// and c have a row of steps for each state, ldb and ldc apart. sums has two tiles for each
// state, to which the gradients of B and C are added, lane by lane. There is one state and
// one step at least.
//
// pass_generic.go has the passes in Go; those for AVX2, AVX-512 and NEON are generated
// (internal/asm/_gen/selective) and know the constants above.
type passes[T num.Float] struct {
	forward  func(tiles, x, a, b, c []T, ldb, ldc, n, steps int)
	backward func(tiles, sums, x, h, a, da, b, c []T, ldb, ldc, n, steps int)
}

// active returns the passes in use for T.
func active[T num.Float]() *passes[T] {
	l := cpu.Active()
	if p, ok := any(&passes32[l]).(*passes[T]); ok {
		return p
	}
	return any(&passes64[l]).(*passes[T])
}

// forward takes the states x of a block through the steps of a chunk.
func forward[T num.Float](tiles, x, a []T, b, c operand[T], n, steps int) {
	if p := active[T](); p.forward != nil && b.lane == 0 && c.lane == 0 {
		p.forward(tiles, x, a, b.v, c.v, b.state, c.state, n, steps)
		return
	}
	forwardGeneric(tiles, x, a, b, c, n, steps)
}

// backward is forward, and its gradients.
func backward[T num.Float](tiles, sums, x, h, a, da []T, b, c operand[T], n, steps int) {
	if p := active[T](); p.backward != nil && b.lane == 0 && c.lane == 0 {
		p.backward(tiles, sums, x, h, a, da, b.v, c.v, b.state, c.state, n, steps)
		return
	}
	backwardGeneric(tiles, sums, x, h, a, da, b, c, n, steps)
}
