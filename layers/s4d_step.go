package layers

import (
	"github.com/gorgonia-s4/s4/internal/dplr"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState) per feature.
// Its state is (batch, DModel, DState/2, 2): re and im of each stored pair.
// A bidirectional layer has none.
func (l *S4D) Recurrence(batch int) (Recurrence, error) {
	return l.newRecurrence(batch, recurrenceOfS4D[float32](l), recurrenceOfS4D[float64](l))
}

// recurrenceOfS4D returns what reads the weights off the parameters. The output is
// 2 Re(C x).
func recurrenceOfS4D[T num.Float](l *S4D) func() (stateWeights[T], error) {
	return func() (stateWeights[T], error) {
		var p vandermonde.Params[T]
		for _, err := range []error{
			checkDecay(l.cfg.ATransform, l.aReal),
			read(&p.Dt, l.logDt), read(&p.AReal, l.aReal), read(&p.AImag, l.aImag), read(&p.B, l.b), read(&p.C, l.c),
		} {
			if err != nil {
				return nil, err
			}
		}
		ab, bb, err := vandermonde.Discretize(l.disc(), l.size(), p)
		if err != nil {
			return nil, err
		}
		return diagonalWeights(&l.ssmLayer, ab, bb, p.C, 2), nil
	}
}

// diagonalWeights returns the weights of the recurrence x = Ab x + Bb u, y = gain
// Re(C x) of diagonal Ab and Bb (H, N) and C (CH, H, N, 2).
func diagonalWeights[T num.Float](l *ssmLayer, ab, bb []complex128, c []T, gain float64) modelWeights[T] {
	h, channels := l.common.inner(), l.common.channels
	n := len(ab) / h
	w := dplr.NewWeights[T](dplr.Size{H: h, N: n, Channels: channels})
	f := dplr.Feature{C: make([][]complex128, channels), Gain: gain}
	for ch := range f.C {
		f.C[ch] = make([]complex128, n)
	}
	for i := range h {
		f.A, f.B = ab[i*n:][:n], bb[i*n:][:n]
		for ch, row := range f.C {
			for k := range row {
				pair := c[((ch*h+i)*n+k)*2:]
				row[k] = complex(float64(pair[0]), float64(pair[1]))
			}
		}
		w.Set(i, f)
	}
	return func() stateModel[T] { return dplr.New(w) }
}
