package dplr

import (
	"fmt"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// line is the size in bytes of a block of features.
const line = 64

// laneCount returns the number of features in a block.
func laneCount[T num.Float]() int { return line / int(unsafe.Sizeof(T(0))) }

// Size is the shape of a recurrence.
type Size struct {
	H        int // features
	N        int // complex states of a feature
	Rank     int // low-rank terms, 0 for a diagonal recurrence
	Channels int // outputs of a feature, at least 1
}

// Feature holds the parameters of one feature.
type Feature struct {
	A, B []complex128   // (N)
	E, Q [][]complex128 // (Rank, N)
	C    [][]complex128 // (Channels, N)
	Gain float64
}

// Recurrence is a recurrence with its parameters, rounded to T. Its scratch memory
// is for one goroutine, but its own work is spread over package par; Fork shares
// the parameters.
type Recurrence[T num.Float] struct {
	size   Size
	w      int // lanes
	blocks int

	// Rows of lanes, for each block
	//
	//	Q            (Rank, N, 2)
	//	A, B, E, C_0 (N, 3+Rank, 2)
	//	C_1...       (Channels-1, N, 2)
	//
	// Q and C are times the gain and conjugated: a row times Re x and one
	// times Im x are added.
	p   []T
	phi []T // (blocks, Rank, rowsAtOnce, w)

	u, y []T // (B, w) and (B, Channels, w) of a block that H does not fill

	scan     bool      // the rows of the step under way are steps of one sequence
	batch    int       // of the step under way, with its operands:
	yt, x, v []T       // output, state, input
	each     *par.Loop // advances every block
}

// New returns a recurrence whose parameters are 0.
func New[T num.Float](size Size) *Recurrence[T] {
	w := laneCount[T]()
	r := &Recurrence[T]{size: size, w: w, blocks: (size.H + w - 1) / w}
	r.p = num.Aligned[T](r.blocks * r.paramLen())
	return r.scratch()
}

// scratch makes the memory of a goroutine.
func (r *Recurrence[T]) scratch() *Recurrence[T] {
	r.phi = num.Aligned[T](r.blocks * r.size.Rank * rowsAtOnce * r.w)
	r.each = par.NewLoop(func(_, blk int) { r.advance(blk) })
	return r
}

// Fork returns the same recurrence, whose parameters are not to be set any more,
// with scratch memory of its own.
func (r *Recurrence[T]) Fork() *Recurrence[T] {
	return (&Recurrence[T]{size: r.size, w: r.w, blocks: r.blocks, p: r.p}).scratch()
}

// rows is the number of rows of a block's parameters for each state.
func (s Size) rows() int { return 2 * (2 + 2*s.Rank + s.Channels) }

// paramLen is the length of the parameters of a block.
func (r *Recurrence[T]) paramLen() int { return r.size.N * r.size.rows() * r.w }

// Set sets the parameters of feature h. It may run at the same time as Set of
// another feature.
func (r *Recurrence[T]) Set(h int, f Feature) {
	s := r.size
	p := r.p[h/r.w*r.paramLen()+h%r.w:]
	put := func(row int, re, im float64) { p[row*r.w], p[(row+1)*r.w] = T(re), T(im) }
	column := func(row int, z complex128) { put(row, real(z), imag(z)) }
	covector := func(row int, z complex128) { put(row, f.Gain*real(z), -f.Gain*imag(z)) }
	for n := range s.N {
		for k, q := range f.Q {
			covector(2*(k*s.N+n), q[n])
		}
		row := 2 * (s.Rank*s.N + n*(3+s.Rank))
		column(row, f.A[n])
		column(row+2, f.B[n])
		for k, e := range f.E {
			column(row+4+2*k, e[n])
		}
		covector(row+4+2*s.Rank, f.C[0][n])
		for k, c := range f.C[1:] {
			covector(2*((3+2*s.Rank+k)*s.N+n), c[n])
		}
	}
}

// StateLen returns the length of the states of a batch.
func (r *Recurrence[T]) StateLen(batch int) int { return batch * r.blocks * r.blockLen() }

// blockLen is the length of the state of one block and row.
func (r *Recurrence[T]) blockLen() int { return r.size.N * 2 * r.w }

// Load sets the states x to src (B, H, N, 2). It returns an error if a length is
// wrong.
func (r *Recurrence[T]) Load(x, src []T) error {
	h, n := r.size.H, r.size.N
	batch := len(src) / (2 * h * n)
	if len(src) != batch*h*n*2 {
		return fmt.Errorf("want states (B, %d, %d, 2), got %d elements", h, n, len(src))
	}
	if err := r.checkState(x, batch); err != nil {
		return err
	}
	for i := range len(src) / 2 {
		lane := x[r.at(i, batch):]
		lane[0], lane[r.w] = src[2*i], src[2*i+1]
	}
	return nil
}

// Store returns the states x as (B, H, N, 2), where len(x) = StateLen(B).
func (r *Recurrence[T]) Store(x []T) []T {
	batch := len(x) / r.StateLen(1)
	dst := make([]T, batch*r.size.H*r.size.N*2)
	for i := range len(dst) / 2 {
		lane := x[r.at(i, batch):]
		dst[2*i], dst[2*i+1] = lane[0], lane[r.w]
	}
	return dst
}

// CopyRows copies rows of the states src to the states dst, from row at on: the
// lengths of both are those of whole batches.
func (r *Recurrence[T]) CopyRows(dst []T, at int, src []T, rows []int) {
	num.CopyRows(dst, len(dst)/r.StateLen(1), at, src, len(src)/r.StateLen(1), rows, r.blockLen())
}

// at returns the place of the real part of state i of (B, H, N).
func (r *Recurrence[T]) at(i, batch int) int {
	row, k := i/r.size.N, i%r.size.N
	b, h := row/r.size.H, row%r.size.H
	return ((h/r.w*batch+b)*r.size.N+k)*2*r.w + h%r.w
}

func (r *Recurrence[T]) checkState(x []T, batch int) error {
	if want := r.StateLen(batch); len(x) != want {
		return fmt.Errorf("x: want StateLen(%d) = %d elements, got %d", batch, want, len(x))
	}
	return nil
}

// parallelLen is the length of the states from which a step is spread over the
// workers: less takes about as long as it takes to wake one.
const parallelLen = 1 << 16

// Advance replaces the states x by their successors for the input u (B, H) and
// writes the output (B, Channels, H) to y. It returns an error if a length is
// wrong. It allocates when B grows.
func (r *Recurrence[T]) Advance(y, x, u []T) error {
	if err := r.check(y, x, u, len(u)/r.size.H); err != nil {
		return err
	}
	r.run(y, x, u, len(x))
	return nil
}

// Scan is Advance for the steps u (L, H) of one sequence, one after the other, whose
// state is x: it writes the outputs (L, Channels, H) to y, and is, bit for bit, what
// as many calls of Advance are.
func (r *Recurrence[T]) Scan(y, x, u []T) error {
	if err := r.check(y, x, u, 1); err != nil {
		return err
	}
	r.scan = true
	r.run(y, x, u, len(x)*(len(u)/r.size.H))
	r.scan = false
	return nil
}

// run advances all blocks, which takes about as long as it takes to pass over a state
// of as many elements as work.
func (r *Recurrence[T]) run(y, x, u []T, work int) {
	if len(u) == 0 {
		return
	}
	r.batch = len(u) / r.size.H
	if rest := r.size.H % r.w; rest != 0 {
		r.u, r.y = num.Grow(r.u, r.batch*r.w), num.Grow(r.y, r.batch*r.size.Channels*r.w)
	}
	r.yt, r.x, r.v = y, x, u
	if work >= parallelLen {
		r.each.Run(r.blocks)
	} else {
		for blk := range r.blocks {
			r.advance(blk)
		}
	}
	r.yt, r.x, r.v = nil, nil, nil
}

// check checks the lengths of the operands of a step, with the states of as many rows.
func (r *Recurrence[T]) check(y, x, u []T, states int) error {
	h, ch := r.size.H, r.size.Channels
	batch := len(u) / h
	switch {
	case len(u) != batch*h:
		return fmt.Errorf("u: want (B, %d), got %d elements", h, len(u))
	case len(y) != batch*ch*h:
		return fmt.Errorf("y: want (%d, %d, %d), got %d elements", batch, ch, h, len(y))
	}
	return r.checkState(x, states)
}

// advance is Advance for a block of features.
func (r *Recurrence[T]) advance(blk int) {
	size, lo := r.size, blk*r.w
	if lo+r.w <= size.H {
		r.steps(blk, r.yt[lo:], r.v[lo:], size.H)
		return
	}
	copyRows(r.u, r.w, r.v[lo:], size.H, r.batch, size.H-lo)
	r.steps(blk, r.y, r.u, r.w)
	copyRows(r.yt[lo:], size.H, r.y, r.w, r.batch*size.Channels, size.H-lo)
}

// steps advances a block of features, whose inputs and outputs are in rows spaced ld:
// all rows of a batch by a step, or the one by all steps.
func (r *Recurrence[T]) steps(blk int, y, u []T, ld int) {
	size, n := r.size, r.blockLen()
	p, phi := r.p[blk*r.paramLen():], r.phi[blk*size.Rank*rowsAtOnce*r.w:]
	step := active[T]()
	if !r.scan {
		n *= r.batch
		step(r.x[blk*n:][:n], y, u, p, phi, size.N, size.Rank, size.Channels, r.batch, ld)
		return
	}
	x := r.x[blk*n:][:n]
	for t := range r.batch {
		step(x, y[t*size.Channels*ld:], u[t*ld:], p, phi, size.N, size.Rank, size.Channels, 1, ld)
	}
}

// copyRows copies rows of n elements, spaced from in src, to dst, spaced to.
func copyRows[T num.Float](dst []T, to int, src []T, from, rows, n int) {
	for i := range rows {
		copy(dst[i*to:][:n], src[i*from:])
	}
}
