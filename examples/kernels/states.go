package main

import (
	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// basis returns the first n basis functions of a feature: what its states are
// after an impulse, for as many steps as given. A kernel is their sum, weighted
// by C.
//
// Of S4 the states are those of the measure it starts from, x = 2 Re(V z), where
// z are the stored ones; of the others the stored ones, of complex ones the real
// part.
func basis(l layers.Layer, s *layers.System, feature, n, length int) ([][]float64, error) {
	v, err := startBasis(l, feature)
	if err != nil {
		return nil, err
	}
	size := len(s.Discrete.B)
	if s.Lambda != nil && v == nil {
		size /= 2 // the real parts come first
	}
	phi := make([][]float64, min(n, size))
	for i := range phi {
		phi[i] = make([]float64, length)
	}
	x := mat.NewVecDense(len(s.Discrete.B), append([]float64(nil), s.Discrete.B...))
	var next mat.VecDense
	for t := range length {
		for i := range phi {
			phi[i][t] = coordinate(x.RawVector().Data, v, i)
		}
		next.MulVec(s.Discrete.A, x)
		x.CopyVec(&next)
	}
	return phi, nil
}

// coordinate returns element i of the state x, or of 2 Re(V z) where z is x as
// complex numbers.
func coordinate(x []float64, v *mat.CDense, i int) float64 {
	if v == nil {
		return x[i]
	}
	var sum complex128
	for k, z := range hippo.ComplexState(x) {
		sum += v.At(i, k) * z
	}
	return 2 * real(sum)
}

// startBasis returns the eigenbasis V (N, N/2) of the measure that a feature of
// an S4 layer starts from; nil for other layers and where it starts diagonal.
func startBasis(l layers.Layer, feature int) (*mat.CDense, error) {
	s4, ok := l.(*layers.S4)
	if !ok {
		return nil, nil
	}
	c := s4.Config()
	start, err := hippo.DPLRInit(c.Init, c.DState, c.Rank, hippo.DPLROptions{Copies: c.NSSM})
	if err != nil {
		return nil, err
	}
	return start[ssm.Row(feature, c.NSSM)].V, nil
}
