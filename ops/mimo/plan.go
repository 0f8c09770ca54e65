package mimo

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops/scan"
)

const (
	// chunkSteps is the number of steps of a row whose products are made at a time.
	chunkSteps = 256
	// maxGroups bounds the number of partial sums of the gradients of B and C.
	maxGroups = 16
)

// sizes are the sizes of a model over a batch.
type sizes struct {
	B, H, L, P int
	S          int  // directions
	varying    bool // the poles are those of every step
}

// validate returns an error that names the first tensor out of range.
func (s sizes) validate() error {
	return size.First(
		size.Tensor("C (S, H, P, 2)", s.S, s.H, s.P, 2),
		size.Tensor("the states (B, L, P, 2)", s.B, s.L, s.P, 2))
}

// width is the number of numbers of a state.
func (s sizes) width() int { return 2 * s.P }

// inputs are the operands of a model, or their gradients. What is optional and not
// there is nil.
type inputs[T num.Float] struct {
	X       []T // (B, H, L)
	Params  Params[[]T]
	Start   []T // (B, S, P, 2)
	Lengths []int
}

// plan is a model over whole sequences. It keeps the states of all steps and directions
// from Forward for Backward, and B x where the poles vary.
//
// In memory the states are (B, L, 2P), their rows planes, and so are B and C: B is (2P,
// H), multiplied by the factors beta unless they vary, and C (H, 2P) is such that the
// product with a row of a state is gain Re(C s).
type plan[T num.Float] struct {
	sizes
	gain float64

	b, c      []T               // (2P, H), (S, H, 2P)
	read      gemm.PackedB[T]   // B, from inputs to states
	write     []gemm.Packed[T]  // C of each direction, from states to outputs
	back      gemm.Packed[T]    // from gradients of states to those of inputs
	backC     []gemm.PackedB[T] // from gradients of outputs to those of states
	s         [2]graphop.Room[T]
	v         graphop.Room[T]
	g         [2]graphop.Scratch[T]
	da        graphop.Scratch[float64] // (B, S, 2P)
	sums      graphop.Scratch[T]       // (groups, S+1, 2P, H)
	dd        graphop.Scratch[float64] // (groups, H)
	scratches graphop.Common[[]scratch[T]]
}

// scratch is the memory of a worker.
type scratch[T num.Float] struct {
	ws  gemm.Workspace[T]
	sum []T    // (2P)
	row []T    // (2P)
	v   []T    // (chunkSteps, 2P), the gradients by B x, where they are not those by the states
	g   [2][]T // (L, 2P), the gradients by the states of a row, where rows are taken whole
}

func newPlan[T num.Float](s sizes, gain float64) *plan[T] {
	return &plan[T]{
		sizes: s, gain: gain, write: make([]gemm.Packed[T], s.S), backC: make([]gemm.PackedB[T], s.S),
		b: num.Aligned[T](2 * s.P * s.H), c: num.Aligned[T](s.S * 2 * s.P * s.H),
		scratches: graphop.PerWorker[scratch[T]](),
	}
}

// Rooms implements graphop.Roomy.
func (p *plan[T]) Rooms() []graphop.Holder {
	return []graphop.Holder{&p.s[0], &p.s[1], &p.v, &p.g[0], &p.g[1], &p.da, &p.sums, &p.dd, &p.scratches}
}

// load lays B and C out.
func (p *plan[T]) load(prm *Params[[]T]) {
	beta := prm.Poles[len(prm.Poles)/2:]
	if p.varying {
		beta = nil
	}
	layB(p.b, prm.B, beta, p.P, p.H)
	p.read.Pack(true, p.H, p.width(), p.b, p.H, nil)
	for d := range p.S {
		c := p.outputs(d)
		layC(c, prm.C[d*2*p.P*p.H:], p.gain, p.P, p.H)
		p.write[d].Pack(false, p.H, 2*p.P, c, 2*p.P, nil)
	}
}

// outputs returns C of a direction, (H, 2P).
func (p *plan[T]) outputs(d int) []T { return p.c[d*2*p.P*p.H:][:2*p.P*p.H] }

// layB writes b (P, H, 2) to dst (2P, H), multiplied by the planes beta unless they are
// nil.
func layB[T num.Float](dst, b, beta []T, n, h int) {
	for p := range n {
		re, im := dst[p*h:][:h], dst[(n+p)*h:][:h]
		from := b[p*h*2:][:2*h]
		if beta == nil {
			for i := range h {
				re[i], im[i] = from[2*i], from[2*i+1]
			}
			continue
		}
		br, bi := beta[p], beta[n+p]
		for i := range h {
			x, y := from[2*i], from[2*i+1]
			re[i], im[i] = br*x-bi*y, br*y+bi*x
		}
	}
}

