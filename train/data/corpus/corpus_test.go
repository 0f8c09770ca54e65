package corpus_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
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

// The same text is the same tokens, in whatever form it is published.
func TestForms(t *testing.T) {
	dir := write(t, wiki)
	want := load(t, dir, corpus.Config{}, data.Room{})
	inside := map[string]string{}
	for name, s := range wiki {
		inside["wikitext-2/"+name] = s
	}
	for what, path := range map[string]string{
		"a folder in a folder": write(t, inside),
		"a tar.gz":             tarGzip(t, inside),
		"a zip":                zipped(t, inside),
		"a hub":                "testdata/hub",
		"a folder of a hub":    "testdata/hub/wikitext-2-v1",
	} {
		got := load(t, path, corpus.Config{}, data.Room{})
		for i, split := range got.All() {
			if a, b := ids(t, split), ids(t, want.All()[i]); !slices.Equal(a, b) {
				t.Errorf("%s: %s: want %v, got %v", what, data.SplitNames[i], b, a)
			}
		}
	}
	all := write(t, map[string]string{"b.txt": "c d\n", "a/a.txt": "a b", "README": "no", ".hidden.txt": "no", "z.text": "no"})
	cfg := corpus.Config{Tokenizer: tokenizer.KindByte, ValFraction: -1, TestFraction: -1}
	for what, path := range map[string]string{
		"a folder": all, "a tar.gz": tarGzip(t, map[string]string{"a.txt": "a b\n", "b.txt": "c d\n"}),
		"a gzip": gzipped(t, "a b\nc d"), "a Parquet file": "testdata/letters.parquet",
	} {
		d := load(t, path, cfg, data.Room{})
		if got := text(t, d, d.Train); got != "a b\nc d\n" {
			t.Errorf("%s: got %q", what, got)
		}
	}
	d, err := corpus.FromText(context.Background(), "letters", []byte("a b\nc d"), cfg, data.Room{})
	if err != nil || text(t, d, d.Train) != "a b\nc d\n" || d.Train.Name() != "letters" {
		t.Errorf("a text in memory: got %v", err)
	}
}

func tarGzip(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if err := errors.Join(w.WriteHeader(h), second(w.Write([]byte(files[name])))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(write(t, map[string]string{"a": b.String()}), "a")
}

func zipped(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, s := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(s))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(write(t, map[string]string{"a": b.String()}), "a")
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(second(z.Write([]byte(text))), z.Close()); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(write(t, map[string]string{"a.gz": b.String()}), "a.gz")
}

func second[A any](_ A, err error) error { return err }

