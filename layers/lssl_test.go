package layers_test

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
)

func TestLSSLConfigErrors(t *testing.T) {
	for want, cfg := range map[string]layers.LSSLConfig{
		"want DModel >= 1, got 0":                                    {},
		"want DState >= 2, for a tridiagonal matrix, got 1":          {DModel: 2, DState: 1},
		`want Init one of ["legs" "legt" "lagt"], got "fout"`:        {DModel: 2, Init: hippo.FouT},
		"want Alpha in [1/2, 1]":                                     {DModel: 2, Alpha: 0.25},
		"want NSSM a divisor of the number of features H = 4, got 3": {DModel: 4, NSSM: 3},
		"want 0 < DtMin <= DtMax":                                    {DModel: 2, DtMin: 1},
		`want Frozen to name some of dt, A, B, C, D, got "P"`:        {DModel: 2, SSM: layers.SSM{Frozen: []string{"P"}}},
	} {
		_, err := layers.NewLSSL(G.NewGraph(), tensor.Float32, cfg)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), `layers: LSSL "lssl": LSSLConfig: `) {
			t.Errorf("%+v: got error %v, want %q", cfg, err, want)
		}
	}
}