// layC writes c (H, P, 2) to dst (H, 2P) such that its rows times planes are gain Re(c s).
func layC[T num.Float](dst, c []T, gain float64, n, h int) {
	k := T(gain)
	for i := range h {
		to, from := dst[i*2*n:][:2*n], c[i*2*n:][:2*n]
		for p := range n {
			to[p], to[n+p] = k*from[2*p], -k*from[2*p+1]
		}
	}
}

// chunks is the number of chunks of a row.
func (p *plan[T]) chunks() int { return (p.L + chunkSteps - 1) / chunkSteps }

// piece returns the row and the steps of a piece of the products: those of its chunk that
// count, [t0, t1).
func (p *plan[T]) piece(i int, lengths []int) (b, t0, t1 int) {
	b, t0 = i/p.chunks(), i%p.chunks()*chunkSteps
	return b, t0, max(t0, min(t0+chunkSteps, graphop.Length(lengths, b, p.L)))
}

// kept returns the states (B, L, 2P) of a direction.
func (p *plan[T]) kept(d int) []T { return p.s[d].Of(p.B * p.L * p.width()) }

// inner returns what B x is kept in, for poles that vary.
func (p *plan[T]) inner() []T {
	if !p.varying {
		return nil
	}
	return p.v.Of(p.B * p.L * p.width())
}

// wholeRows says that a worker takes a row of the batch from its inputs to its outputs,
// chunk by chunk, while they are in cache: there are enough rows for all workers.
func (p *plan[T]) wholeRows() bool { return p.B >= maxGroups }

// Forward writes the output to y (B, H, L) and, unless it is nil, the states after the
// last step of each direction to end (B, S, P, 2).
func (p *plan[T]) Forward(y, end []T, in *inputs[T]) error {
	if err := graphop.ValidLengths(in.Lengths, p.L); err != nil {
		return err
	}
	p.load(&in.Params)
	for d := range p.S { // before the workers ask for it
		p.kept(d)
	}
	p.inner()
	scratches := *p.scratches.Get()
	if p.wholeRows() {
		par.For(p.B, func(worker, b int) { p.forwardRow(&scratches[worker], y, end, in, b) })
		return nil
	}
	pieces := p.B * p.chunks()
	par.For(pieces, func(worker, i int) { p.readInputs(&scratches[worker], in, i) })
	par.For(p.B*p.S, func(worker, i int) {
		b, d := i/p.S, i%p.S
		p.scan(&scratches[worker], in, b, d, 0, graphop.Length(in.Lengths, b, p.L))
		p.writeEnd(&scratches[worker], end, in, b, d)
	})
	par.For(pieces, func(worker, i int) {
		for d := range p.S {
			p.writeOutputs(&scratches[worker], y, in, d, i)
		}
	})
	return nil
}

// forwardRow is Forward of a row.
func (p *plan[T]) forwardRow(s *scratch[T], y, end []T, in *inputs[T], b int) {
	for d := range p.S {
		p.eachChunk(b, d, func(piece int) {
			if d == 0 {
				p.readInputs(s, in, piece)
			}
			_, t0, t1 := p.piece(piece, in.Lengths)
			p.scan(s, in, b, d, t0, t1)
			p.writeOutputs(s, y, in, d, piece)
		})
		p.writeEnd(s, end, in, b, d)
	}
}

// eachChunk calls f for the pieces of row b, in the order of a direction.
func (p *plan[T]) eachChunk(b, d int, f func(piece int)) {
	n := p.chunks()
	for i := range n {
		if d == 1 {
			i = n - 1 - i
		}
		f(b*n + i)
	}
}

// readInputs writes what a piece of the inputs adds to the states to their place.
func (p *plan[T]) readInputs(s *scratch[T], in *inputs[T], piece int) {
	b, t0, t1 := p.piece(piece, in.Lengths)
	if t0 == t1 {
		return
	}
	w := p.width()
	at, n := (b*p.L+t0)*w, (t1-t0)*w
	to := p.kept(0)[at:][:n]
	if p.varying {
		to = p.inner()[at:][:n]
	}
	gemm.GemmTransPackedB(&s.ws, t1-t0, in.X[b*p.H*p.L+t0:], p.L, &p.read, to, w)
	if p.varying {
		mulPlanes(p.kept(0)[at:][:n], to, p.factors(in)[at:][:n], p.P, false)
	}
	if p.S == 2 {
		copy(p.kept(1)[at:][:n], p.kept(0)[at:])
	}
}

// factors returns beta of all steps, where they vary.
func (p *plan[T]) factors(in *inputs[T]) []T { return in.Params.Poles[len(in.Params.Poles)/2:] }

