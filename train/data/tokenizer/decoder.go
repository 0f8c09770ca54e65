package tokenizer

import "github.com/gorgonia-s4/s4/internal/runes"

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
	s := runes.Valid(d.held[:whole])
	d.held = append(d.held[:0], d.held[whole:]...)
	return s
}

// Flush returns U+FFFD for each byte that is waiting, and the decoder to the start of a
// text.
func (d *Decoder) Flush() string {
	s := runes.Valid(d.held)
	d.held = d.held[:0]
	return s
}
