package report

import (
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/portrait"
	"github.com/gorgonia-s4/s4/layers"
)

// Bounds on what is looked at in a model, and on what of it is drawn.
const (
	maxLayers       = 8       // layers with kernels that are drawn
	maxKernelLength = 1 << 14 // steps
	maxKernelValues = 1 << 23 // of all kernels of a layer
	maxFeatures     = 64      // whose systems are looked at
	maxDense        = 12      // of those, if their matrix is not diagonal
	maxPoles        = 360     // drawn
)

// look is a layer with kernels at one moment.
type look struct {
	kernels []portrait.Kernel // by effective length
	steps   []float64         // step sizes of features, ascending; nil if not known
	// Of some features: the eigenvalues of A with Im >= 0 and what they are
	// discretised. Those of two moments are in the same order if paired.
	a, ab  []complex128
	paired bool
	unit   string // of time
	note   string // on the eigenvalues
	none   string // why there are none; "" if there are
}

// kindOf names the kind of a layer.
func kindOf(l layers.Layer) string {
	name := fmt.Sprintf("%T", l)
	return name[strings.LastIndex(name, ".")+1:]
}

// lookAt returns what a block's layer is like for sequences of a length; nil if it
// has no kernels.
func lookAt(b *layers.Block, length int) (k *look, err error) {
	defer guard.Panic(&err) // a layer may be of another package
	if _, ok := b.Mixer().(portrait.Convolution); !ok {
		return nil, nil
	}
	features, _ := b.Config().Mixer.Features()
	length = max(2, min(length, maxKernelLength, maxKernelValues/max(features, 1)))
	g := G.NewGraph()
	m, err := layers.Clone(b.Mixer(), g, layers.ForLength(length))
	if err != nil {
		return nil, err
	}
	l := m.(portrait.Convolution)
	k = new(look)
	if k.kernels, err = portrait.Kernels(g, l, length); err != nil {
		return nil, err
	}
	return k, k.addSystems(l)
}

// features returns how many features the kernels are of.
func (k *look) features() int {
	n := 0
	for _, k := range k.kernels {
		n = max(n, k.Feature+1)
	}
	return n
}

// addSystems looks at a layer as linear systems, if it is any.
func (k *look) addSystems(l layers.Layer) error {
	systems, why := portrait.SystemsOf(l)
	if systems == nil {
		k.none = why
		return nil
	}
	dense := portrait.Dense(l)
	k.paired, k.unit = !dense, "time"
	for i, h := range spread(k.features(), maxFeatures) {
		sys, err := systems.System(0, h)
		if err != nil {
			return err
		}
		if sys.Dt == 1 {
			k.unit = "step"
		} else {
			k.steps = append(k.steps, sys.Dt)
		}
		if dense && i%(maxFeatures/maxDense) != 0 || len(k.a) >= maxPoles {
			continue
		}
		if err := k.addPoles(sys, dense); err != nil {
			return err
		}
	}
	return nil
}

// addPoles adds the eigenvalues of a system.
func (k *look) addPoles(sys *layers.System, dense bool) error {
	spec, err := portrait.Poles(sys)
	if err == nil && dense {
		var beyond bool
		matrix, beyond, err2 := portrait.Eigenvalues(sys)
		if err2 == nil && !beyond {
			spec = matrix
		} else if err = err2; beyond {
			k.note = "of the diagonal part of A: its own are beyond double precision"
		}
	}
	if err != nil {
		return err
	}
	for i, a := range spec.A {
		if imag(a) >= 0 {
			k.a, k.ab = append(k.a, a), append(k.ab, upper(spec.Ab[i]))
		}
	}
	return nil
}

// upper returns z or its conjugate, whichever has an imaginary part from 0.
func upper(z complex128) complex128 {
	if imag(z) < 0 {
		return complex(real(z), -imag(z))
	}
	return z
}

// spread returns at most most of the numbers from 0 to below n, evenly spaced, the
// first and the last among them.
func spread(n, most int) []int {
	if n <= most {
		most = n
	}
	is := make([]int, most)
	for i := range is {
		is[i] = i
		if n > most && most > 1 {
			is[i] = i * (n - 1) / (most - 1)
		}
	}
	return is
}

// reaches returns the effective lengths, ascending.
func (k *look) reaches() []float64 {
	rs := make([]float64, len(k.kernels))
	for i, k := range k.kernels {
		rs[i] = float64(k.Reach)
	}
	return rs
}

// longest returns the largest effective length.
func (k *look) longest() int { return k.kernels[len(k.kernels)-1].Reach }
