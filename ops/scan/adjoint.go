package scan

import "github.com/gorgonia-s4/s4/internal/graphop"

// backward takes the gradient of the states back through the steps of a task, from the
// last one of the recurrence to the first.
func (t *task[T]) backward(grad [][]T, in []graphop.Arg[T], out, gout []T) {
	s, w := t.s, t.Width()
	back := t.Line
	back.Reverse, back.Conj = !t.Reverse, true
	nextA, next := s.next[:w], []T(nil) // a and h of the step behind the chunk
	if !t.Varying {
		t.vector(s.a, in[0].F, 0)
	}
	t.chunks(!t.Reverse, func(t0, t1 int) {
		m := t1 - t0
		h := s.h[:m*w]
		t.gather(h, gout, t0, t1)
		Along(back, h, t.nextFactors(in, nextA, t0, t1), next)
		if grad[1] != nil {
			t.scatter(grad[1], h, t0, t1)
		}
		first := 0 // row of the first step of the recurrence in the chunk
		if t.Reverse {
			first = m - 1
		}
		if t.Varying {
			copy(nextA, t.own(m)[first*w:][:w])
		}
		if grad[0] != nil {
			t.gradFactors(grad[0], in, h, out, t0, t1)
		}
		next = s.next[w:]
		copy(next, h[first*w:][:w])
	})
	if t.c.start < 0 || grad[t.c.start] == nil {
		return
	}
	clear(s.row)
	if next != nil {
		a := s.a[:w]
		if t.Varying {
			a = nextA
		}
		Along(Line{P: t.P, Complex: t.Complex, Conj: true}, s.row, a, next)
	}
	t.store(grad[t.c.start], s.row, t.b)
}

// own returns the rows of a of the m steps of a chunk: beside them is room for that of
// the step behind.
func (t *task[T]) own(m int) []T {
	w := t.Width()
	if t.Reverse {
		return t.s.a[w:][:m*w]
	}
	return t.s.a[:m*w]
}

// nextFactors returns for each of the steps [t0, t1) the a of the step behind it, the
// last of which is nextA.
func (t *task[T]) nextFactors(in []graphop.Arg[T], nextA []T, t0, t1 int) []T {
	w, m := t.Width(), t1-t0
	if !t.Varying {
		return t.s.a[:w]
	}
	t.gather(t.own(m), in[0].F, t0, t1)
	if t.Reverse {
		copy(t.s.a[:w], nextA)
		return t.s.a[:m*w]
	}
	copy(t.s.a[m*w:], nextA)
	return t.s.a[w:][:m*w]
}

// gradFactors writes the gradient of a at the steps [t0, t1), or adds it to the sum of
// the task.
func (t *task[T]) gradFactors(grad []T, in []graphop.Arg[T], h, out []T, t0, t1 int) {
	before := t.before(in, out, t0, t1)
	if !t.Varying {
		sum := t.s.sum
		clear(sum)
		GradA(t.Line, sum, h, before)
		t.halves(func(at, channel int) {
			for i, v := range sum[at:][:t.P] {
				t.sums[channel+i] += float64(v)
			}
		})
		return
	}
	da := t.s.a[:len(h)] // which are not needed any more
	clear(da)
	GradA(t.Line, da, h, before)
	t.scatter(grad, da, t0, t1)
}

// before returns the states that the steps [t0, t1) began with.
func (t *task[T]) before(in []graphop.Arg[T], out []T, t0, t1 int) []T {
	w, m := t.Width(), t1-t0
	x := t.s.x[:m*w]
	first := x[:w]
	switch {
	case t.Reverse && t1 == t.n:
		first = x[(m-1)*w:]
		t.gather(x, out, t0+1, t1)
	case t.Reverse:
		t.gather(x, out, t0+1, t1+1)
		return x
	case t0 == 0:
		t.gather(x[w:], out, t0, t1-1)
	default:
		t.gather(x, out, t0-1, t1-1)
		return x
	}
	if t.c.start >= 0 {
		t.vector(first, in[t.c.start].F, t.b)
	} else {
		clear(first)
	}
	return x
}
