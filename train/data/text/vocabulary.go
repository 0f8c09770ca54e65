package text

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/internal/size"
)

// Level says what a token is.
type Level string

// The levels.
const (
	// Char is a character, as in the S4 papers. Those that are too rare in the
	// training set are one token, <unk>.
	Char Level = "char"
	// Byte is a byte of UTF-8, as in Long Range Arena.
	Byte Level = "byte"
)

// Validate reports a level that is neither.
func (l Level) Validate() error {
	if l != Char && l != Byte {
		return fmt.Errorf("want %q or %q, got %q", Char, Byte, l)
	}
	return nil
}

// Token ids. Those of the characters follow Unk and EOS, in the order of
// Vocabulary.Chars; those of the bytes are Pad+1 to Pad+256, and then there is an end
// of their own.
const (
	Pad = 0 // <pad>
	unk = 1 // <unk>, of characters
	eos = 2 // <eos>, of characters

	firstChar = 3
	byteEOS   = 257
)

// Bytes is the number of token ids of the level Byte.
const Bytes = byteEOS + 1

// Vocabulary says how a text becomes token ids. It can be encoded as JSON; a model
// that was trained with it is of no use without it.
type Vocabulary struct {
	// Level is Char or Byte.
	Level Level `json:"level"`
	// Chars are the characters that have tokens, in the order of these; "" with
	// Level Byte.
	Chars string `json:"chars,omitempty"`
	// LMax is the largest number of tokens of a text; longer ones lose their end,
	// but not <eos>.
	LMax int `json:"l_max"`
	// OmitEOS leaves out the <eos> at the end of each text.
	OmitEOS bool `json:"omit_eos,omitempty"`

	runes  []rune               // Chars
	ascii  [utf8.RuneSelf]int32 // token of each character, 0 if it has none
	others map[rune]int32
}

// New returns the vocabulary of a level. Characters get tokens if they are counted at
// least minCount times, the most frequent first and equally frequent ones by their
// code points.
func New(level Level, counts *Counts, minCount, lMax int, omitEOS bool) (*Vocabulary, error) {
	v := &Vocabulary{Level: level, LMax: lMax, OmitEOS: omitEOS}
	if level == Char {
		v.Chars = counts.chars(minCount)
	}
	return v, v.prepare()
}

// UnmarshalJSON reads a vocabulary and checks it.
func (v *Vocabulary) UnmarshalJSON(b []byte) error {
	type plain Vocabulary // without this method
	if err := json.Unmarshal(b, (*plain)(v)); err != nil {
		return err
	}
	return v.prepare()
}

// prepare fills in what follows from the exported fields, and reports what is wrong
// with them.
func (v *Vocabulary) prepare() error {
	if err := v.Level.Validate(); err != nil {
		return fmt.Errorf("text: Vocabulary.Level: %w", err)
	}
	if v.LMax < 2 || v.LMax > size.MaxLength {
		return fmt.Errorf("text: Vocabulary.LMax: want in [2, %d], got %d", size.MaxLength, v.LMax)
	}
	if v.Level == Byte {
		if v.Chars != "" {
			return fmt.Errorf("text: Vocabulary.Chars: want none at level %q, got %.40q", Byte, v.Chars)
		}
		return nil
	}
	v.runes, v.ascii, v.others = []rune(v.Chars), [utf8.RuneSelf]int32{}, map[rune]int32{}
	for i, c := range v.runes {
		switch id := int32(firstChar + i); {
		case v.token(c) != unk:
			return fmt.Errorf("text: Vocabulary.Chars: want each character once, got %q again", c)
		case c < utf8.RuneSelf:
			v.ascii[c] = id
		default:
			v.others[c] = id
		}
	}
	return nil
}

// Size returns the number of token ids.
func (v *Vocabulary) Size() int {
	if v.Level == Byte {
		return Bytes
	}
	return firstChar + len(v.runes)
}

// token returns the token of a character.
func (v *Vocabulary) token(c rune) int {
	if c < utf8.RuneSelf {
		return max(int(v.ascii[c]), unk)
	}
	return max(int(v.others[c]), unk)
}

// room returns how many characters or bytes of a text are encoded.
func (v *Vocabulary) room() int {
	if v.OmitEOS {
		return v.LMax
	}
	return v.LMax - 1
}

