package aan

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
	// LMax is the largest number of tokens of a document, <eos> included; longer
	// ones lose their end. 0 means 4000.
	LMax int `json:"l_max"`
	// MinFreq is how often a character must be in the training pairs, each document
	// cut to its length, to have a token of its own; 0 means 1.
	MinFreq int `json:"min_freq"`
	// OmitEOS leaves out the <eos> at the end of each document.
	OmitEOS bool `json:"omit_eos"`
	// Vocabulary is that of a model that the data are for, in the place of Level,
	// LMax, MinFreq and OmitEOS; nil makes one of the training pairs.
	Vocabulary *text.Vocabulary `json:"vocabulary,omitempty"`
}

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	if v := c.Vocabulary; v != nil {
		c.Level, c.LMax, c.OmitEOS = v.Level, v.LMax, v.OmitEOS
	}
	c.Level = cmp.Or(c.Level, text.Char)
	c.LMax = cmp.Or(c.LMax, 4000)
	c.MinFreq = cmp.Or(c.MinFreq, 1)
	return c
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Level.Validate() != nil:
		return fmt.Errorf("aan: Config.Level: %w", c.Level.Validate())
	case c.LMax < 2 || c.LMax > size.MaxLength:
		return fmt.Errorf("aan: Config.LMax: want 0 for the default or in [2, %d], got %d", size.MaxLength, c.LMax)
	case c.MinFreq < 1:
		return fmt.Errorf("aan: Config.MinFreq: want 0 for the default or >= 1, got %d", c.MinFreq)
	}
	return nil
}

// cut returns how much of a document counts: so many characters, or bytes.
func (c Config) cut() cut {
	n := c.LMax - 1
	if c.OmitEOS {
		n = c.LMax
	}
	return cut{c.Level, n}
}

// cut is how much of a document counts.
type cut struct {
	Level text.Level `json:"level"`
	Most  int        `json:"most"`
}

// of returns the part of a document that counts, cleaned.
func (c cut) of(b []byte) []byte {
	b = text.Clean(b)
	if c.Level == text.Byte {
		return b[:min(len(b), c.Most)]
	}
	return text.Prefix(b, c.Most)
}
