package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Decoder makes text of token ids that come one by one, as whole characters: the bytes
// of one that is not complete wait for the next token. It is not safe for concurrent
// use.
type Decoder struct {
	t    Tokenizer
	held []byte
}

// NewDecoder returns a decoder at the start of a text.
func NewDecoder(t Tokenizer) *Decoder { return &Decoder{t: t} }

// Next returns the text that is complete with a token, which may be none. Bytes that
// are no part of a character are U+FFFD, as those of text.Clean.
func (d *Decoder) Next(id int) string {
	d.held = d.t.Decode(d.held, id)
	whole := cutChar(d.held)
	s := valid(d.held[:whole])
	d.held = append(d.held[:0], d.held[whole:]...)
	return s
}

// Flush returns U+FFFD for each byte that is waiting, and the decoder to the start of a
// text.
func (d *Decoder) Flush() string {
	s := valid(d.held)
	d.held = d.held[:0]
	return s
}

// valid returns b with U+FFFD for each byte that is no part of a character.
func valid(b []byte) string {
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
