// Package runes is what texts need that come in parts: characters of UTF-8 that are not
// complete, and bytes that are part of none.
package runes

import (
	"strings"
	"unicode/utf8"
)

// Valid returns bytes as text, with U+FFFD for each that is no part of a character.
func Valid(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		s.WriteRune(r)
		b = b[n:]
	}
	return s.String()
}

// Unfinished returns the number of bytes at the end that may be the beginning of a
// character.
func Unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if utf8.RuneStart(b[len(b)-n]) {
			if utf8.FullRune(b[len(b)-n:]) {
				return 0
			}
			return n
		}
	}
	return 0
}
