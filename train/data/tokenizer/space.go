package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// Classes of bytes in a text of words.
const (
	inWord    = iota
	blank     // white space
	mayBlank  // may begin white space of several bytes
	endOfLine // LF
)

// classes are those of all bytes. White space is what str.split of Python takes for it:
// that of Unicode, and 0x1c to 0x1f.
var classes = func() (c [256]uint8) {
	for b := range utf8.RuneSelf {
		if unicode.IsSpace(rune(b)) || b >= 0x1c && b <= 0x1f {
			c[b] = blank
		}
	}
	c['\n'] = endOfLine
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if unicode.IsSpace(r) {
			c[string(r)[0]] = mayBlank
		}
		if r == 0x3000 { // the last
			break
		}
	}
	return c
}()

// space returns how many bytes of white space other than LF a text begins with, those
// of one character.
func space(text []byte) int {
	switch classes[text[0]] {
	case blank:
		return 1
	case mayBlank:
		if r, n := utf8.DecodeRune(text); unicode.IsSpace(r) {
			return n
		}
	}
	return 0
}

// field returns where the next word of a text from at on begins and ends, or the next
// LF: whichever comes first. Behind the last both are len(text).
func field(text []byte, at int) (begin, end int) {
	for at < len(text) {
		switch c := classes[text[at]]; {
		case c == endOfLine:
			return at, at + 1
		case c == blank:
			at++
			continue
		case c == mayBlank:
			if n := space(text[at:]); n > 0 {
				at += n
				continue
			}
		}
		break
	}
	begin = at
	for at < len(text) {
		if c := classes[text[at]]; c != inWord && (c != mayBlank || space(text[at:]) > 0) {
			break
		}
		at++
	}
	return begin, at
}
