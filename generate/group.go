package generate

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/layers"
)

// group is rows that step together.
type group struct {
	of      *source
	rows    []*row
	r       *layers.Recurrence // of as many rows, but that of none has what there was last
	ids     *tensor.Dense      // (rows)
	keep    []int
	scratch []scratch // of each worker
	scores  *tensor.Dense
	choose  *par.Loop
	join    []*row         // room for those that do
	joined  []layers.State // and for their states
	states  []layers.State // of all rows, behind this step, once one was asked for
}

// newGroup returns a group without rows.
func newGroup(of *source) *group {
	g := &group{of: of, scratch: make([]scratch, par.Workers())}
	g.choose = par.NewLoop(func(worker, i int) { g.rows[i].choose(g.scores, i, &g.scratch[worker]) })
	return g
}

// regroup lets rows leave that have ended, and others join whose prompts have been
// read.
func (g *group) regroup(join ...*row) error {
	g.keep = g.keep[:0]
	rows := g.rows[:0]
	for i, r := range g.rows {
		if !r.ended() {
			g.keep, rows = append(g.keep, i), append(rows, r)
		}
	}
	states := g.joined[:0]
	for _, r := range join {
		states = append(states, r.x0)
		r.x0 = nil
	}
	g.joined = states
	clear(g.rows[len(rows):])
	g.rows, g.states, g.scores = append(rows, join...), nil, nil
	if len(g.rows) == 0 {
		return nil
	}
	if err := g.recur(); err != nil {
		return fmt.Errorf("rows of a batch: %w", err)
	}
	g.ids = tensor.New(tensor.WithShape(len(g.rows)), tensor.WithBacking(make([]int, len(g.rows))))
	return nil
}

// recur makes the recurrence that of the rows that are kept and of states that join.
func (g *group) recur() (err error) {
	defer guard.Panic(&err)
	defer func() { clear(g.joined) }()
	if g.r == nil {
		if g.r, err = g.of.root.Fork(1); err != nil {
			return err
		}
	}
	return g.r.Regroup(g.keep, g.joined...)
}

// rowsOf returns the states of all rows.
func rowsOf(r *layers.Recurrence) ([]layers.State, error) {
	x, n := r.State(), r.Batch()
	if len(x) == 0 {
		return make([]layers.State, n), nil
	}
	ones := make([]int, n)
	for i := range ones {
		ones[i] = 1
	}
	return x.Split(ones...)
}

// state returns a copy of the state of a row.
func (g *group) state(i int) (layers.State, error) {
	if g.states == nil {
		var err error
		if g.states, err = rowsOf(g.r); err != nil {
			return nil, err
		}
	}
	return g.states[i], nil
}

// step lets every row read its next token and choose the one that follows.
func (g *group) step() (err error) {
	defer guard.Panic(&err)
	g.states = nil
	for i, r := range g.rows {
		g.ids.Ints()[i] = r.next
	}
	scores, err := g.r.Step(g.ids)
	if err != nil {
		return err
	}
	g.scores = scores
	if len(g.rows)*g.of.vocab < parallelFrom {
		for i, r := range g.rows {
			r.choose(scores, i, &g.scratch[0])
		}
		return nil
	}
	g.choose.Run(len(g.rows))
	return nil
}

// parallelFrom is the number of scores of a batch from which rows choose at the same
// time.
const parallelFrom = 1 << 13

// leaving says whether a row has ended.
func (g *group) leaving() bool {
	return slices.ContainsFunc(g.rows, (*row).ended)
}

// staying says whether a row has not ended.
func (g *group) staying() bool {
	return slices.ContainsFunc(g.rows, func(r *row) bool { return !r.ended() })
}

// clear forgets all rows.
func (g *group) clear() {
	clear(g.rows)
	g.rows, g.states, g.scores = g.rows[:0], nil, nil
}

// isolate finds the rows that cannot take a step that all of them together could not
// take, such as one that is at the last position that the model has, and ends them with
// their errors. If there is none, all of them end.
func (g *group) isolate(cause error) {
	found := false
	for i, r := range g.rows {
		if err := g.stepAlone(i); err != nil {
			r.fail(err)
			found = true
		}
	}
	for _, r := range g.rows {
		if !found {
			r.fail(cause)
		}
	}
}

// stepAlone takes the step of a row by itself, and forgets it.
func (g *group) stepAlone(i int) (err error) {
	if len(g.rows) == 1 {
		return nil
	}
	defer guard.Panic(&err)
	x, err := g.state(i)
	if err != nil {
		return err
	}
	one, err := g.of.root.Fork(1)
	if err != nil {
		return err
	}
	if len(x) > 0 {
		if err := one.SetState(x); err != nil {
			return err
		}
	}
	_, err = one.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{g.rows[i].next})))
	return err
}
