package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Counts counts the words, characters or pieces of texts, from which vocabularies are
// made. The zero Counts is not ready: see NewCounts.
type Counts struct {
	kind  string
	index map[string]int32
	keys  []string // in the order in which they were first seen
	n     []int64  // of each
	size  int      // bytes of keys

	ascii  [utf8.RuneSelf]int64 // of KindChar
	others map[rune]int64
}

// NewCounts returns counts for a vocabulary of a kind other than KindByte: of words, of
// characters, or of the pieces that a BPE is made of.
func NewCounts(kind string) (*Counts, error) {
	switch kind {
	case KindWord, KindChar, KindBPE:
		return &Counts{kind: kind, index: map[string]int32{}, others: map[rune]int64{}}, nil
	}
	return nil, fmt.Errorf("tokenizer: want counts for %q, %q or %q, got %q", KindWord, KindChar, KindBPE, kind)
}

// Add counts what is in a text. The parts of a long text are to be cut as Cut does.
func (c *Counts) Add(text []byte) error {
	switch c.kind {
	case KindChar:
		c.addChars(text)
		return nil
	case KindWord:
		for at := 0; ; {
			begin, end := field(text, at)
			if begin == len(text) {
				return nil
			}
			if at = end; text[begin] == '\n' {
				continue
			}
			if err := c.add(text[begin:end], 1); err != nil {
				return err
			}
		}
	}
	return pieces(text, func(piece []byte) error { return c.add(piece, 1) })
}

// add counts a word or a piece.
func (c *Counts) add(key []byte, n int64) error {
	if i, ok := c.index[string(key)]; ok {
		c.n[i] += n
		return nil
	}
	if len(c.keys) == maxCounted || c.size+len(key) > maxBytes {
		return fmt.Errorf("tokenizer: want at most %d different words of %d bytes in all, got more: bytes, characters or BPE have a vocabulary for such a text", maxCounted, maxBytes)
	}
	s := string(key)
	c.index[s] = int32(len(c.keys))
	c.keys, c.n = append(c.keys, s), append(c.n, n)
	c.size += len(s)
	return nil
}

func (c *Counts) addChars(text []byte) {
	for at := 0; at < len(text); {
		if b := text[at]; b < utf8.RuneSelf {
			c.ascii[b]++
			at++
			continue
		}
		r, n := utf8.DecodeRune(text[at:])
		c.others[r]++
		at += n
	}
}

// Merge adds counts of the same kind, of a text behind that of c.
func (c *Counts) Merge(more *Counts) error {
	if c.kind != more.kind {
		return fmt.Errorf("tokenizer: want counts for %q, got those for %q", c.kind, more.kind)
	}
	for b, n := range more.ascii {
		c.ascii[b] += n
	}
	for r, n := range more.others {
		c.others[r] += n
	}
	for i, key := range more.keys {
		if err := c.add([]byte(key), more.n[i]); err != nil {
			return err
		}
	}
	return nil
}

// VocabConfig says what is in a vocabulary of words or characters.
type VocabConfig struct {
	// Size is the most token ids, <eos> and <unk> included; 0 means as many as there
	// are. What is rarest is left out.
	Size int
	// MinFreq is how often a word or a character must be counted to have an id; 0
	// means 1.
	MinFreq int
	// Closed leaves out <unk>, which otherwise stands for what has no id: that is an
	// error then. A text of words that has <unk> itself is open nevertheless.
	Closed bool
}

// Validate reports the first field that is out of range.
func (c VocabConfig) Validate() error {
	switch {
	case c.Size < 0 || c.Size > MaxVocab:
		return fmt.Errorf("tokenizer: VocabConfig: want Size in [0, %d], got %d", MaxVocab, c.Size)
	case c.MinFreq < 0:
		return fmt.Errorf("tokenizer: VocabConfig: want MinFreq >= 0, got %d", c.MinFreq)
	}
	return nil
}

// Words returns the tokenizer of words of the published language models of WikiText:
// <eos> is the first id, then come the words that have been counted, the most frequent
// first and equally frequent ones in the order in which they were seen, as
// Counter.most_common of Python has them. The text may have <unk> as a word; otherwise
// it is the second id, unless the vocabulary is closed.
func Words(c *Counts, cfg VocabConfig) (Tokenizer, error) {
	if err := c.check(KindWord, cfg); err != nil {
		return nil, err
	}
	list := []string{eos}
	if _, ok := c.index[unk]; !ok && !cfg.Closed {
		list = append(list, unk)
	}
	for _, i := range c.byFrequency(cfg.MinFreq) {
		if s := c.keys[i]; s != eos && (cfg.Size == 0 || len(list) < cfg.Size) {
			list = append(list, s)
		}
	}
	if len(list) > MaxVocab {
		return nil, fmt.Errorf("tokenizer: want a vocabulary of at most %d ids, got %d: want a Size or a larger MinFreq", MaxVocab, len(list))
	}
	return NewWords(list)
}

// check reports counts of another kind, and a configuration that is out of range.
func (c *Counts) check(kind string, cfg VocabConfig) error {
	if c == nil || c.kind != kind {
		return fmt.Errorf("tokenizer: want counts for %q, got others", kind)
	}
	return cfg.Validate()
}

// byFrequency returns which keys have been counted at least so often, the most frequent
// first.
func (c *Counts) byFrequency(least int) []int {
	var order []int
	for i, n := range c.n {
		if n >= int64(least) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(c.n[j], c.n[i]) })
	return order
}

// Chars returns the tokenizer of characters: <unk> is the first id, unless the
// vocabulary is closed, then come the characters that have been counted, the most
// frequent first and equally frequent ones by their code points.
func Chars(c *Counts, cfg VocabConfig) (Tokenizer, error) {
	if err := c.check(KindChar, cfg); err != nil {
		return nil, err
	}
	count := func(r rune) int64 {
		if r < utf8.RuneSelf {
			return c.ascii[r]
		}
		return c.others[r]
	}
	var list []rune
	least := max(int64(cfg.MinFreq), 1)
	for r, n := range c.ascii {
		if n >= least {
			list = append(list, rune(r))
		}
	}
	for r, n := range c.others {
		if n >= least {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b rune) int { return cmp.Or(cmp.Compare(count(b), count(a)), cmp.Compare(a, b)) })
	most := cmp.Or(cfg.Size, MaxVocab)
	if !cfg.Closed {
		most--
	}
	t, err := newChars(list[:min(len(list), max(most, 0))], !cfg.Closed)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: characters: %w", err)
	}
	return t, nil
}
