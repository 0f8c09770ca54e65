package corpus_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/corpus"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// wiki are files as they are published.
var wiki = map[string]string{
	"wiki.train.tokens": " \n = Valkyria Chronicles III = \n \n The game is the <unk> of the Game . \n",
	"wiki.valid.tokens": " \n = The Game = \n the new <unk> . \n",
	"wiki.test.tokens":  " \n = III = \n",
}

// write writes files into a new folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, path string, cfg corpus.Config, room data.Room) *corpus.Data {
	t.Helper()
	d, err := corpus.Load(context.Background(), path, cfg, room)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// ids returns all ids of a split.
func ids(t *testing.T, tokens *corpus.Tokens) []int {
	t.Helper()
	all := make([]int, tokens.Len()+3)
	n := tokens.Read(all, 0)
	if n != tokens.Len() {
		t.Fatalf("read %d of %d tokens", n, tokens.Len())
	}
	return all[:n]
}

// text returns a split as text.
func text(t *testing.T, d *corpus.Data, tokens *corpus.Tokens) string {
	t.Helper()
	return string(d.Tokenizer.Decode(nil, ids(t, tokens)...))
}

func TestPublishedFiles(t *testing.T) {
	renamed := map[string]string{}
	for name, s := range wiki {
		renamed[strings.TrimSuffix(strings.TrimPrefix(name, "wiki."), ".tokens")+".txt"] = s
	}
	for _, files := range []map[string]string{wiki, renamed} {
		d := load(t, write(t, files), corpus.Config{}, data.Room{})
		var all []string
		for id := range d.Tokenizer.Vocab() {
			all = append(all, d.Tokenizer.Token(id))
		}
		if got, want := strings.Join(all, " "), "<eos> = the Valkyria Chronicles III The game is <unk> of Game ."; got != want {
			t.Errorf("want %s, got %s", want, got)
		}
		for i, want := range [][]int{{0, 1, 3, 4, 5, 1, 0, 0, 6, 7, 8, 2, 9, 10, 2, 11, 12, 0}, {0, 1, 6, 11, 1, 0, 2, 9, 9, 12, 0}, {0, 1, 5, 1, 0}} {
			tokens := d.All()[i]
			if got := ids(t, tokens); !slices.Equal(got, want) {
				t.Errorf("%s: want %v, got %v", data.SplitNames[i], want, got)
			}
			name := slices.Sorted(slices.Values([]string{tokens.Name()}))[0]
			if n := len(files[name]); tokens.Bytes() != n || tokens.Words() != len(want) {
				t.Errorf("%s: want %d words in %d bytes, got %d in %d", name, len(want), n, tokens.Words(), tokens.Bytes())
			}
		}
		if got, want := fmt.Sprint(d.Notes), "[train: 1 of 18 tokens (5.56 %) are <unk>, with a vocabulary of 13 val: 2 of 11 tokens (18.18 %) are <unk>, with a vocabulary of 13]"; got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
}

const novel = "\ufeffIt was\r\nthe b\x00st\nof times\xff\n\nit was 日本\nthe worst\nof times"

func TestTextIsSplitAtLines(t *testing.T) {
	path := filepath.Join(write(t, map[string]string{"a.md": novel}), "a.md")
	clean := "It was\nthe b\x00st\nof times\ufffd\n\nit was 日本\nthe worst\nof times\n"
	for _, kind := range []string{tokenizer.KindByte, tokenizer.KindChar} {
		d := load(t, path, corpus.Config{Tokenizer: kind, ValFraction: 0.4, TestFraction: 0.14}, data.Room{})
		got := []string{text(t, d, d.Train), text(t, d, d.Val), text(t, d, d.Test)}
		want := []string{"It was\nthe b\x00st\nof times\ufffd\n\n", "it was 日本\nthe worst\n", "of times\n"}
		if kind == tokenizer.KindByte {
			if !slices.Equal(got, want) || strings.Join(got, "") != clean {
				t.Errorf("%s: want %q, got %q", kind, want, got)
			}
		}
		if got, want := d.Train.Words()+d.Val.Words()+d.Test.Words(), len(strings.Fields(clean))+strings.Count(clean, "\n"); got != want {
			t.Errorf("%s: want %d words, got %d", kind, want, got)
		}
		if got := d.Train.Bytes() + d.Val.Bytes() + d.Test.Bytes(); got != len(clean) {
			t.Errorf("%s: want %d bytes, got %d", kind, len(clean), got)
		}
		if len(d.Notes) == 0 || d.Notes[0] != "1 bytes that are no UTF-8 became U+FFFD" {
			t.Errorf("got %q", d.Notes)
		}
	}
	d := load(t, path, corpus.Config{Tokenizer: tokenizer.KindByte, ValFraction: -1, TestFraction: -1}, data.Room{})
	if got := text(t, d, d.Train); got != clean || d.Val.Len() != 0 {
		t.Errorf("got %q and %d tokens", got, d.Val.Len())
	}
}

// The text of a range can be counted, whatever a token is.
func TestCount(t *testing.T) {
	line := " the cat's  日本 \u3000 sat on " + strings.Repeat("x", 300) + " \n"
	path := filepath.Join(write(t, map[string]string{"a.txt": strings.Repeat(line, 3000)}), "a.txt")
	for _, kind := range []string{tokenizer.KindByte, tokenizer.KindChar, tokenizer.KindWord, tokenizer.KindBPE} {
		d := load(t, path, corpus.Config{Tokenizer: kind, VocabSize: 400, ValFraction: -1, TestFraction: -1}, data.Room{})
		n := d.Train.Len()
		if c := d.Train.Count(0, n); c.Bytes != 3000*len(line) || c.Words != 3000*7 {
			t.Errorf("%s: got %+v", kind, c)
		}
		each := n / 3000
		for _, at := range []int{0, 1, 2, 17, 1500, 2999} {
			if c := d.Train.Count(at*each, (at+1)*each); c != (corpus.Count{Tokens: each, Words: 7, Bytes: len(line)}) {
				t.Errorf("%s: line %d: got %+v", kind, at, c)
			}
		}
		for at := 0; at < n; at += 1 + n/50 {
			a, b := d.Train.Count(0, at), d.Train.Count(at, n)
			if a.Bytes+b.Bytes != 3000*len(line) || a.Words+b.Words != 3000*7 || a.Words > at || a.Bytes < at {
				t.Errorf("%s: in two at %d: got %+v and %+v", kind, at, a, b)
			}
		}
	}
}
