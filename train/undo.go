package train

import (
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/internal/weights"
)

// undo takes back what a step that failed did to a model: running statistics and
// random states change while the graph runs, and an optimiser may fail half way
// through the parameters. So the state that is saved then is the one before the
// step.
type undo struct{ live, kept []any }

func newUndo(vars []weights.Var) (*undo, error) {
	u := &undo{}
	for _, v := range vars {
		s, err := weights.Elements(v.Value)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", v.Name, err)
		}
		u.live, u.kept = append(u.live, s), append(u.kept, clone(s))
	}
	return u, nil
}

// keep remembers the numbers as they are.
func (u *undo) keep() { copyAll(u.kept, u.live) }

// restore makes them what they were.
func (u *undo) restore() { copyAll(u.live, u.kept) }

func copyAll(dst, src []any) {
	for i := range dst {
		switch d := dst[i].(type) {
		case []float32:
			copy(d, src[i].([]float32))
		case []float64:
			copy(d, src[i].([]float64))
		case []int64:
			copy(d, src[i].([]int64))
		case []int:
			copy(d, src[i].([]int))
		}
	}
}

func clone(s any) any {
	switch s := s.(type) {
	case []float32:
		return slices.Clone(s)
	case []float64:
		return slices.Clone(s)
	case []int64:
		return slices.Clone(s)
	}
	return slices.Clone(s.([]int))
}