// mulPlanes sets rows of planes dst to x y, or x conj(y).
func mulPlanes[T num.Float](dst, x, y []T, n int, conj bool) {
	sign := T(1)
	if conj {
		sign = -1
	}
	for at := 0; at < len(dst); at += 2 * n {
		dr, di := dst[at:][:n], dst[at+n:][:n]
		xr, xi, yr, yi := x[at:][:n], x[at+n:][:n], y[at:][:n], y[at+n:][:n]
		for p := range n {
			re, im, a, b := xr[p], xi[p], yr[p], sign*yi[p]
			dr[p], di[p] = re*a-im*b, re*b+im*a
		}
	}
}

// poles returns the poles of steps [t0, t1) of row b: those of all, or of each.
func (p *plan[T]) poles(in *inputs[T], b, t0, t1 int) []T {
	w := p.width()
	if !p.varying {
		return in.Params.Poles[:w]
	}
	return in.Params.Poles[(b*p.L+t0)*w : (b*p.L+t1)*w]
}

// line is the recurrence of a direction.
func (p *plan[T]) line(d int) scan.Line {
	return scan.Line{P: p.P, Complex: true, Varying: p.varying, Reverse: d == 1}
}

// scan replaces what the inputs of steps [t0, t1) of a row add to the states by the
// states, in a direction. Those that are before them in it are complete.
func (p *plan[T]) scan(s *scratch[T], in *inputs[T], b, d, t0, t1 int) {
	if t0 == t1 {
		return
	}
	w, n := p.width(), graphop.Length(in.Lengths, b, p.L)
	x := p.kept(d)[b*p.L*w:]
	var start []T
	switch {
	case d == 0 && t0 > 0:
		start = x[(t0-1)*w:][:w]
	case d == 1 && t1 < n:
		start = x[t1*w:][:w]
	default:
		start = p.loadState(&s.row, in.Start, b, d)
	}
	scan.Along(p.line(d), x[t0*w:t1*w], p.poles(in, b, t0, t1), start)
}

// writeEnd writes the state after the last step of a row in a direction to end, unless
// it is nil.
func (p *plan[T]) writeEnd(s *scratch[T], end []T, in *inputs[T], b, d int) {
	if end == nil {
		return
	}
	w, n := p.width(), graphop.Length(in.Lengths, b, p.L)
	last := p.loadState(&s.row, in.Start, b, d)
	if n > 0 {
		last = p.kept(d)[(b*p.L+p.first(1-d, n))*w:]
	}
	storeState(end[(b*p.S+d)*w:][:w], last)
}

// first is the step of n that a direction takes first.
func (p *plan[T]) first(d, n int) int {
	if d == 1 {
		return n - 1
	}
	return 0
}

// loadState returns a state before the first step as planes, nil for zero.
func (p *plan[T]) loadState(row *[]T, start []T, b, d int) []T {
	if start == nil {
		return nil
	}
	*row = num.Grow(*row, p.width())
	loadState(*row, start[(b*p.S+d)*p.width():][:p.width()])
	return *row
}

// loadState writes a state (P, 2) as planes.
func loadState[T num.Float](dst, src []T) {
	n := len(dst) / 2
	for i := range n {
		dst[i], dst[n+i] = src[2*i], src[2*i+1]
	}
}

// storeState writes planes, nil for zero, as a state (P, 2).
func storeState[T num.Float](dst, src []T) {
	if src == nil {
		clear(dst)
		return
	}
	n := len(dst) / 2
	for i := range n {
		dst[2*i], dst[2*i+1] = src[i], src[n+i]
	}
}

// writeOutputs writes a piece of the output of the first direction, or adds that of the
// second one.
func (p *plan[T]) writeOutputs(s *scratch[T], y []T, in *inputs[T], d, piece int) {
	b, t0, t1 := p.piece(piece, in.Lengths)
	w, row := p.width(), b*p.H*p.L
	if t0 < t1 {
		gemm.GemmPacked(&s.ws, &p.write[d], true, t1-t0, p.kept(d)[(b*p.L+t0)*w:], w, y[row+t0:], p.L, d > 0, nil)
	}
	if d > 0 {
		return
	}
	if in.Params.D != nil {
		for h := range p.H {
			vec.Axpy(y[row+h*p.L+t0:row+h*p.L+t1], in.Params.D[h], in.X[row+h*p.L+t0:row+h*p.L+t1])
		}
	}
	p.clearRest(y[row:], t0, t1)
}

// clearRest sets what does not count of the chunk of a row that begins at step t0, all
// from t1 on, to zero.
func (p *plan[T]) clearRest(x []T, t0, t1 int) {
	to := min(t0+chunkSteps, p.L)
	for h := range p.H {
		clear(x[h*p.L+t1 : h*p.L+to])
	}
}
