package tokenizer_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// try encodes and decodes with a tokenizer of a file, whatever is in it, and writes it
// again.
func try(t *testing.T, tok tokenizer.Tokenizer) {
	text := []byte("the cat's 42 \xff\u3000 aab<|endoftext|>b\n")
	ids, err := tok.Encode(nil, text)
	if err != nil && !strings.HasPrefix(err.Error(), "byte ") {
		t.Errorf("error %v", err)
	}
	for _, id := range ids {
		if id < 0 || id >= tok.Vocab() {
			t.Fatalf("id %d of %d", id, tok.Vocab())
		}
	}
	for id := range min(tok.Vocab(), 300) {
		tok.Decode(nil, id)
		tok.Token(id)
	}
	b, err := tokenizer.Marshal(tok)
	if err != nil {
		return // words that are no UTF-8
	}
	again, err := tokenizer.Unmarshal(b)
	if err != nil {
		t.Fatalf("what Marshal has written: %v\n%s", err, b)
	}
	more, _ := again.Encode(nil, text)
	if !slices.Equal(ids, more) || again.Vocab() != tok.Vocab() || again.EOS() != tok.EOS() {
		t.Errorf("got %v and %v, %d and %d ids", ids, more, tok.Vocab(), again.Vocab())
	}
}

// small is a tokenizer.json that is short enough to be changed anywhere.
const small = `{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [{"id": 4, "content": "<|endoftext|>", "special": true}],
"normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": true, "use_regex": true}, "post_processor": null,
"decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "dropout": null, "unk_token": null, "vocab": {"a": 0, "b": 1, "aa": 2, "Ġ": 3, "aab": 5},
"merges": ["a a", ["aa", "b"]]}}`

func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{small, `{"kind":"byte"}`, `{"kind":"char","chars":"ab","open":true}`, `{"kind":"word","words":["<eos>","<unk>","the"]}`, `{"kind":"word","words":["<eos>"]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if tok, err := tokenizer.Unmarshal(b); err == nil {
			try(t, tok)
		}
	})
}

func FuzzReadPair(f *testing.F) {
	f.Add([]byte(`{"a": 0, "b": 1, "aa": 2, "Ġ": 3, "aab": 4}`), []byte("#version: 0.2\na a\naa b\n"))
	f.Add([]byte(`{"a": 0, "<|endoftext|>": 1}`), []byte("\xff \n"))
	f.Fuzz(func(t *testing.T, vocab, merges []byte) {
		if tok, err := tokenizer.ReadPair(vocab, merges); err == nil {
			try(t, tok)
		}
	})
}

// Every text has ids that are the text, in whatever parts it comes and is encoded.
func FuzzEncode(f *testing.F) {
	path := filepath.Join("testdata", "tokenizer.json")
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	bpe, err := tokenizer.Unmarshal(b)
	if err != nil {
		f.Fatal(err)
	}
	w, err := tokenizer.NewWords([]string{"<eos>", "<unk>", "the", "cat"})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"the cat's  sat \n\n on 12 'll", "日本語\u3000\x85\x1c", "\xff\xfe \x00<|endoftext|>", " a", "\u00a0 \u00a0a"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := strings.Join(tokenizer.Pieces(text), ""); got != string(text) {
			t.Fatalf("%q: pieces of %q", text, got)
		}
		for _, tok := range []tokenizer.Tokenizer{tokenizer.Bytes(), bpe, w} {
			ids, err := tok.Encode(nil, text)
			if err != nil {
				t.Fatal(err)
			}
			if at := tokenizer.Cut(tok.Kind(), text); at < 0 || at > len(text) || at == 0 && tok.Kind() == tokenizer.KindByte && len(text) > 0 && utf8.FullRune(text) {
				t.Fatalf("%s: %q is cut at %d", tok.Kind(), text, at)
			} else {
				a, _ := tok.Encode(nil, text[:at])
				if a, _ = tok.Encode(a, text[at:]); !slices.Equal(a, ids) {
					t.Errorf("%s: %q cut at %d: want %v, got %v", tok.Kind(), text, at, ids, a)
				}
			}
			if tok == w {
				continue
			}
			if got := tok.Decode(nil, ids...); !bytes.Equal(got, text) {
				t.Errorf("%s: %q: got %q", tok.Kind(), text, got)
			}
			var s strings.Builder
			d := tokenizer.NewDecoder(tok)
			for _, id := range ids {
				s.WriteString(d.Next(id))
			}
			if s.WriteString(d.Flush()); s.String() != string([]rune(string(text))) {
				t.Errorf("%s: %q: decoded %q", tok.Kind(), text, s.String())
			}
		}
	})
}
