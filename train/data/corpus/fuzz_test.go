package corpus_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/corpus"
	clean "github.com/gorgonia-s4/s4/train/data/text"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// A token file of a right checksum may have anything in it.
func FuzzParse(f *testing.F) {
	for _, kind := range []string{tokenizer.KindWord, tokenizer.KindByte, tokenizer.KindChar} {
		cache := f.TempDir()
		d, err := corpus.FromText(context.Background(), "x", []byte("a b\nc d a\nb\n"+strings.Repeat("e", 300)+"\n"), corpus.Config{Tokenizer: kind, ValFraction: 0.2}, data.Room{Cache: cache})
		if err != nil {
			f.Fatal(err)
		}
		d.Close()
		files, err := filepath.Glob(filepath.Join(cache, "*"))
		if err != nil || len(files) != 1 {
			f.Fatal(files, err)
		}
		b, err := os.ReadFile(files[0])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := corpus.Parse(corpus.Sealed(b))
		if err != nil {
			return
		}
		dst := make([]int, 100)
		for _, tokens := range d.All() {
			n := tokens.Len()
			for _, at := range []int{0, n / 2, n} {
				if got := tokens.Read(dst, at); got != min(100, n-at) {
					t.Errorf("%d tokens: read %d from %d on", n, got, at)
				}
				if n < 1<<20 {
					tokens.Count(at, n)
				}
			}
			if w, err := tokens.Windows(7); err == nil {
				w.Origin(w.Len() - 1)
			}
		}
	})
}

// Blocks are the clean text, in its splits, however the text comes.
func FuzzFeed(f *testing.F) {
	for _, s := range []string{"\ufeffa b\r\nc\rd\r", "\xff\xfe", "\xff日\xe6\x97", "a\n\nb c\n", "\r\n\r\n", "\xef\xbb\xbf\ufeff"} {
		f.Add([]byte(s), 1, int64(2), int64(5))
	}
	f.Fuzz(func(t *testing.T, b []byte, part int, first, second int64) {
		if part < 1 || first < 0 || second < first {
			return
		}
		blocks, splits, err := corpus.Feed(tokenizer.KindWord, b, part, []int64{first, second})
		if err != nil {
			if !strings.Contains(err.Error(), "UTF-16") {
				t.Error(err)
			}
			return
		}
		want := string(clean.Clean(b))
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		if got := strings.Join(blocks, ""); got != want {
			t.Errorf("%q in parts of %d: want %q, got %q", b, part, want, got)
		}
		if !slices.IsSorted(splits) {
			t.Errorf("%q: splits %v", b, splits)
		}
		for i, s := range blocks {
			if !strings.HasSuffix(s, "\n") && i+1 < len(blocks) && splits[i+1] != splits[i] {
				t.Errorf("%q: a line in two splits: %q, %v", b, blocks, splits)
			}
		}
	})
}
