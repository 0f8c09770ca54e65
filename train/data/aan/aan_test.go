package aan

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// tables are the splits as published, of the pairs that testdata/make.py writes too.
func tables() map[string]string {
	var texts []string
	for i := range 6 {
		texts = append(texts, fmt.Sprintf("paper %d: ", i)+strings.Repeat(`naïve 日本 "quoted" `, i))
	}
	files := map[string]string{}
	for split, n := range map[string]int{"train": 12, "eval": 5, "test": 4} {
		for i := range n {
			a, b := i%6, (i*i+1)%6
			label := []string{"0.0", "1.0", "0", "1"}[i%4]
			files["new_aan_pairs."+split+".tsv"] += fmt.Sprintf("%s\tP%d\tP%d\t%s\t%s\n", label, a, b, texts[a], texts[b])
		}
	}
	return files
}

func write(t testing.TB, path string, content []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func folder(t testing.TB, sub string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, sub, name), []byte(text))
	}
	return dir
}

func tarball(t testing.TB, sub string, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	names := []string{}
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		err := w.WriteHeader(&tar.Header{Name: sub + name, Typeflag: tar.TypeReg, Size: int64(len(files[name])), Mode: 0o644})
		if err == nil {
			_, err = io.WriteString(w, files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func loaded(t testing.TB, path string, cfg Config, room data.Room) *Data {
	t.Helper()
	d, err := Load(t.Context(), path, cfg, room)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// contents returns all that there is to see of a data set but where it is from.
func contents(t testing.TB, d *Data) []string {
	t.Helper()
	v, err := json.Marshal(d.Vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{string(v)}
	for i, s := range d.All() {
		for j := range s.Len() {
			all = append(all, fmt.Sprint(data.SplitNames[i], " ", pair(t, d, s, j)))
		}
	}
	return all
}

// pair checks an example against its texts and returns it.
func pair(t testing.TB, d *Data, s *Dataset, j int) string {
	t.Helper()
	b := task.NewBatch(s)
	if err := b.Load([]int{j}, 1, s.Length(j)+1); err != nil {
		t.Fatal(err)
	}
	array := func(name string) []int {
		a, err := b.Array(name)
		if err != nil {
			t.Fatal(err)
		}
		return a.Ints
	}
	x, y := s.Texts(j)
	n, m := array(task.XLengths)[0], array(task.X2Lengths)[0]
	if max(n, m) != s.Length(j) {
		t.Errorf("lengths %d and %d of %d", n, m, s.Length(j))
	}
	for name, text := range map[string]string{task.X: x, task.X2: y} {
		want := d.Vocabulary.Encode(text)
		if got := array(name); !slices.Equal(got[:len(want)], want) || slices.Max(got[len(want):]) != 0 {
			t.Errorf("%q: %v, want %v padded with 0", text, got, want)
		}
	}
	if got := array(task.Target)[0]; got != s.Label(j) {
		t.Errorf("target %d, label %d", got, s.Label(j))
	}
	return fmt.Sprintf("%q %q %d", x, y, s.Label(j))
}

// The same pairs are the same data set from every format.
func TestFormats(t *testing.T) {
	files := tables()
	noisy := map[string]string{"other.tsv": "x", "aan_vocab.subwords": "y"}
	crlf := map[string]string{}
	for name, text := range files {
		noisy[name] = text
		crlf[name] = "\ufeff" + strings.ReplaceAll(text, "\n", "\r\n\r\n")
	}
	paths := []string{
		"testdata/hub", "testdata/hub/data",
		folder(t, "", files), folder(t, "tsv_data", noisy), folder(t, "lra_release/tsv_data", files), folder(t, "", crlf),
		write(t, filepath.Join(t.TempDir(), "a"), tarball(t, "lra_release/lra_release/tsv_data/", noisy)),
	}
	for _, cfg := range []Config{{}, {LMax: 30}, {LMax: 30, Level: text.Byte}, {LMax: 20, OmitEOS: true, MinFreq: 40}} {
		want := contents(t, loaded(t, paths[0], cfg, data.Room{}))
		for _, path := range paths[1:] {
			if got := contents(t, loaded(t, path, cfg, data.Room{})); !slices.Equal(got, want) {
				t.Errorf("%s, %+v: got\n%s\nwant\n%s", path, cfg, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

func TestLoad(t *testing.T) {
	long := strings.Repeat("é", 3000)
	path := folder(t, "", map[string]string{
		"new_aan_pairs.train.tsv": "1.0\ta\tb\taab\tb\xffb\x00\n\n0.0\ta\tc\taab\t" + long + "\n",
		"new_aan_pairs.eval.tsv":  "1\tb\ta\t\tzz\n",
		"new_aan_pairs.test.tsv":  "0\ta\ta\taab\t" + long + "x\n",
	})
	d := loaded(t, path, Config{LMax: 1001}, data.Room{})
	cut := strings.Repeat("é", 1000)
	for i, want := range []string{fmt.Sprintf("%q %q 1", "aab", "b\ufffdb\x00"), fmt.Sprintf("%q %q 0", "aab", cut)} {
		if got := pair(t, d, d.Train, i); got != want {
			t.Errorf("pair %d: got %s, want %s", i, got, want)
		}
	}
	if x, y := d.Val.Texts(0); x != "" || y != "zz" || d.Val.Label(0) != 1 || d.Val.Length(0) != 3 {
		t.Errorf("validation: %q, %q", x, y)
	}
	// aab, b?b, é..., "", zz: the test's second document is the training's once cut.
	if n := d.Train.docs.Len(); n != 5 || d.Test.split.second[0] != d.Train.split.second[1] {
		t.Errorf("%d documents, want 5", n)
	}
	// é 1000, a 4 in two pairs, b 4, NUL and U+FFFD once.
	if got := d.Vocabulary.Chars; got != "éab\x00\ufffd" {
		t.Errorf("characters %q", got)
	}
	if got := d.Train.Origin(1); got != path+": new_aan_pairs.train.tsv:3" {
		t.Errorf("origin %q", got)
	}
	if got := loaded(t, "testdata/hub", Config{}, data.Room{}).Val.Origin(2); got != "testdata/hub: data/validation-00000-of-00001.parquet: row 2" {
		t.Errorf("origin %q", got)
	}
	if d := loaded(t, path, Config{}, data.Room{Limit: 1}); d.Train.Len() != 1 || d.Test.Len() != 1 {
		t.Errorf("limited to %d pairs", d.Train.Len())
	}
}

// The data are presented in the tokens of a model's vocabulary, and cut to its length.
func TestVocabularyOfAModel(t *testing.T) {
	v := loaded(t, "testdata/hub", Config{LMax: 12, OmitEOS: true}, data.Room{}).Vocabulary
	path := folder(t, "", map[string]string{tsvName("train"): "1\ta\tb\tmuch longer than that\tZ\n", tsvName("eval"): "1\ta\tb\tx\ty\n", tsvName("test"): "1\ta\tb\tx\ty\n"})
	d := loaded(t, path, Config{Vocabulary: v}, data.Room{})
	if x, _ := d.Train.Texts(0); d.Vocabulary != v || d.Train.Length(0) != 12 || x != "much longer " {
		t.Errorf("another vocabulary, %d tokens of %q", d.Train.Length(0), x)
	}
	contents(t, d)
}

func TestNew(t *testing.T) {
	parts := data.Splits[[]Pair]{
		Train: []Pair{{"a", "b", 1, "x:1"}, {"b", "\ufeffc\r\n", 0, "x:2"}}, Val: []Pair{{"a", "a", 1, "y:1"}}, Test: []Pair{{"d", "a", 0, "z:1"}},
	}
	d, err := New(t.Context(), parts, Config{}, data.Room{})
	if err != nil || pair(t, d, d.Train, 1) != `"b" "c\n" 0` || d.Train.Origin(1) != "x:2" || d.Vocabulary.Chars != "b\nac" || d.Train.ClassCounts() != [2]int{1, 1} {
		t.Errorf("got %+v, %v", d, err)
	}
	parts.Test[0].Label = 2
	if _, err := New(t.Context(), parts, Config{}, data.Room{}); err == nil || err.Error() != "aan: test: pair 0: want a label 0 or 1, got 2" {
		t.Errorf("got error %v", err)
	}
	parts.Val = nil
	if _, err := New(t.Context(), parts, Config{}, data.Room{}); err == nil || err.Error() != "aan: val: want at least one pair, got none" {
		t.Errorf("got error %v", err)
	}
}

func TestBadInput(t *testing.T) {
	row := "1.0\ta\tb\tx\ty\n"
	bad := func(train string) string {
		return folder(t, "", map[string]string{"new_aan_pairs.train.tsv": train, "new_aan_pairs.eval.tsv": row, "new_aan_pairs.test.tsv": row})
	}
	good := tables()
	whole := tarball(t, "", good)
	missing := tables()
	delete(missing, "new_aan_pairs.eval.tsv")
	for _, c := range []struct {
		name, path, want string
	}{
		{"none", filepath.Join(t.TempDir(), "none"), "no such file"},
		{"empty folder", t.TempDir(), "no pairs of train: want new_aan_pairs.train.tsv"},
		{"empty", bad(""), "new_aan_pairs.train.tsv:1: want at least one pair, got none"},
		{"blank", bad("\n\n"), "want at least one pair, got none"},
		{"columns", bad(row + "1.0\ta\tb\tx\n"), "new_aan_pairs.train.tsv:2: want 5 columns separated by tabs (label, id 1, id 2, text 1, text 2), got 4"},
		{"more columns", bad(row + row + "1.0\ta\tb\tx\ty\tz\tz\n"), "new_aan_pairs.train.tsv:3: want 5 columns separated by tabs (label, id 1, id 2, text 1, text 2), got 7"},
		{"label 2", bad("2.0\ta\tb\tx\ty\n"), `new_aan_pairs.train.tsv:1: label: want 0.0 or 1.0, got "2.0"`},
		{"label NaN", bad("NaN\ta\tb\tx\ty\n"), `label: want 0.0 or 1.0, got "NaN"`},
		{"header", bad("label\tid1\tid2\ttext1\ttext2\n" + row), `new_aan_pairs.train.tsv:1: label: want 0.0 or 1.0, got "label"`},
		{"cut off", bad(row + "1.0\ta"), "new_aan_pairs.train.tsv:2: want 5 columns"},
		{"long line", bad(row + strings.Repeat("x", maxLine+1)), "new_aan_pairs.train.tsv:2: want a line of at most 16777216 bytes, got more"},
		{"missing", folder(t, "", missing), "new_aan_pairs.eval.tsv: no such file"},
		{"missing in archive", write(t, filepath.Join(t.TempDir(), "x"), tarball(t, "", missing)), "no pairs of val: want new_aan_pairs"},
		{"archive cut off", write(t, filepath.Join(t.TempDir(), "x"), whole[:len(whole)/2]), "unexpected EOF"},
		{"in an archive", write(t, filepath.Join(t.TempDir(), "x"), tarball(t, "d/", map[string]string{"new_aan_pairs.test.tsv": row + "x\n"})), ":d/new_aan_pairs.test.tsv:2: want 5 columns"},
		{"file", write(t, filepath.Join(t.TempDir(), "x"), []byte(row)), "got another file"},
		{"Parquet of another kind", "../hub/testdata/imdb", `want a column "text1"`},
	} {
		_, err := Load(t.Context(), c.path, Config{}, data.Room{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "aan: ") || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCache(t *testing.T) {
	dir, path := t.TempDir(), folder(t, "", tables())
	var warned []string
	room := data.Room{Cache: dir, Warn: func(err error) { warned = append(warned, err.Error()) }}
	for n, cfg := range []Config{{}, {LMax: 20}, {Level: text.Byte, LMax: 20}} {
		want := contents(t, loaded(t, path, cfg, data.Room{}))
		for range 2 {
			if got := contents(t, loaded(t, path, cfg, room)); !slices.Equal(got, want) {
				t.Errorf("%+v: another data set from the cache", cfg)
			}
		}
		files, err := filepath.Glob(filepath.Join(dir, "aan-*-pairs.safetensors"))
		if err != nil || len(files) != n+1 {
			t.Errorf("cached %q, %v", files, err)
		}
		if n == 2 {
			write(t, files[0], []byte("damaged"))
		}
	}
	for _, cfg := range []Config{{}, {LMax: 20}, {Level: text.Byte, LMax: 20}} {
		loaded(t, path, cfg, room)
	}
	if len(warned) != 1 || !strings.Contains(warned[0], "aan: cannot use the cache") {
		t.Errorf("warned %q", warned)
	}
}

func TestRestoreErrors(t *testing.T) {
	p, err := read(t.Context(), "testdata/hub", Config{}.withDefaults().cut(), data.Room{})
	if err != nil {
		t.Fatal(err)
	}
	ts := p.tensors()
	if _, err := restore(ts); err != nil {
		t.Fatal(err)
	}
	for i, tensor := range ts {
		for _, bad := range []any{nil, []uint8{2, 2, 2, 2}, []int32{0, 0, 0, -1}, []int32{9, 0, 0, 0}, []int64{1, 1, 1, 1}, []uint8{}} {
			changed := slices.Clone(ts)
			changed[i].Data = bad
			if _, err := restore(changed); err == nil {
				t.Errorf("%s changed to %v: no error", tensor.Name, bad)
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{"testdata/hub", folder(t, "", tables()), write(t, filepath.Join(t.TempDir(), "x"), tarball(t, "", tables()))} {
		if _, err := Load(ctx, path, Config{}, data.Room{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v", path, err)
		}
	}
	if _, err := Passages(ctx, library(t), smallPassages, data.Room{}); !errors.Is(err, context.Canceled) {
		t.Errorf("passages: got error %v", err)
	}
}

// library is a folder of books: each has words of its own and numbers its sentences.
func library(t testing.TB) string {
	files := map[string]string{"README": strings.Repeat("no book ", 1000), "short.txt": "title and little else", "short/.hidden.txt": strings.Repeat("x", 10000)}
	for i, n := range []int{40, 90, 700, 60} {
		var b strings.Builder
		fmt.Fprintf(&b, "TITLE %d ", i)
		for j := range n {
			fmt.Fprintf(&b, "sentence %d of book%d is é%d. ", j, i, j*j)
		}
		files[fmt.Sprintf("shelf/book%d.txt", i)] = b.String()
	}
	return folder(t, "", files)
}

var smallPassages = PassageConfig{Config: Config{LMax: 101}, Train: 200, Val: 40, Test: 44, Passage: 100, Seed: 7}

func TestPassages(t *testing.T) {
	path := library(t)
	d, err := Passages(t.Context(), path, smallPassages, data.Room{})
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]int{} // split of each passage
	for i, s := range d.All() {
		if want := []int{200, 40, 44}[i]; s.Len() != want {
			t.Errorf("%d pairs, want %d", s.Len(), want)
		}
		var uses [2]map[string]int // of first and second passages: related less unrelated
		uses[0], uses[1] = map[string]int{}, map[string]int{}
		books, related := map[string]bool{}, 0
		for j := range s.Len() {
			x, y := s.Texts(j)
			pair(t, d, s, j)
			at := s.Origin(j)
			names := strings.Split(strings.TrimPrefix(at, path+": "), ", ")
			sameBook := strings.Fields(names[0])[0] == strings.Fields(names[1])[0]
			if sameBook != (s.Label(j) == 1) || x == y {
				t.Errorf("%s: label %d", at, s.Label(j))
			}
			related += s.Label(j)
			for k, p := range []string{x, y} {
				uses[k][p] += 2*s.Label(j) - 1
				if was, ok := in[p]; ok && was != i {
					t.Errorf("in the splits %d and %d: %q", was, i, p)
				}
				in[p] = i
				if strings.Contains(p, "TITLE") || len([]rune(p)) != 100 {
					t.Errorf("passage %q", p)
				}
				books[strings.Fields(names[k])[0]] = true
			}
		}
		if related != s.Len()/2 || len(books) != 4 {
			t.Errorf("%d of %d pairs related, books %v", related, s.Len(), books)
		}
		for k := range uses {
			for p, n := range uses[k] {
				if n != 0 {
					t.Errorf("passage %d %q tells of the class", k, p)
				}
			}
		}
	}
	want := contents(t, d)
	again, err := Passages(t.Context(), path, smallPassages, data.Room{Limit: 10})
	if err != nil || again.Train.Len() != 10 || !slices.Equal(contents(t, again)[1:11], want[1:11]) {
		t.Errorf("limited: %v", err)
	}
	other := smallPassages
	other.Seed++
	if d, err := Passages(t.Context(), path, other, data.Room{}); err != nil || slices.Equal(contents(t, d), want) {
		t.Errorf("another seed, %v: the same", err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if d, err := Passages(t.Context(), path, smallPassages, data.Room{}); err != nil || !slices.Equal(contents(t, d), want) {
		t.Errorf("one processor, %v: another data set", err)
	}
}

// A book has pairs by the root of its length, but no more than half of them.
func TestSharesOfBooks(t *testing.T) {
	for _, c := range []struct{ passages, want []int }{
		{[]int{100, 400, 900}, []int{17, 33, 50}},
		{[]int{100, 100}, []int{50, 50}},
		{[]int{2, 10000}, []int{50, 50}},
		{[]int{2, 2, 100000}, []int{25, 25, 50}},
		{[]int{4, 4, 4, 4, 16}, []int{17, 17, 17, 16, 33}},
	} {
		m := &matcher{rng: rand.New(rand.NewPCG(1, 1))}
		for _, n := range c.passages {
			m.books = append(m.books, book{passages: make([]passage, n)})
		}
		related := m.related(100)
		got := make([]int, len(c.want))
		for _, r := range related {
			if got[r.book]++; r.book != r.book2 || r.passage == r.passage2 {
				t.Errorf("%v: pair %+v", c.passages, r)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got shares %v, want %v", c.passages, got, c.want)
		}
		for _, r := range m.unrelated(related) {
			if r.book == r.book2 {
				t.Errorf("%v: two passages of one book, %+v", c.passages, r)
			}
		}
	}
}

func TestPassagesErrors(t *testing.T) {
	for want, cfg := range map[string]PassageConfig{
		"aan: Config.LMax: want": {Config: Config{LMax: 1}},
		"PassageConfig.Train: want 0 for the default or a multiple of 4 in [4, 4194304], got 6": {Train: 6},
		"PassageConfig.Val: want":       {Val: -4},
		"PassageConfig.Passage: want 0": {Passage: -1},
		"want at least two files *.txt of 7 passages of 20000 characters and more, got 0": {Passage: 20000},
	} {
		if _, err := Passages(t.Context(), library(t), cfg, data.Room{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if _, err := Passages(t.Context(), "testdata/make.py", PassageConfig{}, data.Room{}); err == nil || !strings.Contains(err.Error(), "got another file") {
		t.Errorf("got error %v", err)
	}
}

func TestConfig(t *testing.T) {
	for want, cfg := range map[string]Config{
		`Config.Level: want "char" or "byte", got "word"`:                  {Level: "word"},
		"Config.LMax: want 0 for the default or in [2, 1073741824], got 1": {LMax: 1},
		"Config.MinFreq: want 0 for the default or >= 1, got -1":           {MinFreq: -1},
	} {
		if _, err := Load(t.Context(), "testdata/hub", cfg, data.Room{}); err == nil || err.Error() != "aan: "+want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	row := "1.0\ta\tb\tx\ty\n"
	for _, s := range []string{"", row, row + row, "1\t\t\t\t", "0.0\ta\tb\t\xff\x00\r\t\ufeff\r\n", "\ufeff\n\n" + row, strings.Repeat("\t", 100), "1e0\ta\tb\tc\td"} {
		f.Add(s)
	}
	dir := f.TempDir()
	write(f, filepath.Join(dir, tsvName("eval")), []byte(row))
	write(f, filepath.Join(dir, tsvName("test")), []byte(row))
	f.Fuzz(func(t *testing.T, train string) {
		write(t, filepath.Join(dir, tsvName("train")), []byte(train))
		d, err := Load(t.Context(), dir, Config{LMax: 20}, data.Room{})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "aan: "+filepath.Join(dir, tsvName("train"))+":") {
				t.Errorf("error without file and line: %v", err)
			}
			return
		}
		contents(t, d)
	})
}
