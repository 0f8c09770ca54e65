package tokenizer

import (
	"fmt"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/internal/runes"
)

// The kinds of tokenizers.
const (
	KindWord = "word"
	KindByte = "byte"
	KindChar = "char"
	KindBPE  = "bpe"
)

// Tokenizer makes token ids of a text and a text of token ids. It is safe for
// concurrent use.
type Tokenizer interface {
	// Kind is one of the kinds above.
	Kind() string
	// Vocab returns the number of token ids, which are 0 to Vocab-1.
	Vocab() int
	// EOS returns the id that ends a line (of words) or a text; -1 says that there
	// is none.
	EOS() int
	// Encode appends the ids of a text. An error is an *UnknownError; the ids of
	// what is before it are appended.
	Encode(dst []int, text []byte) ([]int, error)
	// Decode appends the text of ids in a row, which has only a part of a character
	// where a token is one. An id that there is none of has no text.
	Decode(dst []byte, ids ...int) []byte
	// Token returns the token of an id for people to look at: "<eos>", "Ġthe".
	Token(id int) string
}

// Ends is a Tokenizer whose tokens alone do not say how much of a text each is:
// words keep no white space, and an unknown character may be any.
type Ends interface {
	Tokenizer
	// EncodeEnds is Encode which also appends where in the text each token ends, the
	// white space before a word being part of it.
	EncodeEnds(ids, ends []int, text []byte) ([]int, []int, error)
}

// UnknownError is about a token that a closed vocabulary does not have.
type UnknownError struct {
	// Offset is the byte of the text at which the token begins.
	Offset int
	// Token is the token, or its beginning.
	Token string
}

// Error implements error.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("byte %d: want a token of the vocabulary, which has no %s, got %q", e.Offset, unk, e.Token)
}

// unknown returns an UnknownError.
func unknown(offset int, token []byte) error {
	const most = 64
	if len(token) > most {
		for n := most; ; n-- {
			if utf8.RuneStart(token[n]) || n < most-utf8.UTFMax {
				token = token[:n]
				break
			}
		}
	}
	return &UnknownError{offset, string(token)}
}

// Tokens that stand for something.
const (
	eos = "<eos>" // the end of a line
	unk = "<unk>" // what is not in the vocabulary
)

// Limits on vocabularies, however they are made or read.
const (
	// MaxVocab is the most token ids.
	MaxVocab = 1 << 22
	// maxBytes is the most bytes of all tokens together.
	maxBytes = 256 << 20
	// maxCounted is the most different words that Counts takes.
	maxCounted = 1 << 24
)

// noToken names an id that there is no token of.
func noToken(id int) string { return fmt.Sprintf("<token %d>", id) }

// Unknown returns the id that stands for what is not in a vocabulary; -1 says that there
// is none.
func Unknown(t Tokenizer) int {
	switch t := t.(type) {
	case *words:
		return t.unk
	case *chars:
		return t.first - 1
	}
	return -1
}

// Cut returns where a text may be cut so that its two parts, encoded one after the other
// by a tokenizer of a kind, are the text encoded: the last such place behind its first
// byte, or 0. If there is one between two words it is there.
func Cut(kind string, text []byte) int {
	at := 0
	if kind == KindBPE {
		at = cutPiece(text)
	} else {
		at = cutWord(text)
	}
	if at == 0 && (kind == KindByte || kind == KindChar) {
		at = cutChar(text)
	}
	return at
}

// cutChar cuts behind the last whole character.
func cutChar(text []byte) int { return len(text) - runes.Unfinished(text) }

// cutWord cuts before the last blank, or behind the last LF.
func cutWord(text []byte) int {
	for at := len(text) - 1; at >= 0; at-- {
		switch {
		case text[at] == '\n':
			return at + 1
		case at > 0 && text[at] == ' ':
			return at
		}
	}
	return 0
}
