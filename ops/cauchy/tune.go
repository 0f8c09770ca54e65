package cauchy

import (
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/linrec"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// TuneC writes C~ = C (I - Ab^l), in which form the kernel takes C, to dst
// (CH, H, N, 2), where prm.C is C. It is for a new layer: l is its
// Config.LKernel. dst may be prm.C.
//
// Ab is that of cfg, whose lengths are not used; Rate should be 1 for a C~ that
// serves every rate. The cost is O(N^3 log l) per feature. TuneC, [UntuneC]
// and [RetuneC] return an error, and leave dst as it is, if the configuration, a
// size or a length is wrong, Ab^l or the result is not finite, or the result does
// not tell what the kernel is: where Ab^l has the eigenvalue 1 in a mode that the
// input reaches and C sees. The error names the feature and the pole. A mode of
// that kind which the input does not reach, such as that of an eigenvalue 0 beside
// B and P of one direction, has no part in C~.
//
// (S4, section 3.3 and algorithm 1, step 1.)
func TuneC[T num.Float](dst []T, cfg Config, size Size, prm Params[[]T], l int) error {
	return convertC("TuneC", dst, cfg, size, prm, l, func(dst, c []float64, p *power) {
		times(dst, c, p.e, p.inv.N())
		vec.Scale(dst, -1, dst)
	})
}

// RetuneC writes C~ for twice the length, C (I - Ab^2l) = C~ (I + Ab^l), to dst
// (CH, H, N, 2), where prm.C is C~ for length l. It is for a layer that meets a
// sequence longer than its kernel: the kernel keeps its first l steps and gains
// l more. dst may be prm.C. See [TuneC] for the rest.
func RetuneC[T num.Float](dst []T, cfg Config, size Size, prm Params[[]T], l int) error {
	return convertC("RetuneC", dst, cfg, size, prm, l, func(dst, c []float64, p *power) {
		times(dst, c, p.plus(), p.inv.N())
	})
}

// UntuneC writes C = C~ (I - Ab^l)^-1, the output row of the recurrence, to
// dst (CH, H, N, 2), where prm.C is C~ for length l: it is the inverse of
// [TuneC], which see for the rest. dst may be prm.C. Modes that do not decay
// at all, Ab^l = 1, and that the input does not reach have no part in C~; they get
// none in C.
func UntuneC[T num.Float](dst []T, cfg Config, size Size, prm Params[[]T], l int) error {
	return convertC("UntuneC", dst, cfg, size, prm, l, untune)
}

// power is what conversions between C and C~ are made of. All are real matrices
// (n, n) on the state (Re x, Im x), n = 2N.
type power struct {
	l          int
	first, sum []float64       // Ab - I, Ab + I
	e          []float64       // Ab^l - I
	inv        *linrec.Inverse // of e
}

// newPower returns the power of a feature.
func (f *feature) newPower(l int) (*power, error) {
	n := 2 * len(f.a)
	d := newDiscrete(&Size{N: len(f.a), R: len(f.p)})
	d.set(f)
	p := &power{l: l, first: make([]float64, n*n), sum: make([]float64, n*n), inv: linrec.NewInverse(n)}
	d.change(p.first)
	d.sum(p.sum)
	p.e = linrec.Power(p.first, p.sum, n, l)
	if sum := vec.Sum(p.e); !num.Finite(sum) {
		return nil, fmt.Errorf("want a finite Ab^%d, got a sum of elements of %g: is a parameter not finite or A unstable?", l, sum)
	}
	b := make([]float64, n)
	realColumn(b, d.b)
	if err := p.inv.Set(p.e); err != nil {
		return nil, err
	}
	return p, f.lost(p, b)
}

// plus returns Ab^l + I. For an odd l that is (Ab + I) + Ab (Ab^(l-1) - I), which
// loses nothing where Ab is close to -I.
func (p *power) plus() []float64 {
	n := p.inv.N()
	s := slices.Clone(p.e)
	if p.l%2 == 0 {
		for i := range n {
			s[i*n+i] += 2
		}
		return s
	}
	copy(s, p.sum)
	if p.l > 1 {
		e := linrec.Power(p.first, p.sum, n, p.l-1)
		vec.Add(s, s, e)
		var ws gemm.Workspace[float64]
		gemm.Gemm(&ws, false, false, n, n, n, p.first, n, e, n, s, n, true)
	}
	return s
}

// conversion writes what becomes of the rows c (CH, n) to dst.
type conversion func(dst, c []float64, p *power)

// convertC writes what convert makes of the rows of C of every feature to dst, all of
// them or none.
func convertC[T num.Float](name string, dst []T, cfg Config, size Size, prm Params[[]T], l int, convert conversion) error {
	if err := checkModel(cfg, size, prm); err != nil {
		return named(name, err)
	}
	if len(dst) != len(prm.C) {
		return fmt.Errorf("cauchy: %s: dst: want %d elements, got %d", name, len(prm.C), len(dst))
	}
	if l < 1 {
		return fmt.Errorf("cauchy: %s: want a length of at least 1, got %d", name, l)
	}
	out, errs := make([]T, len(dst)), make([]error, size.H)
	par.For(size.H, func(_, h int) {
		f := newFeature(&size)
		load(f, &prm, &cfg, &size, h)
		if errs[h] = f.convertC(l, convert); errs[h] == nil {
			errs[h] = storeC(out, f, &size, h)
		}
	})
	if err := firstError(errs); err != nil {
		return named(name, err)
	}
	copy(dst, out)
	return nil
}

// storeC writes the rows of C of feature h to dst (CH, H, N, 2). It is an error if
// they are beyond the range of T, on either side.
func storeC[T num.Float](dst []T, f *feature, size *Size, h int) error {
	for ch, c := range f.c {
		for n, v := range c {
			re, im := T(real(v)), T(imag(v))
			if !num.Finite(float64(re)+float64(im)) || v != 0 && re == 0 && im == 0 {
				return fmt.Errorf("pole %d: Lambda = %g: C becomes %g, which %T cannot hold", n, f.a[n], v, re)
			}
			i := (ch*size.H+h)*size.N + n
			dst[2*i], dst[2*i+1] = re, im
		}
	}
	return nil
}

// convertC is the function convertC for the rows of C of one feature.
func (f *feature) convertC(l int, convert conversion) error {
	if err := f.singular(l); err != nil {
		return err
	}
	n := 2 * len(f.a)
	p, err := f.newPower(l)
	if err != nil {
		return err
	}
	c, dst := make([]float64, len(f.c)*n), make([]float64, len(f.c)*n)
	for ch, row := range f.c {
		realRow(c[ch*n:], row)
	}
	convert(dst, c, p)
	for ch, row := range f.c {
		for i := range row {
			row[i] = complex(dst[ch*n+i]/2, -dst[ch*n+n/2+i]/2)
		}
	}
	return nil
}

// times sets the rows dst to c m, m (n, n).
func times(dst, c, m []float64, n int) {
	var ws gemm.Workspace[float64]
	gemm.Gemm(&ws, false, false, len(c)/n, n, n, c, n, m, n, dst, n, false)
}

// untune converts C~ = C (I - Ab^l) to C; where that has no solution, to the
// least-squares solution of least norm.
func untune(dst, c []float64, p *power) {
	vec.Scale(dst, -1, c)
	p.inv.Rows(dst, false)
}

// checkModel checks all that a recurrence is made of.
func checkModel[T num.Float](cfg Config, size Size, prm Params[[]T]) error {
	if err := cfg.validateModel(); err != nil {
		return err
	}
	if err := size.Validate(); err != nil {
		return err
	}
	return checkParams(&prm, size, false)
}
