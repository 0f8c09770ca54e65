package runes_test

import (
	"testing"

	"github.com/gorgonia-s4/s4/internal/runes"
)

// Each byte that is no part of a character is one U+FFFD, as where Go converts to runes.
func TestValid(t *testing.T) {
	for _, s := range []string{"", "a", "Ġ\u20ac\U0001f600", "\xff", "\x80\x80a", "\xe2\x82", "a\xf0\x9f\x98b", "\xed\xa0\x80", "\ufffd"} {
		if got, want := runes.Valid([]byte(s)), string([]rune(s)); got != want {
			t.Errorf("%q: want %q, got %q", s, want, got)
		}
	}
}

// What may go on to a character is held back, and nothing else.
func TestUnfinished(t *testing.T) {
	for s, want := range map[string]int{
		"": 0, "a": 0, "é": 0, "€": 0, "\U0001f600": 0,
		"\xc3": 1, "a\xe2": 1, "a\xe2\x82": 2, "\xf0\x9f\x98": 3, "€\xf0": 1,
		"\x80": 0, "\xff": 0, "\x80\x80\x80\x80": 0, "\xc3a": 0, "\xe2\x82a": 0, "\xe2\x28": 0, "\xc0": 0,
	} {
		if got := runes.Unfinished([]byte(s)); got != want {
			t.Errorf("%q: want %d bytes, got %d", s, want, got)
		}
	}
}
