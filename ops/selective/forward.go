package selective

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// forward writes the output (B, D, L) to y and, unless it is nil, the state after the
// last step that counts to end (B, D, N).
func (p *plan[T]) forward(y, end []T, in *operands[T]) {
	p.each(in, func(t *task[T]) {
		t.eachBlock(func(k block) {
			t.begin(k)
			for i := range k.n {
				clear(y[(t.b*p.D+k.first+i)*p.L:][t.n:p.L])
			}
		})
		t.eachChunk(false, func(c chunk) {
			t.eachBlock(func(k block) { t.forwardBlock(y, c, k) })
		})
		if end != nil {
			t.eachBlock(func(k block) { t.store(end, t.ofBlock(t.s.x, k), t.b, k) })
		}
	})
}

// begin reads the state of a block before the first step.
func (t *task[T]) begin(k block) { t.load(t.ofBlock(t.s.x, k), t.in.start, t.b, k) }

// forwardBlock takes a block through a chunk.
func (t *task[T]) forwardBlock(y []T, c chunk, k block) {
	s, m := t.s, c.len()
	x := t.ofBlock(s.x, k)
	copy(t.start(c.number, k), x)
	t.prepare(c, k)
	out := tile(s.tiles, tileOut)
	clear(out[:m*t.p.lanes])
	b, cc := t.operand(t.in.B, t.p.fixedB, s.b, c, k), t.operand(t.in.C, t.p.fixedC, s.c, c, k)
	forward(s.tiles, x, t.ofBlock(s.a, k), b, cc, t.p.N, m)
	gemm.Transpose(s.y, chunkSteps, out, t.p.lanes, m, k.n)
	for i := range k.n {
		row := s.y[i*chunkSteps:][:m]
		t.skip(row, c, k, i)
		if t.in.Z != nil {
			gate := s.tmp[:m]
			vec.SiLU(gate, t.row(t.in.Z, c, k, i))
			vec.Mul(row, row, gate)
		}
		copy(t.row(y, c, k, i), row)
	}
}

// skip adds what channel i of a block has of its input to its output.
func (t *task[T]) skip(row []T, c chunk, k block, i int) {
	if t.in.D != nil {
		vec.Axpy(row, t.in.D[k.first+i], t.row(t.in.U, c, k, i))
	}
}

// prepare computes the step sizes of a block, and their products with the input, by
// channel and as tiles.
func (t *task[T]) prepare(c chunk, k block) {
	s, m := t.s, c.len()
	for i := range k.n {
		raw, delta := s.raw[i*chunkSteps:][:m], s.delta[i*chunkSteps:][:m]
		var bias T
		if t.in.Bias != nil {
			bias = t.in.Bias[k.first+i]
		}
		stepSizes(t.p.cfg, raw, delta, t.row(t.in.Delta, c, k, i), bias)
		vec.Mul(s.input[i*chunkSteps:][:m], delta, t.row(t.in.U, c, k, i))
	}
	t.turn(tileDelta, s.delta, m, k)
	t.turn(tileInput, s.input, m, k)
}

// stepSizes sets raw to the steps v with the bias and delta to the sizes that they are.
func stepSizes[T num.Float](cfg Config, raw, delta, v []T, bias T) {
	vec.Affine(raw, v, 0, 1, bias)
	if cfg.Softplus {
		vec.Softplus(delta, raw)
	} else {
		copy(delta, raw)
	}
}

// turn sets a tile to the m steps of the channels of a block, and to 0 at the lanes
// that have none.
func (t *task[T]) turn(number int, rows []T, m int, k block) {
	w := t.p.lanes
	to := tile(t.s.tiles, number)
	if k.n < w {
		clear(to[:m*w])
	}
	gemm.Transpose(to, w, rows, chunkSteps, k.n, m)
}

// back is turn the other way.
func (t *task[T]) back(rows []T, number int, m int, k block) {
	gemm.Transpose(rows, chunkSteps, tile(t.s.tiles, number), t.p.lanes, m, k.n)
}
