package conv1d

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
)

// Shape is the shape of a causal convolution of stride 1, for its steps.
type Shape struct {
	In, Out, Groups  int // features, of the output, and groups they are cut into
	Kernel, Dilation int
}

// Reach returns the number of inputs before a step that its output depends on:
// (Kernel-1)*Dilation.
func (s Shape) Reach() int { return (s.Kernel - 1) * s.Dilation }

func (s Shape) validate() error {
	o := options{dilation: s.Dilation}
	if err := size.First(
		size.Positive("In", s.In), size.Positive("Out", s.Out), size.Positive("Groups", s.Groups),
		size.Positive("Kernel", s.Kernel), size.Positive("Dilation", s.Dilation),
	); err != nil {
		return err
	}
	if _, err := o.reach(s.Kernel); err != nil {
		return err
	}
	if err := checkGroups(s.In, s.Out, s.Groups); err != nil {
		return err
	}
	return size.Tensor("w (Out, In/Groups, Kernel)", s.Out, s.In/s.Groups, s.Kernel)
}

// Weights are the parameters of a convolution as its steps need them: a copy that
// nothing changes, for any number of steps at the same time.
type Weights[T num.Float] struct {
	Shape
	bias []T // of a depthwise convolution: (Out/In, In), zeros for none
	w    []T // of a depthwise convolution: (K, Out/In, In)

	groups []*ops.LinearWeights[T] // of any other, by group: from (K, In/Groups) to Out/Groups
}

// NewWeights copies w (Out, In/Groups, Kernel) and bias (Out), which may be nil.
func NewWeights[T num.Float](s Shape, w, bias []T) (*Weights[T], error) {
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("conv1d.NewWeights: %w", err)
	}
	cg := s.In / s.Groups
	if err := num.CheckLen("w", w, s.Out*cg*s.Kernel, false); err != nil {
		return nil, fmt.Errorf("conv1d.NewWeights: %w", err)
	}
	if err := num.CheckLen("bias", bias, s.Out, true); err != nil {
		return nil, fmt.Errorf("conv1d.NewWeights: %w", err)
	}
	p := &Weights[T]{Shape: s}
	if cg == 1 {
		p.spread(w, bias)
		return p, nil
	}
	og := s.Out / s.Groups
	byTap := make([]T, og*cg*s.Kernel)
	for g := range s.Groups {
		for o := range og {
			for c := range cg {
				for j := range s.Kernel {
					byTap[(o*s.Kernel+j)*cg+c] = w[((g*og+o)*cg+c)*s.Kernel+j]
				}
			}
		}
		p.groups = append(p.groups, ops.NewLinearWeights(s.Kernel*cg, og, byTap, row(bias, og, g)))
	}
	return p, nil
}

// spread lays the parameters of a depthwise convolution out, features last.
func (p *Weights[T]) spread(w, bias []T) {
	mult := p.Out / p.In
	p.w, p.bias = num.Aligned[T](p.Out*p.Kernel), num.Aligned[T](p.Out)
	for o := range p.Out {
		c, q := o/mult, o%mult
		for j := range p.Kernel {
			p.w[(j*mult+q)*p.In+c] = w[o*p.Kernel+j]
		}
		if bias != nil {
			p.bias[q*p.In+c] = bias[o]
		}
	}
}

// Step is a batch of sequences in a convolution, a step at a time: what Conv
// computes for the whole sequences, up to rounding, without a graph and without
// allocations. A step costs the same at any position. It is for one goroutine.
type Step[T num.Float] struct {
	*Weights[T]
	batch int
	past  []T // (Reach, B, In): the inputs before, a ring
	spare []T // where Regroup puts them together
	next  int // the oldest of them, which the next input replaces

	out    []T                  // depthwise, of a row: (Out/In, In)
	taps   []T                  // of a group: (B, K, In/Groups)
	linear []*ops.LinearStep[T] // by group
}

// NewStep returns a batch of sequences at their start.
func (p *Weights[T]) NewStep(batch int) (*Step[T], error) {
	if err := p.checkBatch(batch); err != nil {
		return nil, fmt.Errorf("conv1d.NewStep: %w", err)
	}
	s := &Step[T]{Weights: p, batch: batch, past: num.Aligned[T](p.Reach() * batch * p.In)}
	if p.groups == nil {
		s.out = num.Aligned[T](p.Out)
		return s, nil
	}
	s.taps = num.Aligned[T](batch * p.Kernel * p.In / p.Groups)
	for _, g := range p.groups {
		s.linear = append(s.linear, g.NewStep())
	}
	return s, nil
}

