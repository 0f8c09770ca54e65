package imdb

import (
	"cmp"
	"fmt"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// Config says how the data set is presented. A zero field stands for the value of the
// S4 papers.
type Config struct {
	// Level is text.Char or text.Byte; "" means text.Char.
	Level text.Level `json:"level"`
	// LMax is the largest number of tokens of a review, <eos> included; longer ones
	// lose their end. 0 means 4096.
	LMax int `json:"l_max"`
	// MinFreq is how often a character must be in the training reviews, each cut to
	// its length, to have a token of its own; 0 means 15.
	MinFreq int `json:"min_freq"`
	// OmitEOS leaves out the <eos> at the end of each review.
	OmitEOS bool `json:"omit_eos"`
	// Vocabulary is that of a model that the data are for, in the place of Level,
	// LMax, MinFreq and OmitEOS; nil makes one of the training reviews.
	Vocabulary *text.Vocabulary `json:"vocabulary,omitempty"`
	// ValFraction is the share of the published training set that becomes the
	// validation set. 0 means none: validation is then on the test set, as the S4
	// papers do it, and what is best there is chosen by what is tested.
	ValFraction float64 `json:"val_fraction"`
	// Seed chooses the reviews of a validation set of its own.
	Seed uint64 `json:"seed"`
}

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	if v := c.Vocabulary; v != nil {
		c.Level, c.LMax, c.OmitEOS = v.Level, v.LMax, v.OmitEOS
	}
	c.Level = cmp.Or(c.Level, text.Char)
	c.LMax = cmp.Or(c.LMax, 4096)
	c.MinFreq = cmp.Or(c.MinFreq, 15)
	return c
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Level.Validate() != nil:
		return fmt.Errorf("imdb: Config.Level: %w", c.Level.Validate())
	case c.LMax < 2 || c.LMax > size.MaxLength:
		return fmt.Errorf("imdb: Config.LMax: want 0 for the default or in [2, %d], got %d", size.MaxLength, c.LMax)
	case c.MinFreq < 1:
		return fmt.Errorf("imdb: Config.MinFreq: want 0 for the default or >= 1, got %d", c.MinFreq)
	case !(c.ValFraction >= 0 && c.ValFraction < 1):
		return fmt.Errorf("imdb: Config.ValFraction: want in [0, 1), got %v", c.ValFraction)
	}
	return nil
}
