package main

import (
	"errors"

	"gonum.org/v1/gonum/mat"
)

// probe is a linear map with a bias, from hidden states to beliefs.
type probe struct {
	w          *mat.Dense // (H, S)
	meanX      []float64  // (H)
	meanBelief []float64  // (S)
}

// smallest is the part of the largest eigenvalue of the covariance of hidden states below
// which a direction holds nothing but rounding.
const smallest = 1e-10

// fit returns the probe of least squares from x (n, H) to beliefs (n, S): of several the
// one of the smallest weights.
func fit(x, beliefs *mat.Dense) (*probe, error) {
	p := &probe{meanX: means(x), meanBelief: means(beliefs)}
	x, beliefs = centred(x, p.meanX), centred(beliefs, p.meanBelief)
	var gram, right mat.Dense
	gram.Mul(x.T(), x)
	right.Mul(x.T(), beliefs)
	h, s := right.Dims()
	var e mat.EigenSym
	if !e.Factorize(mat.NewSymDense(h, gram.RawMatrix().Data), true) {
		return nil, errors.New("probe: the eigenvalues of the covariance do not converge")
	}
	var v, along mat.Dense
	e.VectorsTo(&v)
	along.Mul(v.T(), &right)
	values := e.Values(nil)
	for i, lambda := range values {
		for j := range s {
			if lambda <= smallest*values[h-1] {
				along.Set(i, j, 0)
			} else {
				along.Set(i, j, along.At(i, j)/lambda)
			}
		}
	}
	p.w = new(mat.Dense)
	p.w.Mul(&v, &along)
	return p, nil
}

// read returns the beliefs (n, S) that are read from hidden states x (n, H).
func (p *probe) read(x *mat.Dense) *mat.Dense {
	var y mat.Dense
	y.Mul(centred(x, p.meanX), p.w)
	y.Apply(func(_, j int, v float64) float64 { return v + p.meanBelief[j] }, &y)
	return &y
}

// r2 is the part of the variance of beliefs (n, S) that what is read of them explains: 1
// is all, 0 what their mean does.
func r2(read, beliefs *mat.Dense) float64 {
	var wrong, all mat.Dense
	wrong.Sub(read, beliefs)
	all.CloneFrom(centred(beliefs, means(beliefs)))
	a, b := mat.Norm(&wrong, 2), mat.Norm(&all, 2)
	return 1 - a*a/(b*b)
}

// means returns the mean of each column.
func means(x *mat.Dense) []float64 {
	n, w := x.Dims()
	m := make([]float64, w)
	for i := range n {
		for j, v := range x.RawRowView(i) {
			m[j] += v / float64(n)
		}
	}
	return m
}

// centred returns x less the means of its columns.
func centred(x *mat.Dense, means []float64) *mat.Dense {
	var y mat.Dense
	y.Apply(func(_, j int, v float64) float64 { return v - means[j] }, x)
	return &y
}
