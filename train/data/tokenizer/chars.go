package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// chars is the tokenizer of characters.
type chars struct {
	list   []rune // by id, behind <unk> if there is one
	first  int    // id of list[0]: 1 with <unk>, which is 0, or 0
	ascii  [utf8.RuneSelf]int32
	others map[rune]int32
}

// newChars returns the tokenizer of the characters of list, in its order, behind <unk>
// if it is open.
func newChars(list []rune, open bool) (*chars, error) {
	c := &chars{list: list, others: map[rune]int32{}}
	if open {
		c.first = 1
	}
	for i := range c.ascii {
		c.ascii[i] = -1
	}
	for i, r := range list {
		if !utf8.ValidRune(r) {
			return nil, fmt.Errorf("character %d: want one of Unicode, got %#x", i, r)
		}
		if c.find(r) >= 0 {
			return nil, fmt.Errorf("character %d: want each once, got %q again", i, r)
		}
		if id := int32(c.first + i); r < utf8.RuneSelf {
			c.ascii[r] = id
		} else {
			c.others[r] = id
		}
	}
	if c.Vocab() == 0 {
		return nil, fmt.Errorf("want at least one character, got none")
	}
	return c, nil
}

// find returns the id of a character, -1 if it has none.
func (c *chars) find(r rune) int {
	if r < utf8.RuneSelf {
		return int(c.ascii[r])
	}
	if id, ok := c.others[r]; ok {
		return int(id)
	}
	return -1
}

func (c *chars) Kind() string { return KindChar }
func (c *chars) Vocab() int   { return c.first + len(c.list) }
func (c *chars) EOS() int     { return -1 }

func (c *chars) Encode(dst []int, text []byte) ([]int, error) {
	dst, _, err := c.encode(dst, nil, text, false)
	return dst, err
}

// EncodeEnds implements Ends.
func (c *chars) EncodeEnds(ids, ends []int, text []byte) ([]int, []int, error) {
	return c.encode(ids, ends, text, true)
}

func (c *chars) encode(ids, ends []int, text []byte, where bool) ([]int, []int, error) {
	for at := 0; at < len(text); {
		r, n := rune(text[at]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(text[at:])
		}
		id := c.find(r)
		if id < 0 {
			if id = c.first - 1; id < 0 {
				return ids, ends, unknown(at, text[at:at+n])
			}
		}
		at += n
		ids = append(ids, id)
		if where {
			ends = append(ends, at)
		}
	}
	return ids, ends, nil
}

// Decode writes U+FFFD for <unk>.
func (c *chars) Decode(dst []byte, ids ...int) []byte {
	for _, id := range ids {
		switch i := id - c.first; {
		case id < 0 || i >= len(c.list):
		case i < 0:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		default:
			dst = utf8.AppendRune(dst, c.list[i])
		}
	}
	return dst
}

func (c *chars) Token(id int) string {
	switch i := id - c.first; {
	case id < 0 || i >= len(c.list):
		return noToken(id)
	case i < 0:
		return unk
	default:
		return string(c.list[i])
	}
}