// checkBatch returns an error if there are no rows or too many.
func (p *Weights[T]) checkBatch(batch int) error {
	if batch < 1 {
		return fmt.Errorf("want batch >= 1, got %d", batch)
	}
	return size.First(
		size.Tensor("the state (batch, In, (Kernel-1)*Dilation)", batch, p.In, p.Reach()),
		size.Tensor("the inputs of a step (batch, Kernel, In)", batch, p.Kernel, p.In),
		size.Tensor("the output (batch, Out)", batch, p.Out),
	)
}

// Advance writes the output y (batch, Out) for the inputs u (batch, In), which it
// remembers. It returns an error, and changes nothing, if a length is wrong.
func (s *Step[T]) Advance(y, u []T) error {
	if err := size.First(num.CheckLen("u", u, s.batch*s.In, false), num.CheckLen("y", y, s.batch*s.Out, false)); err != nil {
		return fmt.Errorf("conv1d.Step.Advance: %w", err)
	}
	if s.linear == nil {
		s.depthwise(y, u, 0)
	} else {
		s.grouped(y, u)
	}
	s.remember(u, 0)
	s.Next()
	return nil
}

// AdvanceRows is Advance for the rows from one on of a depthwise convolution with as many
// outputs as inputs, y and u (rows, In): any number of goroutines may call it at the same
// time, each for other rows. When all rows have taken the step, Next ends it.
func (s *Step[T]) AdvanceRows(from int, y, u []T) error {
	rows := max(1, len(u)/s.In)
	err := size.First(num.CheckLen("u", u, rows*s.In, false), num.CheckLen("y", y, rows*s.In, false))
	if err == nil && (s.linear != nil || s.Out != s.In) {
		err = fmt.Errorf("want In, Out and Groups alike, got %d, %d and %d", s.In, s.Out, s.Groups)
	}
	if err == nil && (from < 0 || from+rows > s.batch) {
		err = fmt.Errorf("want rows in [0, %d), got %d from %d on", s.batch, rows, from)
	}
	if err != nil {
		return fmt.Errorf("conv1d.Step.AdvanceRows: %w", err)
	}
	s.depthwise(y, u, from)
	s.remember(u, from)
	return nil
}

// remember takes the inputs u of the rows from one on for those of the step under way.
func (s *Step[T]) remember(u []T, from int) {
	if s.Reach() > 0 {
		copy(row(s.past, s.batch*s.In, s.next)[from*s.In:], u)
	}
}

// Next ends a step of AdvanceRows.
func (s *Step[T]) Next() {
	if reach := s.Reach(); reach > 0 {
		s.next = (s.next + 1) % reach
	}
}

// Scan is Advance for the inputs u (L, In) of one sequence, one after the other: it
// writes the outputs (L, Out) to y, to the bit those of as many steps.
func (s *Step[T]) Scan(y, u []T) error {
	if s.batch != 1 || len(u)%s.In != 0 || len(y) != len(u)/s.In*s.Out {
		return fmt.Errorf("conv1d.Step.Scan: want a batch of 1, u (L, %d) and y (L, %d), got a batch of %d, %d and %d elements", s.In, s.Out, s.batch, len(u), len(y))
	}
	for ; len(u) > 0; y, u = y[s.Out:], u[s.In:] {
		if err := s.Advance(y[:s.Out], u[:s.In]); err != nil {
			return err
		}
	}
	return nil
}

// tap returns the inputs (rows, In) that a tap reads of the rows from one on, where u are
// the current ones.
func (s *Step[T]) tap(j int, u []T, from int) []T {
	if j == s.Kernel-1 {
		return u
	}
	return row(s.past, s.batch*s.In, (s.next+j*s.Dilation)%s.Reach())[from*s.In:]
}