// Length returns the number of tokens of a clean text, in [1, LMax].
func (v *Vocabulary) Length(b []byte) int {
	n := len(b)
	if v.Level == Char {
		n = utf8.RuneCount(Prefix(b, v.room()))
	}
	n = min(n, v.room())
	if v.OmitEOS {
		return max(n, 1)
	}
	return n + 1
}

// Append appends the tokens of a clean text to dst: as many as Length says. A text of
// nothing is an <eos>, or where that is omitted one padding token.
func (v *Vocabulary) Append(dst []int, b []byte) []int {
	start := len(dst)
	end := byteEOS
	if v.Level == Byte {
		for _, c := range b[:min(len(b), v.room())] {
			dst = append(dst, int(c)+Pad+1)
		}
	} else {
		end = eos
		for b = Prefix(b, v.room()); len(b) > 0; {
			c, n := utf8.DecodeRune(b)
			b = b[n:]
			dst = append(dst, v.token(c))
		}
	}
	switch {
	case !v.OmitEOS:
		dst = append(dst, end)
	case len(dst) == start:
		dst = append(dst, Pad)
	}
	return dst
}

// Encode returns the tokens of any text, cleaned first: what a user's own text goes
// through.
func (v *Vocabulary) Encode(text string) []int {
	b := Clean([]byte(text))
	return v.Append(make([]int, 0, v.Length(b)), b)
}

// Token returns what a token stands for: a character, a byte, or "<pad>", "<unk>" or
// "<eos>".
func (v *Vocabulary) Token(id int) string {
	switch {
	case id == Pad:
		return "<pad>"
	case v.Level == Byte && id == byteEOS, v.Level == Char && id == eos:
		return "<eos>"
	case v.Level == Byte && id > Pad && id < byteEOS:
		return string([]byte{byte(id - Pad - 1)})
	case v.Level == Char && id == unk:
		return "<unk>"
	case v.Level == Char && id >= firstChar && id < v.Size():
		return string(v.runes[id-firstChar])
	}
	return fmt.Sprintf("<token %d>", id)
}

// Pieces returns what each of some tokens stands for. Of the bytes of a character the
// first stands for all of it, and the others for nothing.
func (v *Vocabulary) Pieces(tokens []int) []string {
	pieces := make([]string, len(tokens))
	for i := 0; i < len(tokens); i++ {
		pieces[i] = v.Token(tokens[i])
		if v.Level != Byte || tokens[i] <= utf8.RuneSelf {
			continue
		}
		if c, n := utf8.DecodeRuneInString(v.bytes(tokens[i:])); c != utf8.RuneError {
			pieces[i] = string(c)
			i += n - 1
		}
	}
	return pieces
}

// bytes returns the bytes that the first tokens stand for, as many as a character has.
func (v *Vocabulary) bytes(tokens []int) string {
	var b []byte
	for _, t := range tokens[:min(len(tokens), utf8.UTFMax)] {
		if t <= Pad || t >= byteEOS {
			break
		}
		b = append(b, byte(t-Pad-1))
	}
	return string(b)
}

// Counts counts characters. The zero Counts has counted none.
type Counts struct {
	ascii  [utf8.RuneSelf]int64
	others map[rune]int64
}

// Add counts each character of a clean text so many times.
func (c *Counts) Add(b []byte, times int64) {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		c.add(r, times)
	}
}

func (c *Counts) add(r rune, n int64) {
	if r < utf8.RuneSelf {
		c.ascii[r] += n
		return
	}
	if c.others == nil {
		c.others = map[rune]int64{}
	}
	c.others[r] += n
}

// Merge adds what another has counted.
func (c *Counts) Merge(o *Counts) {
	for r, n := range o.ascii {
		c.ascii[r] += n
	}
	for r, n := range o.others {
		c.add(r, n)
	}
}

// chars returns the characters that are counted often enough, in order.
func (c *Counts) chars(minCount int) string {
	type counted struct {
		r rune
		n int64
	}
	var all []counted
	keep := func(r rune, n int64) {
		if n > 0 && n >= int64(minCount) {
			all = append(all, counted{r, n})
		}
	}
	for r, n := range c.ascii {
		keep(rune(r), n)
	}
	for r, n := range c.others {
		keep(r, n)
	}
	slices.SortFunc(all, func(a, b counted) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.r, b.r))
	})
	var s strings.Builder
	for _, a := range all {
		s.WriteRune(a.r)
	}
	return s.String()
}