func TestLoadErrors(t *testing.T) {
	one := func(s string) string { return filepath.Join(write(t, map[string]string{"a.txt": s}), "a.txt") }
	two := maps.Clone(wiki)
	two["x/wiki.train.tokens"] = "a\n"
	part := maps.Clone(wiki)
	delete(part, "wiki.valid.tokens")
	empty := maps.Clone(wiki)
	empty["wiki.train.tokens"] = ""
	unknown := maps.Clone(wiki)
	unknown["wiki.train.tokens"] = " the <eos> \n"
	unknown["wiki.test.tokens"] = " \n the the \n the \n a new word \n"
	words := corpus.Config{Closed: true, VocabSize: 3}
	for _, c := range []struct {
		path string
		cfg  corpus.Config
		want string
	}{
		{one(""), corpus.Config{}, "a.txt: want a text, got none in it"},
		{one("\ufeff"), corpus.Config{}, "a.txt: want a text, got none in it"},
		{one("\xff\xfea\x00"), corpus.Config{}, "a.txt: want UTF-8, got the byte order mark of UTF-16"},
		{write(t, map[string]string{"a.md": "a"}), corpus.Config{}, "no data: want wiki.train.tokens"},
		{filepath.Join(t.TempDir(), "none"), corpus.Config{}, "no such file"},
		{write(t, two), corpus.Config{}, "want the files of one data set"},
		{write(t, part), corpus.Config{}, "got none of valid beside"},
		{write(t, empty), corpus.Config{}, "want a text to train with, got none"},
		{write(t, unknown), words, `wiki.test.tokens:4: want a word or a character of the vocabulary, which is closed, got "a"`},
		{"testdata/several", corpus.Config{}, "want the path of one data set"},
		{one("a"), corpus.Config{Tokenizer: "syllable"}, `want the Tokenizer "word", "byte", "char" or "bpe", got "syllable"`},
		{one("a"), corpus.Config{VocabSize: -1}, "want VocabSize in"},
		{one("a"), corpus.Config{VocabSize: tokenizer.MaxVocab + 1}, "want VocabSize in"},
		{one("a"), corpus.Config{MinFreq: -1}, "want MinFreq >= 0"},
		{one("a"), corpus.Config{ValFraction: 0.6, TestFraction: 0.5}, "want ValFraction and TestFraction below 1"},
		{one("a"), corpus.Config{ValFraction: math.NaN()}, "want ValFraction and TestFraction below 1"},
		{one("a"), corpus.Config{Tokenizer: tokenizer.KindBPE, VocabSize: 9}, "want a Size >= 256"},
		{one("a"), corpus.Config{TokenizerFile: one("{")}, "a.txt: the file is truncated"},
		{one(strings.Repeat("a", 17<<20)), corpus.Config{}, "want white space at least every 16777216 bytes, got none"},
		{one(strings.Repeat("a\n", 9<<20)), corpus.Config{Tokenizer: tokenizer.KindBPE, ValFraction: -1, TestFraction: -1}, "want a blank behind a word at least every 16777216 bytes, got none"},
	} {
		for _, room := range []data.Room{{}, {Cache: t.TempDir()}} {
			_, err := corpus.Load(context.Background(), c.path, c.cfg, room)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "corpus: ") {
				t.Errorf("%s, %+v: got error %v, want %q", c.path, c.cfg, err, c.want)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := corpus.Load(ctx, one("a b"), corpus.Config{}, data.Room{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	// One token is a text, but nothing follows it.
	d := load(t, one("a\n"), corpus.Config{ValFraction: -1, TestFraction: -1}, data.Room{})
	if w, err := d.Train.Windows(8); err != nil || w.Len() != 1 {
		t.Errorf("a word and its <eos>: got %v", err)
	}
	d = load(t, one("\n"), corpus.Config{ValFraction: -1, TestFraction: -1}, data.Room{})
	_, a := d.Train.Windows(8)
	_, b := d.Train.Sliding(8, 2)
	_, c := d.Val.Streams(1, 8)
	for _, err := range []error{a, b, c} {
		if err == nil || !strings.Contains(err.Error(), "corpus: a.txt") || !strings.Contains(err.Error(), "tokens") {
			t.Errorf("one token: got error %v", err)
		}
	}
}

// A vocabulary that is given is used as it is.
func TestGivenTokenizer(t *testing.T) {
	dir, cache := write(t, wiki), t.TempDir()
	given, err := tokenizer.NewWords([]string{"the", "<unk>", "<eos>", "game"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := tokenizer.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(write(t, map[string]string{"x.json": string(b)}), "x.json")
	for _, cfg := range []corpus.Config{{Given: given}, {TokenizerFile: file}, {Given: given, Tokenizer: tokenizer.KindBPE}} {
		for range 2 {
			d := load(t, dir, cfg, data.Room{Cache: cache})
			if got, want := ids(t, d.Val), []int{2, 1, 1, 1, 1, 2, 0, 1, 1, 1, 2}; !slices.Equal(got, want) {
				t.Errorf("want %v, got %v", want, got)
			}
			if d.Train.Unknown() != 11 {
				t.Errorf("got %d unknown tokens", d.Train.Unknown())
			}
		}
	}
	if files, err := os.ReadDir(cache); err != nil || len(files) != 1 {
		t.Errorf("want one file for one tokenizer, got %v", files)
	}
}

// What is in the cache is used, and made anew when it is damaged.
func TestCache(t *testing.T) {
	dir, cache := write(t, wiki), t.TempDir()
	var warnings []string
	room := data.Room{Cache: cache, Warn: func(err error) { warnings = append(warnings, err.Error()) }}
	want := ids(t, load(t, dir, corpus.Config{}, room).Val)
	same := func(warned string) {
		t.Helper()
		d := load(t, dir, corpus.Config{}, room)
		if got := ids(t, d.Val); !slices.Equal(got, want) || d.Tokenizer.Vocab() != 13 {
			t.Errorf("want %v, got %v", want, got)
		}
		if got := strings.Join(warnings, "; "); warned == "" && got != "" || !strings.Contains(got, warned) {
			t.Errorf("want a warning %q, got %q", warned, got)
		}
		warnings = nil
	}
	same("")
	files, err := filepath.Glob(filepath.Join(cache, "corpus-*-word.tokens"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	// It is read: with other tokens of a right checksum those come.
	other := slices.Clone(whole)
	other[8] = 2 // of the first split in the folder
	put := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(files[0], b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(corpus.Sealed(other))
	if got := ids(t, load(t, dir, corpus.Config{}, room).Test); got[0] != 2 {
		t.Errorf("the cache is not read: got %v", got)
	}
	put(whole[:len(whole)/2])
	same("cannot use the cache, encoding anew")
	put(nil)
	same("want a token file, got 0 bytes")
	put(other)
	same("want the SHA-256")
	put(corpus.Sealed(append([]byte("S5"), whole[2:]...)))
	same("which begins with")
	put(corpus.Sealed(bytes.Replace(whole, []byte(`"version":1`), []byte(`"version":7`), 1)))
	same("want version 1, got 7")
	put(corpus.Sealed(bytes.Replace(whole, []byte(`\"vocab_size\"`), []byte(`\"vocab_sizf\"`), 1)))
	same("")
	if err := os.WriteFile(filepath.Join(dir, "wiki.test.tokens"), []byte("a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if d := load(t, dir, corpus.Config{}, room); d.Test.Len() != 2 {
		t.Errorf("another text: got %d tokens", d.Test.Len())
	}
	// A cache that cannot be written is no error.
	room.Cache = filepath.Join(dir, "wiki.test.tokens")
	load(t, dir, corpus.Config{}, room)
	if got := strings.Join(warnings, "; "); !strings.Contains(got, "cannot cache the tokens") {
		t.Errorf("got warnings %q", got)
	}
}

// A long text is in a file also without a cache, which is gone when it is closed.
func TestTemporaryFile(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv("TMP", tmp)
	line := "it was the best of times\n"
	n := 9 << 20 / len(line)
	d, err := corpus.FromText(context.Background(), "x", []byte(strings.Repeat(line, n)), corpus.Config{Tokenizer: tokenizer.KindByte}, data.Room{})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]int, len(line))
	if d.Test.Read(got, d.Test.Len()-len(line)) != len(line) || string(d.Tokenizer.Decode(nil, got...)) != line {
		t.Errorf("got %v", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(tmp); len(files) != 0 {
		t.Errorf("%v is left", files)
	}
	if n := d.Test.Read(got, 0); n != 0 || d.Close() != nil {
		t.Errorf("closed tokens are read: %d", n)
	}
}

// The views score each token but the first once, and say where they are.
func TestViews(t *testing.T) {
	dir := write(t, map[string]string{"a.txt": strings.Repeat("it was the best of times, it was the worst of times\n", 40)})
	d := load(t, dir, corpus.Config{Tokenizer: tokenizer.KindByte}, data.Room{})
	views := func(of *corpus.Tokens) []task.Located {
		w, a := of.Windows(100)
		s, b := of.Sliding(100, 30)
		p, c := of.Streams(3, 100)
		if err := errors.Join(a, b, c); err != nil {
			t.Fatal(err)
		}
		return []task.Located{w, s, p, p.Rolled(1).Epoch(3).(task.Located)}
	}
	for k, ds := range views(d.Train) {
		scored := 0
		b := task.NewBatch(ds)
		for i := range ds.Len() {
			if err := b.Load([]int{i}, 1, ds.Length(i)); err != nil {
				t.Fatal(err)
			}
			y, _ := b.Array(task.Target)
			for _, id := range y.Ints {
				if id != task.Ignore {
					scored++
				}
			}
		}
		if scored != d.Train.Len()-1 {
			t.Errorf("view %d: want %d tokens scored, got %d", k, d.Train.Len()-1, scored)
		}
		if got := ds.Origin(1); !strings.HasPrefix(got, "a.txt, tokens ") {
			t.Errorf("view %d: got %q", k, got)
		}
	}
	limited := load(t, dir, corpus.Config{Tokenizer: tokenizer.KindByte}, data.Room{Limit: 6})
	for k, ds := range views(limited.Train)[:3] {
		if ds.Len() != 6 {
			t.Errorf("view %d: want 6 examples, got %d", k, ds.Len())
		}
	}
	if h := d.Train.Head(52); h.Len() != 52 || h.Bytes() != 52 || h.Words() != 13 || h.Read(make([]int, 9), 49) != 3 {
		t.Errorf("got %d tokens, %d words in %d bytes", h.Len(), h.Words(), h.Bytes())
	}
}

// However many blocks a text has, it is encoded as a whole.
func TestBlocks(t *testing.T) {
	var b strings.Builder
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "line %d: it's\u00a0the \u201cbest\u201d of\ttimes  日本語\u3000x %d \r\n%s", i, i*i, strings.Repeat("\n", i%3))
	}
	b.WriteString("the end\xff")
	clean := strings.ReplaceAll(strings.ReplaceAll(b.String(), "\r\n", "\n"), "\xff", "\ufffd") + "\n"
	for _, kind := range []string{tokenizer.KindWord, tokenizer.KindByte, tokenizer.KindChar, tokenizer.KindBPE} {
		d, err := corpus.FromText(context.Background(), "x", []byte(b.String()), corpus.Config{Tokenizer: kind, VocabSize: 600, ValFraction: -1, TestFraction: -1}, data.Room{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := d.Tokenizer.Encode(nil, []byte(clean))
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(t, d.Train); !slices.Equal(got, want) {
			t.Errorf("%s: %d tokens are not the %d of the text", kind, len(got), len(want))
		}
		words := len(strings.Fields(clean)) + strings.Count(clean, "\n")
		if d.Train.Bytes() != len(clean) || d.Train.Words() != words {
			t.Errorf("%s: want %d words in %d bytes, got %d in %d", kind, words, len(clean), d.Train.Words(), d.Train.Bytes())
		}
	}
}
