package main

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/portrait"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// allStarts is the value of -init for all of startNames.
const allStarts = "all"

// start is an initialisation of a kind of layer.
type start struct {
	name, title string
	layer       func(g *G.ExprGraph, length int) (portrait.Convolution, error)
}

// The layers whose initialisations are drawn: features, state size, and the
// largest step size, which the smallest is a hundredth of.
const (
	startFeatures = 32
	startStates   = 16
	startDt       = 0.1
)

// starts lists every initialisation of every kind of layer.
func starts() []start {
	var ss []start
	for _, init := range hippo.DiagInits() {
		ss = append(ss, start{"s4d-" + string(init), fmt.Sprintf("S4D, init %q", init), func(g *G.ExprGraph, _ int) (portrait.Convolution, error) {
			return layers.NewS4D(g, tensor.Float64, layers.S4DConfig{DModel: startFeatures, DState: startStates, Init: init, DtMin: startDt / 100, DtMax: startDt})
		}})
	}
	for _, init := range hippo.DPLRInits() {
		ss = append(ss, start{"s4-" + string(init), fmt.Sprintf("S4, init %q", init), func(g *G.ExprGraph, length int) (portrait.Convolution, error) {
			return layers.NewS4(g, tensor.Float64, layers.S4Config{DModel: startFeatures, DState: startStates, Init: init, LMax: length, DtMin: startDt / 100, DtMax: startDt})
		}})
	}
	for _, init := range []layers.DSSInit{layers.DSSInitLegS, layers.DSSInitRandom} {
		ss = append(ss, start{"dss-" + string(init), fmt.Sprintf("DSS, init %q", init), func(g *G.ExprGraph, length int) (portrait.Convolution, error) {
			return layers.NewDSS(g, tensor.Float64, layers.DSSConfig{DModel: startFeatures, DState: startStates / 2, Init: init, Version: vandermonde.DSSExp, LMax: length, DtMin: startDt / 100, DtMax: startDt})
		}})
	}
	for _, m := range []hippo.Measure{hippo.LegS, hippo.LegT, hippo.LagT} {
		ss = append(ss, start{"lssl-" + string(m), fmt.Sprintf("LSSL, measure %q", m), func(g *G.ExprGraph, _ int) (portrait.Convolution, error) {
			return layers.NewLSSL(g, tensor.Float64, layers.LSSLConfig{DModel: startFeatures, DState: startStates, Init: m, DtMin: startDt / 100, DtMax: startDt})
		}})
	}
	return append(ss, start{"longconv", "LongConv", func(g *G.ExprGraph, length int) (portrait.Convolution, error) {
		return layers.NewLongConv(g, tensor.Float64, layers.LongConvConfig{DModel: startFeatures, LMax: length})
	}})
}

func startNames() []string {
	var names []string
	for _, s := range starts() {
		names = append(names, s.name)
	}
	return names
}

// makeStarts returns layers as they start, of one initialisation or of all.
func makeStarts(name string, length int) ([]subject, error) {
	var subjects []subject
	for _, s := range starts() {
		if name != allStarts && name != s.name {
			continue
		}
		g := G.NewGraph()
		l, err := s.layer(g, length)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, subject{name: s.name, title: s.title, graph: g, kind: kindOf(l), layer: l})
	}
	return subjects, nil
}
