package tokenizer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/internal/strictjson"
)

// kept is how a tokenizer of bytes, characters or words is written.
type kept struct {
	Kind  string   `json:"kind"`
	Chars string   `json:"chars,omitempty"`
	Open  bool     `json:"open,omitempty"` // of characters: there is <unk>
	Words []string `json:"words,omitempty"`
}

// Marshal returns a tokenizer as JSON, which Unmarshal reads: a model is of no use
// without it. That of a BPE is a tokenizer.json, which other programs read too.
func Marshal(t Tokenizer) ([]byte, error) {
	switch t := t.(type) {
	case bytesOf:
		return json.Marshal(kept{Kind: KindByte})
	case *chars:
		return json.Marshal(kept{Kind: KindChar, Chars: string(t.list), Open: t.first > 0})
	case *words:
		for id, s := range t.list {
			if !utf8.ValidString(s) {
				return nil, fmt.Errorf("tokenizer: word %d: want UTF-8, got %q", id, s)
			}
		}
		return json.Marshal(kept{Kind: KindWord, Words: t.list})
	case *bpe:
		return t.marshal()
	}
	return nil, fmt.Errorf("tokenizer: want a tokenizer of this package, got %T", t)
}

// Unmarshal reads what Marshal has written.
func Unmarshal(b []byte) (Tokenizer, error) {
	t, err := unmarshal(b)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}

func unmarshal(b []byte) (Tokenizer, error) {
	if len(b) > maxFile {
		return nil, fmt.Errorf("want at most %d bytes, got %d", maxFile, len(b))
	}
	var model struct{ Model json.RawMessage }
	if json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &model) == nil && model.Model != nil {
		t, err := readBPE(b)
		if err != nil {
			return nil, err // and no nil *bpe
		}
		return t, nil
	}
	var k kept
	if err := strictjson.Decode(b, &k); err != nil {
		return nil, err
	}
	if k.Kind != KindChar && (k.Chars != "" || k.Open) || k.Kind != KindWord && k.Words != nil {
		return nil, fmt.Errorf("want the vocabulary of the kind %q, got another", k.Kind)
	}
	switch k.Kind {
	case KindByte:
		return Bytes(), nil
	case KindChar:
		return newChars([]rune(k.Chars), k.Open)
	case KindWord:
		return newWords(k.Words)
	}
	return nil, fmt.Errorf("want a tokenizer.json, or the kind %q, %q or %q, got %.40q", KindByte, KindChar, KindWord, k.Kind)
}

// maxFile bounds the bytes of a file of a tokenizer.
const maxFile = 512 << 20

// Fingerprint returns a hash of a tokenizer: two that have the same one give the same
// ids. A checkpoint has it to tell that its vocabulary is another.
func Fingerprint(t Tokenizer) (string, error) {
	b, err := Marshal(t)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(bytes.TrimSpace(b))
	return hex.EncodeToString(sum[:16]), nil
}