// depthwise takes the rows from one on, whose inputs are u.
func (s *Step[T]) depthwise(y, u []T, from int) {
	mult := s.Out / s.In
	for b := range len(u) / s.In {
		out := row(y, s.Out, b)
		if mult > 1 {
			out = s.out
		}
		copy(out, s.bias)
		for j := range s.Kernel {
			x := row(s.tap(j, u, from), s.In, b)
			for q := range mult {
				vec.AddMul(row(out, s.In, q), row(s.w, s.In, j*mult+q), x)
			}
		}
		if mult == 1 {
			continue
		}
		for c := range s.In {
			for q := range mult {
				y[b*s.Out+c*mult+q] = out[q*s.In+c]
			}
		}
	}
}

func (s *Step[T]) grouped(y, u []T) {
	cg, og := s.In/s.Groups, s.Out/s.Groups
	for g, linear := range s.linear {
		for j := range s.Kernel {
			x := s.tap(j, u, 0)
			for b := range s.batch {
				copy(s.taps[(b*s.Kernel+j)*cg:][:cg], x[b*s.In+g*cg:])
			}
		}
		z := linear.Apply(s.taps, s.batch)
		for b := range s.batch {
			copy(y[b*s.Out+g*og:][:og], z[b*og:])
		}
	}
}

// State returns the state (batch, In, Reach), as Conv has it: the last inputs,
// oldest first.
func (s *Step[T]) State() []T {
	x := make([]T, len(s.past))
	for t := range s.Reach() {
		for i, v := range row(s.past, s.batch*s.In, (s.next+t)%s.Reach()) {
			x[i*s.Reach()+t] = v
		}
	}
	return x
}

// SetState replaces the state by a copy of x (batch, In, Reach).
func (s *Step[T]) SetState(x []T) error {
	if err := num.CheckLen("x", x, len(s.past), false); err != nil {
		return fmt.Errorf("conv1d.Step.SetState: %w", err)
	}
	s.next = 0
	for t := range s.Reach() {
		past := row(s.past, s.batch*s.In, t)
		for i := range past {
			past[i] = x[i*s.Reach()+t]
		}
	}
	return nil
}

// Regroup makes the batch the rows keep, in that order, and those of the states join,
// each (B, In, Reach), behind them. A row may be kept several times. It returns an
// error, and changes nothing, if there is no such row, a length is wrong, or the
// batch would be empty or too large.
func (s *Step[T]) Regroup(keep []int, join ...[]T) error {
	batch, err := s.regrouped(keep, join)
	if err != nil {
		return err
	}
	reach := s.Reach()
	if reach > 0 {
		past := num.GrowRows(s.spare, reach*batch*s.In)
		num.CopyRows(past, batch, 0, s.past, s.batch, keep, s.In)
		at := len(keep)
		for _, x := range join {
			for t := range reach {
				to := past[((s.next+t)%reach*batch+at)*s.In:][:len(x)/reach]
				for i := range to {
					to[i] = x[i*reach+t]
				}
			}
			at += len(x) / (s.In * reach)
		}
		s.past, s.spare = past, s.past
	}
	s.batch = batch
	if s.linear != nil {
		s.taps = num.GrowRows(s.taps, batch*s.Kernel*s.In/s.Groups)
	}
	return nil
}

// CheckRegroup returns the error of Regroup.
func (s *Step[T]) CheckRegroup(keep []int, join ...[]T) error {
	_, err := s.regrouped(keep, join)
	return err
}

// regrouped returns the number of rows after Regroup. Without a reach, a state of no
// elements is that of one row.
func (s *Step[T]) regrouped(keep []int, join [][]T) (batch int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("conv1d.Step.Regroup: %w", err)
		}
	}()
	for i, b := range keep {
		if b < 0 || b >= s.batch {
			return 0, fmt.Errorf("keep[%d]: want a row in [0, %d), got %d", i, s.batch, b)
		}
	}
	batch = len(keep)
	for i, x := range join {
		n := s.In * s.Reach()
		switch {
		case n == 0 && len(x) == 0:
			batch++
		case n == 0 || len(x) == 0 || len(x)%n != 0:
			return 0, fmt.Errorf("join[%d]: want rows of %d elements, got %d elements", i, n, len(x))
		default:
			batch += len(x) / n
		}
	}
	return batch, s.checkBatch(batch)
}

// Reset sets the state to the start of a sequence: zeros.
func (s *Step[T]) Reset() { clear(s.past) }
