package mimo

import (
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops/scan"
)

// S5Step is the [Step] of S5, which is discretised anew for a step of another length.
type S5Step[T num.Float] struct {
	*Step[T]
	rule    *s5Rule[T]
	a, beta []T // planes
}

// s5Rule is what a discretisation needs.
type s5Rule[T num.Float] struct {
	poles s5Poles[T]
	in    []graphop.Arg[T]
	b     gemm.PackedB[T] // without the factors
}

// NewS5Step returns the recurrence of the model whose poles follow from p as S5Poles says,
// of H features, with B and C of prm, whose Poles are not read. It returns an error if the
// configuration, a size or a length is wrong.
func NewS5Step[T num.Float](cfg Config, poles PolesConfig, H int, p S5Params[[]T], prm Params[[]T]) (*S5Step[T], error) {
	var err error
	if prm.Poles, err = S5PoleValues(poles, p); err != nil {
		return nil, err
	}
	n := len(p.LambdaRe)
	step, err := NewStep(cfg, n, H, prm)
	if err != nil {
		return nil, err
	}
	r := &s5Rule[T]{poles: s5Poles[T]{cfg: poles, poleSizes: poleSizes{P: n}}}
	for _, v := range [][]T{p.LambdaRe, p.LambdaIm, p.LogStep} {
		r.in = append(r.in, graphop.Arg[T]{F: slices.Clone(v)})
	}
	room := make([]T, 2*n*H)
	layB(room, prm.B, nil, n, H)
	r.b.Pack(true, H, 2*n, room, H, nil)
	return newS5Step(step, r), nil
}

func newS5Step[T num.Float](step *Step[T], r *s5Rule[T]) *S5Step[T] {
	return &S5Step[T]{step, r, make([]T, 2*step.n), make([]T, 2*step.n)}
}

// Fork returns the same recurrence with scratch memory of its own.
func (s *S5Step[T]) Fork() *S5Step[T] { return newS5Step(s.Step.Fork(), s.rule) }

// AdvanceAt is Advance by a step that for row b is dt[b] times as long as those of
// Advance, dt (B). It returns an error, and changes nothing, if a length is wrong or a dt
// not positive.
func (s *S5Step[T]) AdvanceAt(y, x, u, dt []T) error {
	rows := len(u) / s.h
	err := size.First(s.check(y, x, u, rows), num.CheckLen("dt", dt, rows, false))
	for b, v := range dt {
		if err == nil && (!(v > 0) || !num.Finite(v)) {
			err = fmt.Errorf("dt: want finite step sizes > 0, got %g of row %d", float64(v), b)
		}
	}
	if err != nil {
		return fmt.Errorf("mimo: S5Step.AdvanceAt: %w", err)
	}
	s.begin(y, x, u)
	w := 2 * s.n
	gemm.GemmPackedB(&s.ws[0], rows, u, s.h, &s.rule.b, 0, w, s.v, w)
	for r := range rows {
		v := s.v[r*w:][:w]
		s.rule.poles.row(s.a, s.beta, s.rule.in, float64(dt[r]))
		mulPlanes(v, v, s.beta, s.n, false)
		scan.Along(scan.Line{P: s.n, Complex: true}, v, s.a, x[r*w:][:w])
	}
	copy(x, s.v)
	s.writeRows(0, 0, rows)
	s.end()
	return nil
}
