package audio

import (
	"fmt"
	"math"
)

// Parameters of the low-pass filter of Resample: a sinc under a Hann window.
const (
	sincZeros = 16   // zero crossings to each side
	rolloff   = 0.95 // of the lower Nyquist frequency
)

// maxPhases bounds the filters of two rates without a common divisor.
const maxPhases = 1 << 16

// Resample returns the recording at another rate, band-limited to what both rates
// can hold: interpolation by a windowed sinc (Smith 2002, Digital Audio Resampling).
func (w *Wave) Resample(rate int) (*Wave, error) {
	if rate < 1 || rate > MaxRate {
		return nil, fmt.Errorf("want a rate of 1 to %d samples a second, got %d", MaxRate, rate)
	}
	if rate == w.Rate {
		return w, nil
	}
	d := gcd(rate, w.Rate)
	up, down := rate/d, w.Rate/d
	if up > maxPhases {
		return nil, fmt.Errorf("want rates with a larger common divisor than %d, got %d and %d", d, w.Rate, rate)
	}
	n := (int64(len(w.Samples))*int64(up) + int64(down) - 1) / int64(down)
	if 2*n > maxBytes {
		return nil, fmt.Errorf("want at most %d samples at a rate of %d, got %d", maxBytes/2, rate, n)
	}
	bank := newSinc(up, down)
	out := &Wave{Rate: rate, Samples: make([]float32, n)}
	for i := range out.Samples {
		at := int64(i) * int64(down)
		out.Samples[i] = clamp(float32(bank.at(w.Samples, int(at/int64(up)), int(at%int64(up)))))
	}
	return out, nil
}

// sinc is the filters of all phases between two samples.
type sinc struct {
	half  int // taps to each side
	phase [][]float64
}

// newSinc makes the filters for up/down times the rate.
func newSinc(up, down int) *sinc {
	cut := rolloff * math.Min(1, float64(up)/float64(down)) // of the Nyquist frequency of the input
	s := &sinc{half: int(math.Ceil(sincZeros / cut)), phase: make([][]float64, up)}
	for p := range s.phase {
		taps := make([]float64, 2*s.half+1)
		sum := 0.0
		for j := range taps {
			t := (float64(j-s.half) - float64(p)/float64(up)) * cut
			taps[j] = sincOf(t) * hann(t/sincZeros)
			sum += taps[j]
		}
		for j := range taps {
			taps[j] /= sum // a constant stays what it is
		}
		s.phase[p] = taps
	}
	return s
}

// at returns the value of phase p behind sample i. Outside there is silence.
func (s *sinc) at(x []float32, i, p int) float64 {
	taps := s.phase[p]
	lo, hi := max(0, i-s.half), min(len(x)-1, i+s.half)
	sum := 0.0
	for j := lo; j <= hi; j++ {
		sum += float64(x[j]) * taps[j-i+s.half]
	}
	return sum
}

func sincOf(t float64) float64 {
	if t == 0 {
		return 1
	}
	return math.Sin(math.Pi*t) / (math.Pi * t)
}

// hann is the window on [-1, 1].
func hann(t float64) float64 {
	if t <= -1 || t >= 1 {
		return 0
	}
	c := math.Cos(math.Pi * t / 2)
	return c * c
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
