package audio

import (
	"cmp"
	"fmt"
	"math"
	"sync"

	"gonum.org/v1/gonum/dsp/fourier"
)

// MFCCConfig configures mel-frequency cepstral coefficients (Davis and Mermelstein
// 1980). A zero field stands for the value of the S4 papers' code, which takes the
// others from torchaudio.transforms.MFCC with log_mels.
type MFCCConfig struct {
	Rate         int `json:"rate,omitempty"`         // samples per second; 0 means 16000
	Coefficients int `json:"coefficients,omitempty"` // of a frame; 0 means 20
	Window       int `json:"window,omitempty"`       // samples of a frame, half of which is the hop; 0 means 200
	Mels         int `json:"mels,omitempty"`         // triangular filters; 0 means 64
}

// logOffset is added to what a filter passes before its logarithm.
const logOffset = 1e-6

// maxWindow bounds the samples of a frame.
const maxWindow = 1 << 16

func (c MFCCConfig) withDefaults() MFCCConfig {
	c.Rate = cmp.Or(c.Rate, 16000)
	c.Coefficients = cmp.Or(c.Coefficients, 20)
	c.Window = cmp.Or(c.Window, 200)
	c.Mels = cmp.Or(c.Mels, 64)
	return c
}

// Validate reports the first field that is out of range.
func (c MFCCConfig) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Rate < 2 || c.Rate > MaxRate:
		return fmt.Errorf("MFCCConfig.Rate: want 2 to %d, got %d", MaxRate, c.Rate)
	case c.Window < 2 || c.Window > maxWindow || c.Window%2 != 0:
		return fmt.Errorf("MFCCConfig.Window: want an even number, 2 to %d, got %d", maxWindow, c.Window)
	case c.Mels < 1 || c.Mels > c.Window:
		return fmt.Errorf("MFCCConfig.Mels: want 1 to Window, %d, got %d", c.Window, c.Mels)
	case c.Coefficients < 1 || c.Coefficients > c.Mels:
		return fmt.Errorf("MFCCConfig.Coefficients: want 1 to Mels, %d, got %d", c.Mels, c.Coefficients)
	}
	return nil
}

// MFCC computes mel-frequency cepstral coefficients. It is safe for concurrent use.
type MFCC struct {
	cfg    MFCCConfig
	window []float64   // (Window)
	mel    []triangle  // (Mels)
	dct    [][]float64 // (Coefficients, Mels)
	spare  sync.Pool   // of *frame
}

// triangle is a filter: weights of the frequencies from lo on.
type triangle struct {
	lo      int
	weights []float64
}

// frame is the memory for one frame.
type frame struct {
	fft      *fourier.FFT
	samples  []float64    // (Window)
	spectrum []complex128 // (Window/2 + 1)
	mel      []float64    // (Mels)
}

// NewMFCC makes what computes the coefficients of cfg.
func NewMFCC(cfg MFCCConfig) (*MFCC, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("audio: %w", err)
	}
	cfg = cfg.withDefaults()
	m := &MFCC{cfg: cfg, window: make([]float64, cfg.Window), mel: triangles(cfg), dct: cosines(cfg.Coefficients, cfg.Mels)}
	for i := range m.window { // periodic Hann window
		m.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(cfg.Window))
	}
	m.spare.New = func() any {
		return &frame{
			fft:     fourier.NewFFT(cfg.Window),
			samples: make([]float64, cfg.Window), spectrum: make([]complex128, cfg.Window/2+1), mel: make([]float64, cfg.Mels),
		}
	}
	return m, nil
}

// triangles returns the filters, equally wide on the mel scale of HTK,
// 2595 log10(1 + f/700), from 0 to the Nyquist frequency.
func triangles(cfg MFCCConfig) []triangle {
	top := float64(cfg.Rate / 2)
	bins := cfg.Window/2 + 1
	mel := func(f float64) float64 { return 2595 * math.Log10(1+f/700) }
	edge := func(i int) float64 { // of filter i from below
		return 700 * (math.Pow(10, mel(top)*float64(i)/float64(cfg.Mels+1)/2595) - 1)
	}
	out := make([]triangle, cfg.Mels)
	for m := range out {
		left, mid, right := edge(m), edge(m+1), edge(m+2)
		for k := range bins {
			f := top * float64(k) / float64(bins-1)
			w := math.Min((f-left)/(mid-left), (right-f)/(right-mid))
			if w <= 0 {
				continue
			}
			if out[m].weights == nil {
				out[m].lo = k
			}
			out[m].weights = append(out[m].weights, w)
		}
	}
	return out
}

// cosines returns the first rows of the orthonormal discrete cosine transform
// (type II) of n numbers.
func cosines(rows, n int) [][]float64 {
	out := make([][]float64, rows)
	for k := range out {
		scale := math.Sqrt(2 / float64(n))
		if k == 0 {
			scale = math.Sqrt(1 / float64(n))
		}
		out[k] = make([]float64, n)
		for i := range n {
			out[k][i] = scale * math.Cos(math.Pi/float64(n)*(float64(i)+0.5)*float64(k))
		}
	}
	return out
}

// Features returns the number of coefficients of a frame.
func (m *MFCC) Features() int { return m.cfg.Coefficients }

// Frames returns the number of frames of a recording of n samples: one each hop,
// centred there.
func (m *MFCC) Frames(n int) int { return 1 + n/m.hop() }

func (m *MFCC) hop() int { return m.cfg.Window / 2 }

// Compute appends the coefficients of samples in [-1, 1], frame after frame,
// (Frames, Coefficients), to dst. Beyond its ends a recording is its mirror image;
// it has to have more than Window/2 samples.
func (m *MFCC) Compute(dst []float64, samples []float32) ([]float64, error) {
	if len(samples) <= m.hop() {
		return nil, fmt.Errorf("want more than %d samples for a frame of %d, got %d", m.hop(), m.cfg.Window, len(samples))
	}
	f := m.spare.Get().(*frame)
	defer m.spare.Put(f)
	for i := range m.Frames(len(samples)) {
		m.cut(f.samples, samples, i*m.hop()-m.hop())
		f.fft.Coefficients(f.spectrum, f.samples)
		for j, t := range m.mel {
			power := 0.0
			for k, w := range t.weights {
				c := f.spectrum[t.lo+k]
				power += w * (real(c)*real(c) + imag(c)*imag(c))
			}
			f.mel[j] = math.Log(power + logOffset)
		}
		for _, row := range m.dct {
			sum := 0.0
			for j, c := range row {
				sum += c * f.mel[j]
			}
			dst = append(dst, sum)
		}
	}
	return dst, nil
}

// cut fills dst with the samples from at on, windowed.
func (m *MFCC) cut(dst []float64, samples []float32, at int) {
	last := len(samples) - 1
	for j, w := range m.window {
		i := at + j
		if i < 0 {
			i = -i
		}
		if i > last {
			i = 2*last - i
		}
		dst[j] = w * float64(samples[i])
	}
}
