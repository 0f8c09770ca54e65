package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// maxPiece is the most bytes of a piece; a longer run of letters is several.
const maxPiece = 1 << 16

// Classes of characters in a text of pieces.
const (
	other = iota
	letter
	number
	white
)

// ascii are the classes of the characters of ASCII.
var ascii = func() (c [utf8.RuneSelf]uint8) {
	for r := range c {
		c[r] = classOf(rune(r))
	}
	return c
}()

// classOf returns the class of a character.
func classOf(r rune) uint8 {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return white
	}
	return other
}

// class returns the class of the character that text[at:] begins with, and its bytes. A
// byte that is no part of one is of class other.
func class(text []byte, at int) (uint8, int) {
	if c := text[at]; c < utf8.RuneSelf {
		return ascii[c], 1
	}
	r, n := utf8.DecodeRune(text[at:])
	return classOf(r), n
}

// piece returns the end of the piece that begins at at < len(text). Pieces are those of
// the pattern of GPT-2,
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func piece(text []byte, at int) int {
	if text[at] == '\'' {
		if n := contraction(text[at:]); n > 0 {
			return at + n
		}
	}
	begin := at
	if text[at] == ' ' && at+1 < len(text) {
		begin++
	}
	c, n := class(text, begin)
	if c == white {
		return blanks(text, at)
	}
	end := begin + n
	for end < len(text) {
		next, n := class(text, end)
		if next != c || end+n-at > maxPiece {
			break
		}
		end += n
	}
	return end
}

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd that a text begins
// with, or 0.
func contraction(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(text) < 3 {
		return 0
	}
	switch string(text[1:3]) {
	case "re", "ve", "ll":
		return 3
	}
	return 0
}

// blanks returns the end of a piece of white space: all of it at the end of the text, all
// but the last character before something else, or that one.
func blanks(text []byte, at int) int {
	end, last := at, at
	for end < len(text) {
		c, n := class(text, end)
		if c != white {
			if last > at {
				return last
			}
			return end
		}
		if end+n-at > maxPiece {
			return end
		}
		last = end
		end += n
	}
	return end
}

// pieces calls f with the pieces of a text.
func pieces(text []byte, f func(piece []byte) error) error {
	for at := 0; at < len(text); {
		end := piece(text, at)
		if err := f(text[at:end]); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// cutPiece cuts before the last blank behind something else, or where a word ends that is
// not of ASCII: a piece never goes over either.
func cutPiece(text []byte) int {
	for at := len(text) - 1; at > 0; at-- {
		if text[at] != ' ' {
			continue
		}
		if r, _ := utf8.DecodeLastRune(text[:at]); !unicode.IsSpace(r) {
			return at
		}
	}
	for at := len(text) - 1; at > 0; at-- {
		if endsWord(text, at) {
			return at
		}
	}
	return 0
}

// endsWord says whether a letter is before a place and another character behind it, neither
// of them of ASCII.
func endsWord(text []byte, at int) bool {
	if text[at] < utf8.RuneSelf || text[at-1] < utf8.RuneSelf || !utf8.FullRune(text[at:]) {
		return false
	}
	r, n := utf8.DecodeRune(text[at:])
	before, _ := utf8.DecodeLastRune(text[:at])
	return n > 1 && unicode.IsLetter(before) && !unicode.IsLetter(r)
}
