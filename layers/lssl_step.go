package layers

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops/krylov"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState^2) per feature.
// Its state is (batch, DModel, DState). A bidirectional layer has none.
func (l *LSSL) Recurrence(batch int) (Recurrence, error) {
	return l.newRecurrence(batch, recurrenceOfLSSL[float32](l), recurrenceOfLSSL[float64](l))
}

// lsslWeights are the weights of x = Ab x + Bb u, y = C x for dense Ab.
type lsslWeights[T num.Float] struct {
	ch, h, n int
	ab       []gemm.PackedB[T] // (H), each (N+1, N): Ab and Bb transposed
	c        []T               // (CH, H, N)
}

// recurrenceOfLSSL returns what reads the weights off the parameters.
func recurrenceOfLSSL[T num.Float](l *LSSL) func() (stateWeights[T], error) {
	return func() (stateWeights[T], error) {
		p := krylov.Params[T]{}
		for _, err := range []error{
			read(&p.Dt, l.logDt), readCopy(&p.C, l.c),
			read(&p.A.Pl, l.a.Pl), read(&p.A.Dl, l.a.Dl), read(&p.A.D, l.a.D), read(&p.A.Du, l.a.Du),
			read(&p.A.Pr, l.a.Pr), read(&p.A.C, l.a.C), read(&p.A.B, l.a.B),
		} {
			if err != nil {
				return nil, err
			}
		}
		a, b, err := krylov.Discretize(l.disc(1), l.size(), p)
		if err != nil {
			return nil, err
		}
		w := &lsslWeights[T]{ch: l.cfg.Channels, h: l.cfg.DModel, n: l.cfg.DState, c: p.C}
		w.pack(a, b)
		return w, nil
	}
}

// pack sets the matrices to Ab (H, N, N) and Bb (H, N).
func (w *lsslWeights[T]) pack(a, b []float64) {
	n := w.n
	w.ab = make([]gemm.PackedB[T], w.h)
	m := make([]T, n*(n+1))
	for h := range w.ab {
		for i := range n {
			row := m[i*(n+1):][:n+1]
			for j, v := range a[(h*n+i)*n:][:n] {
				row[j] = T(v)
			}
			row[n] = T(b[h*n+i])
		}
		w.ab[h].Pack(true, n+1, n, m, n+1, nil)
	}
}

func (w *lsslWeights[T]) start(batch int) stepper[T] {
	s := &lsslStepper[T]{
		w: w, batch: batch,
		x: num.Aligned[T](w.h * batch * (w.n + 1)), next: num.Aligned[T](w.h * batch * (w.n + 1)),
		work: make([]gemm.Workspace[T], min(par.Workers(), w.h)),
	}
	s.features = par.NewLoop(s.feature)
	return s
}

// lsslStepper steps by lsslWeights. States are (H, B, N+1): those of a feature
// together, each followed by the input, so that a step of a feature is a product
// with one matrix.
type lsslStepper[T num.Float] struct {
	w     *lsslWeights[T]
	batch int

	x, next []T // states and their successors
	work    []gemm.Workspace[T]

	// The step in progress, for the body of the loop over the features.
	y, u     []T
	features *par.Loop
}

func (s *lsslStepper[T]) state() []T {
	dst := make([]T, s.batch*s.w.h*s.w.n)
	s.eachState(func(at int, x []T) { copy(dst[at:], x) })
	return dst
}

func (s *lsslStepper[T]) setState(src []T) error {
	s.eachState(func(at int, x []T) { copy(x, src[at:]) })
	return nil
}

// eachState calls f with every state, and where it is in (B, H, N).
func (s *lsslStepper[T]) eachState(f func(at int, x []T)) {
	h, n := s.w.h, s.w.n
	for i := range h {
		for b := range s.batch {
			f((b*h+i)*n, s.x[(i*s.batch+b)*(n+1):][:n])
		}
	}
}

func (s *lsslStepper[T]) reset() { clear(s.x) }

func (s *lsslStepper[T]) step(y, u []T) error {
	h, n := s.w.h, s.w.n
	s.y, s.u = y, u
	if s.batch*h*n*n < parallelProducts {
		for i := range h {
			s.feature(0, i)
		}
	} else {
		s.features.Run(h)
	}
	s.x, s.next = s.next, s.x
	s.y, s.u = nil, nil
	return nil
}

// feature advances the states of feature i.
func (s *lsslStepper[T]) feature(worker, i int) {
	h, n, ch := s.w.h, s.w.n, s.w.ch
	x, next := s.x[i*s.batch*(n+1):], s.next[i*s.batch*(n+1):]
	for b := range s.batch {
		x[b*(n+1)+n] = s.u[b*h+i]
	}
	gemm.GemmPackedB(&s.work[worker], s.batch, x, n+1, &s.w.ab[i], 0, n, next, n+1)
	for b := range s.batch {
		for k := range ch {
			s.y[(b*ch+k)*h+i] = vec.Dot(s.w.c[(k*h+i)*n:][:n], next[b*(n+1):][:n])
		}
	}
}
