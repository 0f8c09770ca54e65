package cifar

import (
	"cmp"
	"fmt"
)

// Encoding says what a step of a sequence holds.
type Encoding string

// The encodings.
const (
	// Gray is one feature, the luma of the pixel, normalised with the mean
	// 122.6/255 and the deviation 61/255 of the S4 papers.
	Gray Encoding = "gray"
	// RGB is three features, normalised with the means .4914, .4822, .4465 and
	// the deviations .247, .243, .261 of the reference's sequential CIFAR.
	RGB Encoding = "rgb"
	// Tokens is a token id, the luma in [0, VocabSize).
	Tokens Encoding = "tokens"
)

// VocabSize is the number of token ids of the encoding Tokens. There is none
// for padding: all sequences are of one length.
const VocabSize = 256

// Features returns the number of features of a step, 0 if it is a token id.
func (e Encoding) Features() int {
	switch e {
	case Tokens:
		return 0
	case RGB:
		return 3
	default:
		return 1
	}
}

// Scale returns the mean and the deviation of each feature, whose value is that of
// the pixel in [0, 1], less the mean, over the deviation; nil for Tokens.
func (e Encoding) Scale() (mean, deviation []float64) {
	switch e {
	case Tokens:
		return nil, nil
	case RGB:
		return []float64{0.4914, 0.4822, 0.4465}, []float64{0.247, 0.243, 0.261}
	default:
		return []float64{122.6 / 255}, []float64{61. / 255}
	}
}

// Config says how the data set is presented. A zero field stands for the value
// of the papers.
type Config struct {
	// Encoding is Gray, RGB or Tokens; "" means Gray.
	Encoding Encoding `json:"encoding"`
	// ValFraction is the share of the published training set that becomes the
	// validation set; 0 means 0.1, which is 5000 of 50000 images.
	ValFraction float64 `json:"val_fraction"`
	// Seed chooses the images of the validation set. The reference's choice
	// comes from another random generator and is not reproduced.
	Seed uint64 `json:"seed"`
}

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	c.Encoding = cmp.Or(c.Encoding, Gray)
	c.ValFraction = cmp.Or(c.ValFraction, 0.1)
	return c
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch c.Encoding {
	case Gray, RGB, Tokens:
	default:
		return fmt.Errorf("cifar: Config.Encoding: want %q, %q or %q, got %q", Gray, RGB, Tokens, c.Encoding)
	}
	if !(c.ValFraction > 0 && c.ValFraction < 1) {
		return fmt.Errorf("cifar: Config.ValFraction: want in (0, 1), got %v", c.ValFraction)
	}
	return nil
}
