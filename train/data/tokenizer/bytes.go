package tokenizer

import (
	"fmt"
	"slices"
)

// bytesOf is the tokenizer of bytes.
type bytesOf struct{}

// Bytes returns the tokenizer whose ids are the 256 bytes of UTF-8, in which any text
// can be written.
func Bytes() Tokenizer { return bytesOf{} }

func (bytesOf) Kind() string { return KindByte }
func (bytesOf) Vocab() int   { return 256 }
func (bytesOf) EOS() int     { return -1 }

func (bytesOf) Encode(dst []int, text []byte) ([]int, error) {
	at := len(dst)
	dst = slices.Grow(dst, len(text))[:at+len(text)]
	for i, c := range text {
		dst[at+i] = int(c)
	}
	return dst, nil
}

func (bytesOf) Decode(dst []byte, ids ...int) []byte {
	for _, id := range ids {
		if id >= 0 && id < 256 {
			dst = append(dst, byte(id))
		}
	}
	return dst
}

func (bytesOf) Token(id int) string {
	switch {
	case id < 0 || id > 255:
		return noToken(id)
	case id > ' ' && id < 0x7f:
		return string(rune(id))
	}
	return fmt.Sprintf("<0x%02X>", id)
}
