package cauchy

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
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
	return retune("SetupC", dst, cfg, size, prm, l, func(c *mat.Dense, power *mat.Dense) error {
		c.Mul(c, addIdentity(power, -1))
		return nil
	})
}

// Double writes C~ for twice the length, C (I - Ab^2l) = C~ (I + Ab^l), to dst
// (CH, H, N, 2), where prm.C is C~ for length l. It is for a layer that meets a
// sequence longer than its kernel: the kernel keeps its first l steps and gains
// l more. dst may be prm.C. See [SetupC] for the rest.
func Double[T num.Float](dst []T, cfg Config, size Size, prm Params[T], l int) error {
	return retune("Double", dst, cfg, size, prm, l, func(c *mat.Dense, power *mat.Dense) error {
		c.Mul(c, addIdentity(power, 1))
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

// retune sets the rows of C of every feature, real rows (CH, 2N) on the state
// (Re x, Im x), to what convert makes of them, given Ab^l.
func retune[T num.Float](name string, dst []T, cfg Config, size Size, prm Params[T], l int, convert func(c, power *mat.Dense) error) error {
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
func (f *feature) retune(l int, convert func(c, power *mat.Dense) error) error {
	n := len(f.a)
	c := mat.NewDense(len(f.c), 2*n, nil)
	for ch, row := range f.c {
		realRow(c.RawRowView(ch), row)
	}
	d := newDiscrete(&Size{N: n, R: len(f.p)})
	d.set(f)
	ab := mat.NewDense(2*n, 2*n, nil)
	d.matrix(ab.RawMatrix().Data)
	var power mat.Dense
	power.Pow(ab, l)
	if sum := mat.Sum(&power); math.IsNaN(sum) || math.IsInf(sum, 0) {
		return fmt.Errorf("want a finite Ab^%d, got a sum of elements of %g: is a parameter not finite or A unstable?", l, sum)
	}
	if err := convert(c, &power); err != nil {
		return err
	}
	for ch, row := range f.c {
		for i := range row {
			row[i] = complex(c.At(ch, i)/2, -c.At(ch, n+i)/2)
		}
	}
	return nil
}

// addIdentity returns I + sign*m, in the memory of m.
func addIdentity(m *mat.Dense, sign float64) *mat.Dense {
	m.Apply(func(i, j int, v float64) float64 {
		if i == j {
			return 1 + sign*v
		}
		return sign * v
	}, m)
	return m
}

// maxCond is the largest condition number of I - Ab^l that is inverted; beyond
// it, what is left of a mode is rounding.
const maxCond = 1e13

// untilt replaces the rows c by c (I - power)^-1; where that does not exist, by
// the least-squares solution of least norm.
func untilt(c, power *mat.Dense) error {
	m := addIdentity(power, -1)
	var x mat.Dense
	var lu mat.LU
	if lu.Factorize(m.T()); lu.Cond() < maxCond {
		if err := lu.SolveTo(&x, false, c.T()); err != nil {
			return err
		}
		c.Copy(x.T())
		return nil
	}
	var svd mat.SVD
	if !svd.Factorize(m.T(), mat.SVDThin) {
		return errors.New("no singular value decomposition of I - Ab^l")
	}
	if rank := svd.Rank(1 / maxCond); rank > 0 {
		svd.SolveTo(&x, c.T(), rank)
		c.Copy(x.T())
		return nil
	}
	c.Zero()
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
