package text

import (
	"bytes"
	"unicode/utf8"
)

// byteOrderMark starts a UTF-8 text of some editors.
const byteOrderMark = "\ufeff"

// Clean returns a text as all loaders take it: UTF-8 without a byte order mark at its
// start, its lines ended by LF and not CRLF, and with U+FFFD, the replacement
// character, for each byte that is not part of a character. NUL and the other control
// characters stay. If nothing is to be done it is b itself.
func Clean(b []byte) []byte {
	b = bytes.TrimPrefix(b, []byte(byteOrderMark))
	if !bytes.Contains(b, []byte("\r\n")) && utf8.Valid(b) {
		return b
	}
	out := make([]byte, 0, len(b)+len(b)/8)
	for i := 0; i < len(b); {
		c, n := utf8.DecodeRune(b[i:])
		i += n
		if c == '\r' && i < len(b) && b[i] == '\n' {
			continue
		}
		out = utf8.AppendRune(out, c)
	}
	return out
}

// Prefix returns the first n characters of a clean text, or all of it.
func Prefix(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	at := 0
	for range n {
		if at == len(b) {
			break
		}
		if b[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRune(b[at:])
		at += size
	}
	return b[:at]
}
