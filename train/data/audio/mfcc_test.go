package audio

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tolerance is of coefficients, relative to their norm.
const tolerance = 1e-10

// The coefficients are those of torchaudio in float64: see testdata/mfcc.py.
func TestMFCC(t *testing.T) {
	text, err := os.ReadFile("testdata/mfcc.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		MFCCConfig
		Samples []float32
		Want    [][]float64
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) == 0 {
		t.Fatal(err)
	}
	for i, c := range cases {
		m, err := NewMFCC(c.MFCCConfig)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 { // at the same time
			wg.Go(func() {
				got, err := m.Compute([]float64{7}, c.Samples)
				if want := slices.Concat(c.Want...); err != nil || got[0] != 7 || len(got) != 1+len(want) || !near(got[1:], want) {
					t.Errorf("case %d: got %v, %v, want %v", i, got, err, want)
				}
			})
		}
		wg.Wait()
		if m.Features() != c.Coefficients || m.Frames(len(c.Samples)) != len(c.Want) {
			t.Errorf("case %d: %d frames of %d, want %d of %d", i, m.Frames(len(c.Samples)), m.Features(), len(c.Want), c.Coefficients)
		}
	}
	if m, err := NewMFCC(MFCCConfig{}); err != nil || m.Features() != 20 || m.Frames(16000) != 161 {
		t.Errorf("of a second: got %v, want 161 frames of 20", err)
	}
}

// near says whether the distance of a from b is at most tolerance, relatively.
func near(a, b []float64) bool {
	d, n := 0.0, 0.0
	for i, v := range b {
		d += (a[i] - v) * (a[i] - v)
		n += v * v
	}
	return math.Sqrt(d) <= tolerance*math.Sqrt(n)
}

func TestMFCCErrors(t *testing.T) {
	for want, c := range map[string]MFCCConfig{
		"MFCCConfig.Rate: want 2 to 768000, got -1": {Rate: -1},
		"MFCCConfig.Window: want an even number":    {Window: 201},
		"MFCCConfig.Mels: want 1 to Window, 8":      {Window: 8},
		"MFCCConfig.Coefficients: want 1 to Mels":   {Coefficients: 65},
	} {
		if _, err := NewMFCC(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	m, err := NewMFCC(MFCCConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Compute(nil, make([]float32, 100)); err == nil || err.Error() != "want more than 100 samples for a frame of 200, got 100" {
		t.Errorf("got error %v", err)
	}
}

func BenchmarkMFCC(b *testing.B) {
	m, err := NewMFCC(MFCCConfig{})
	if err != nil {
		b.Fatal(err)
	}
	samples, dst := make([]float32, 16000), make([]float64, 0, 161*20)
	for i := range samples {
		samples[i] = float32(math.Sin(float64(i * i)))
	}
	for b.Loop() {
		if _, err := m.Compute(dst, samples); err != nil {
			b.Fatal(err)
		}
	}
}
