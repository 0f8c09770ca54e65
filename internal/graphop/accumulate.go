package graphop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
)

// accumulate adds d, row-major, to the gradient held by a dual value.
func accumulate[T num.Float](acc G.Value, d []T) error {
	switch a := acc.(type) {
	case *G.F32:
		*a += G.F32(d[0])
	case *G.F64:
		*a += G.F64(d[0])
	case *tensor.Dense:
		return accumulateDense(a, d)
	default:
		return fmt.Errorf("cannot add to a %T", acc)
	}
	return nil
}

func accumulateDense[T num.Float](acc *tensor.Dense, d []T) error {
	switch s := acc.Data().(type) {
	case T: // a tensor of shape ()
		acc.Set(0, s+d[0])
		return nil
	case []T:
		if acc.Shape().TotalSize() != len(d) {
			break
		}
		if rowMajor(acc) {
			for i, v := range d {
				s[i] += v
			}
			return nil
		}
		EachRow(acc.Shape(), acc.Strides(), func(to, from, stride, n int) {
			for i, v := range d[to : to+n] {
				s[from+i*stride] += v
			}
		})
		return nil
	}
	return fmt.Errorf("want a tensor of %d elements to add to, got %v of shape %v", len(d), acc.Dtype(), acc.Shape())
}
