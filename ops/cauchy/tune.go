package cauchy

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/linrec"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// SetupC writes C~ = C (I - Ab^l), in which form the kernel takes C, to dst
// (CH, H, N, 2), where prm.C is C. It is for a new layer: l is its
// Config.LKernel. dst may be prm.C.
//
// Ab is that of cfg, whose lengths are not used; Rate should be 1 for a C~ that
// serves every rate. The cost is O(N^3 log l) per feature. SetupC, [RecoverC]
// and [Double] return an error if the configuration, a size or a length is
// wrong or Ab^l is not finite.
//
// (S4, section 3.3 and algorithm 1, step 1.)
func SetupC[T num.Float](dst []T, cfg Config, size Size, prm Params[T], l int) error {
	return retune("SetupC", dst, cfg, size, prm, l, func(dst, c, e []float64, n int) error {
		timesChange(dst, c, e, n)
		vec.Scale(dst, -1, dst)
		return nil
	})
}

// Double writes C~ for twice the length, C (I - Ab^2l) = C~ (I + Ab^l), to dst
// (CH, H, N, 2), where prm.C is C~ for length l. It is for a layer that meets a
// sequence longer than its kernel: the kernel keeps its first l steps and gains
// l more. dst may be prm.C. See [SetupC] for the rest.
func Double[T num.Float](dst []T, cfg Config, size Size, prm Params[T], l int) error {
	return retune("Double", dst, cfg, size, prm, l, func(dst, c, e []float64, n int) error {
		timesChange(dst, c, e, n)
		vec.Axpy(dst, 2, c)
		return nil
	})
}

// RecoverC writes C = C~ (I - Ab^l)^-1, the output row of the recurrence, to
// dst (CH, H, N, 2), where prm.C is C~ for length l: it is the inverse of
// [SetupC], which see for the rest. dst may be prm.C. Modes that do not decay
// at all, Ab = 1, have no part in C~; they get none in C.
func RecoverC[T num.Float](dst []T, cfg Config, size Size, prm Params[T], l int) error {
	return retune("RecoverC", dst, cfg, size, prm, l, untilt)
}

// conversion writes what becomes of the rows c (CH, n) to dst, given e = Ab^l - I
// (n, n). They are real rows on the state (Re x, Im x), n = 2N.
type conversion func(dst, c, e []float64, n int) error

// retune writes what convert makes of the rows of C of every feature to dst.
func retune[T num.Float](name string, dst []T, cfg Config, size Size, prm Params[T], l int, convert conversion) error {
	if err := checkModel(cfg, size, prm); err != nil {
		return fmt.Errorf("cauchy: %s: %w", name, err)
	}
	if len(dst) != len(prm.C) {
		return fmt.Errorf("cauchy: %s: dst: want %d elements, got %d", name, len(prm.C), len(dst))
	}
	if l < 1 {
		return fmt.Errorf("cauchy: %s: want a length of at least 1, got %d", name, l)
	}
	errs := make([]error, size.H)
	par.For(size.H, func(_, h int) {
		f := newFeature(&size)
		load(f, &prm, &cfg, &size, h)
		if errs[h] = f.retune(l, convert); errs[h] != nil {
			return
		}
		for ch, c := range f.c {
			for n, v := range c {
				i := (ch*size.H+h)*size.N + n
				dst[2*i], dst[2*i+1] = T(real(v)), T(imag(v))
			}
		}
	})
	if err := firstError(errs); err != nil {
		return fmt.Errorf("cauchy: %s: %w", name, err)
	}
	return nil
}

// retune is the function retune for the rows of C of one feature.
func (f *feature) retune(l int, convert conversion) error {
	n := 2 * len(f.a)
	c, dst, e := make([]float64, len(f.c)*n), make([]float64, len(f.c)*n), make([]float64, n*n)
	for ch, row := range f.c {
		realRow(c[ch*n:], row)
	}
	d := newDiscrete(&Size{N: len(f.a), R: len(f.p)})
	d.set(f)
	d.change(e)
	e = linrec.Power(e, n, l)
	if sum := vec.Sum(e); math.IsNaN(sum) || math.IsInf(sum, 0) {
		return fmt.Errorf("want a finite Ab^%d, got a sum of elements of %g: is a parameter not finite or A unstable?", l, sum)
	}
	if err := convert(dst, c, e, n); err != nil {
		return err
	}
	for ch, row := range f.c {
		for i := range row {
			row[i] = complex(dst[ch*n+i]/2, -dst[ch*n+n/2+i]/2)
		}
	}
	return nil
}

// timesChange sets dst to c e.
func timesChange(dst, c, e []float64, n int) {
	var ws gemm.Workspace[float64]
	gemm.Gemm(&ws, false, false, len(c)/n, n, n, c, n, e, n, dst, n, false)
}

// untilt converts C~ = C (I - Ab^l) to C; where that has no solution, to the
// least-squares solution of least norm.
func untilt(dst, c, e []float64, n int) error {
	inv := linrec.NewInverse(n)
	if err := inv.Set(e); err != nil {
		return err
	}
	vec.Scale(dst, -1, c)
	inv.Rows(dst, false)
	return nil
}

// checkModel checks all that a recurrence is made of.
func checkModel[T num.Float](cfg Config, size Size, prm Params[T]) error {
	if err := cfg.validateModel(); err != nil {
		return err
	}
	if err := size.Validate(); err != nil {
		return err
	}
	return prm.check(size, false)
}
