package corpus

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// Config says what a token is, and how a text that is in one piece is split. A zero
// field stands for its default.
type Config struct {
	// Tokenizer is the kind, tokenizer.KindWord and so on; "" means words.
	Tokenizer string `json:"tokenizer"`
	// VocabSize is the most token ids; 0 means as many as there are, and 8192 for a
	// BPE. It does not count for bytes.
	VocabSize int `json:"vocab_size"`
	// MinFreq is how often a word or a character must be in the training text to have
	// an id; 0 means 1.
	MinFreq int `json:"min_freq"`
	// Closed makes what is not in the vocabulary an error, and not <unk>.
	Closed bool `json:"closed"`
	// TokenizerFile is what tokenizer.Open reads, in the place of a vocabulary of the
	// training text.
	TokenizerFile string `json:"tokenizer_file"`
	// Given is the tokenizer of a model that the text is for, in the place of all
	// above.
	Given tokenizer.Tokenizer `json:"-"`
	// ValFraction and TestFraction are the shares of a text in one piece, from its end,
	// that are held out; 0 means 0.05, and less than 0 means none.
	ValFraction  float64 `json:"val_fraction"`
	TestFraction float64 `json:"test_fraction"`
}

// bpeSize is the size of a vocabulary of BPE by default.
const bpeSize = 8192

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	c.Tokenizer = cmp.Or(c.Tokenizer, tokenizer.KindWord)
	if c.Tokenizer == tokenizer.KindBPE {
		c.VocabSize = cmp.Or(c.VocabSize, bpeSize)
	}
	c.ValFraction = max(cmp.Or(c.ValFraction, 0.05), 0)
	c.TestFraction = max(cmp.Or(c.TestFraction, 0.05), 0)
	return c
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	kinds := []string{"", tokenizer.KindWord, tokenizer.KindByte, tokenizer.KindChar, tokenizer.KindBPE}
	d := c.withDefaults()
	switch {
	case !slices.Contains(kinds, c.Tokenizer):
		return fmt.Errorf("corpus: Config: want the Tokenizer %q, %q, %q or %q, got %q", kinds[1], kinds[2], kinds[3], kinds[4], c.Tokenizer)
	case c.VocabSize < 0 || c.VocabSize > tokenizer.MaxVocab:
		return fmt.Errorf("corpus: Config: want VocabSize in [0, %d], got %d", tokenizer.MaxVocab, c.VocabSize)
	case c.MinFreq < 0:
		return fmt.Errorf("corpus: Config: want MinFreq >= 0, got %d", c.MinFreq)
	case !(d.ValFraction+d.TestFraction < 1):
		return fmt.Errorf("corpus: Config: want ValFraction and TestFraction below 1 together, got %g and %g", c.ValFraction, c.TestFraction)
	}
	return nil
}
