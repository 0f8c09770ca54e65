package imdb

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
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

// hubFolder has the Parquet files that the script beside them writes.
const hubFolder = "../hub/testdata/imdb"

// file is a review as a file of the published archive.
type file struct{ name, text string }

// hubFiles returns the reviews of hubFolder as such files.
func hubFiles() (fs []file) {
	words := []string{"awful", "great", "naïve", "film", "日本", "a\r\nb", `"quoted"`, "<br />"}
	for part, n := range map[string]int{"train": 25, "test": 11} {
		for i := range n {
			var some []string
			for j := range i % 7 {
				some = append(some, words[i*j%len(words)])
			}
			fs = append(fs, file{fmt.Sprintf("aclImdb/%s/%s/%03d_7.txt", part, []string{"neg", "pos"}[i%2], i), fmt.Sprintf("%s %d: %s", part, i, strings.Join(some, " "))})
		}
	}
	return fs
}

// hard are reviews that want cleaning, equally many of each part.
var hard = []file{
	{"aclImdb/test/neg/0_1.txt", "\ufeffmarked\r\nlines\rand\n"}, {"aclImdb/test/neg/1_1.txt", "z\x00\x01\u2028"},
	{"aclImdb/train/neg/10_1.txt", "bad \xff\xfe bytes \xe6\x97"}, {"aclImdb/train/neg/9_1.txt", ""},
	{"aclImdb/test/pos/0_9.txt", strings.Repeat("long é", 50)}, {"aclImdb/test/pos/1_9.txt", "\r\n"},
	{"aclImdb/train/pos/0_9.txt", "aaaabbbc"}, {"aclImdb/train/pos/1_9.txt", "aab日日"},
}

// others are what else is in the archive.
var others = []file{{"aclImdb/README", "x"}, {"aclImdb/imdb.vocab", "the\n"}, {"aclImdb/train/unsup/0_0.txt", "x"}, {"aclImdb/train/urls_neg.txt", "x"}, {"aclImdb/train/neg/._0_3.txt", "\x00\x05"}}

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

func folder(t testing.TB, fs ...file) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range fs {
		write(t, filepath.Join(dir, filepath.FromSlash(f.name)), []byte(f.text))
	}
	return dir
}

// tarball returns a tar.gz, the files in reverse.
func tarball(t testing.TB, fs ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range slices.Backward(fs) {
		err := w.WriteHeader(&tar.Header{Name: f.name, Typeflag: tar.TypeReg, Size: int64(len(f.text)), Mode: 0o644})
		if err == nil {
			_, err = io.WriteString(w, f.text)
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

func zipped(t testing.TB, fs ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range fs {
		w, err := z.Create(f.name)
		if err == nil {
			_, err = io.WriteString(w, f.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packed returns the reviews of files, in the order test neg, train neg, test pos,
// train pos, as the package has them. What is no UTF-8 stays.
func packed(fs []file) []byte {
	var b bytes.Buffer
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\x00", `\u0000`, "\x01", `\u0001`)
	for i, f := range fs {
		label := 0
		if strings.Contains(f.name, "/pos/") {
			label = 1
		}
		sep := ","
		if i == 0 {
			sep = "["
		}
		fmt.Fprintf(&b, `%s{"t":"%s","s":%d}`, sep, quote.Replace(f.text), label)
	}
	return append(b.Bytes(), ']')
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
			b := task.NewBatch(s)
			if err := b.Load([]int{j}, 1, s.Length(j)+1); err != nil {
				t.Fatal(err)
			}
			x, err := b.Array(task.X)
			if err != nil {
				t.Fatal(err)
			}
			if got := x.Ints[s.Length(j)]; got != text.Pad {
				t.Errorf("padded with %d", got)
			}
			y, err := b.Array(task.Target)
			if err != nil || y.Ints[0] != s.Label(j) {
				t.Errorf("target %v, %v, label %d", y, err, s.Label(j))
			}
			if tokens := d.Vocabulary.Encode(s.Text(j)); !slices.Equal(tokens, x.Ints[:s.Length(j)]) {
				t.Errorf("%q: %v as an example, %v encoded", s.Text(j), x.Ints, tokens)
			}
			all = append(all, fmt.Sprintf("%s %q %d %v", data.SplitNames[i], s.Text(j), s.Label(j), x.Ints[:s.Length(j)]))
		}
	}
	return all
}

// The same reviews are the same data set from every format.
func TestFormats(t *testing.T) {
	cfg := Config{MinFreq: 3, LMax: 40, ValFraction: 0.3, Seed: 5}
	dir := t.TempDir()
	plain := hubFiles()
	noisy := slices.Concat(plain, others)
	hardNoisy := slices.Concat(others, hard)
	inside := folder(t, noisy...)
	for _, same := range [][]string{
		{hubFolder, filepath.Join(hubFolder, "plain_text"), inside, filepath.Join(inside, "aclImdb"), write(t, filepath.Join(dir, "a"), tarball(t, noisy...)), write(t, filepath.Join(dir, "b"), zipped(t, noisy...))},
		{folder(t, hardNoisy...), write(t, filepath.Join(dir, "c"), tarball(t, hardNoisy...)), write(t, filepath.Join(dir, "d"), zipped(t, hardNoisy...)),
			write(t, filepath.Join(dir, "e.json"), packed(hard)), folder(t, file{"reviews.json", "\ufeff\r\n" + string(packed(hard)) + "\n"}),
			write(t, filepath.Join(dir, "f"), tarball(t, file{"package/reviews.json", string(packed(hard))}, file{"package/package.json", "{}"}))},
	} {
		want := contents(t, loaded(t, same[0], cfg, data.Room{}))
		for _, path := range same[1:] {
			if got := contents(t, loaded(t, path, cfg, data.Room{})); !slices.Equal(got, want) {
				t.Errorf("%s: got\n%s\nwant, as in %s,\n%s", path, strings.Join(got, "\n"), same[0], strings.Join(want, "\n"))
			}
		}
	}
}

func TestLoad(t *testing.T) {
	d := loaded(t, folder(t, hard...), Config{MinFreq: 2}, data.Room{})
	var got []string
	for _, s := range d.All() {
		for i := range s.Len() {
			got = append(got, fmt.Sprintf("%q %d", s.Text(i), s.Label(i)))
		}
	}
	testing := []string{"\"marked\\nlines\\rand\\n\" 0", fmt.Sprintf("%q 0", "z\x00\x01\u2028"), fmt.Sprintf("%q 1", strings.Repeat("long é", 50)), "\"\\n\" 1"}
	training := []string{fmt.Sprintf("%q 0", "bad \ufffd\ufffd bytes \ufffd\ufffd"), `"" 0`, `"aaaabbbc" 1`, `"aab日日" 1`}
	if want := slices.Concat(training, testing, testing); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// a 7, b 5, U+FFFD 4, blank 2 + 1, then those that are there twice: t, y, e, s, d are not.
	if v := d.Vocabulary; v.Chars != "ab\ufffd 日" || v.LMax != 4096 || v.Level != text.Char || v.Size() != 8 {
		t.Errorf("vocabulary %q of %d", v.Chars, v.Size())
	}
	if got, want := d.Train.Length(1), 1; got != want {
		t.Errorf("a review of nothing: %d tokens, want %d", got, want)
	}
	if !strings.HasSuffix(d.Train.Origin(2), ": aclImdb/train/pos/0_9.txt") {
		t.Errorf("origin %q", d.Train.Origin(2))
	}
	if got := loaded(t, hubFolder, Config{}, data.Room{}).Test.Origin(0); !strings.HasSuffix(got, "imdb: plain_text/test-00000-of-00001.parquet: row 0000000") {
		t.Errorf("origin %q", got)
	}
}

func TestNew(t *testing.T) {
	training := []Review{{"good", 1, "a:1"}, {"\ufeffbad\r\n", 0, "a:2"}}
	testing := []Review{{"so so", 1, "b:1"}, {"no", 0, "b:2"}, {"not", 0, "b:3"}}
	d, err := New(t.Context(), training, testing, Config{MinFreq: 1}, data.Room{})
	if err != nil || d.Train.Text(0) != "bad\n" || d.Train.Origin(0) != "a:2" || d.Test.ClassCounts() != [2]int{2, 1} || d.Vocabulary.Size() != 3+6 {
		t.Errorf("got %+v, %v", d, err)
	}
	for want, bad := range map[string][]Review{
		"imdb: train text 1: want a label 0 (negative) or 1 (positive), got 2": {{"a", 0, ""}, {"b", 2, ""}},
		"imdb: train: want positive reviews, got none":                         {{"a", 0, ""}},
		"imdb: train: want negative reviews, got none":                         nil,
	} {
		if _, err := New(t.Context(), bad, testing, Config{}, data.Room{}); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if _, err := New(t.Context(), training, testing, Config{LMax: 1}, data.Room{}); err == nil {
		t.Error("LMax 1: no error")
	}
}

// Only what is cut to is counted for the vocabulary, of the training reviews alone.
func TestVocabularyIsOfTraining(t *testing.T) {
	fs := []file{{"train/neg/a.txt", "aaz"}, {"train/pos/b.txt", "bby"}, {"test/neg/c.txt", "cc"}, {"test/pos/d.txt", "dd"}}
	if v := loaded(t, folder(t, fs...), Config{MinFreq: 1, LMax: 3}, data.Room{}).Vocabulary; v.Chars != "ab" {
		t.Errorf("characters %q", v.Chars)
	}
	if v := loaded(t, folder(t, fs...), Config{MinFreq: 1, LMax: 3, OmitEOS: true}, data.Room{}).Vocabulary; v.Chars != "abyz" {
		t.Errorf("without <eos>: characters %q", v.Chars)
	}
	held := loaded(t, folder(t, fs...), Config{MinFreq: 1, LMax: 3, ValFraction: 0.5, Seed: 1}, data.Room{})
	if v := held.Vocabulary; v.Chars != string(held.Train.Text(0)[0]) || held.Train.Len() != 1 || held.Val.Len() != 1 || held.Val.Text(0) == held.Train.Text(0) {
		t.Errorf("with a validation set: characters %q, %d and %d reviews", v.Chars, held.Train.Len(), held.Val.Len())
	}
	if v := loaded(t, folder(t, fs...), Config{Level: text.Byte}, data.Room{}).Vocabulary; v.Level != text.Byte || v.Chars != "" || v.Size() != 258 {
		t.Errorf("of bytes: %+v", v)
	}
}

// The data are presented in the tokens of a model's vocabulary.
func TestVocabularyOfAModel(t *testing.T) {
	v := loaded(t, folder(t, hard...), Config{MinFreq: 1, LMax: 12, OmitEOS: true}, data.Room{}).Vocabulary
	d := loaded(t, hubFolder, Config{Vocabulary: v, Level: text.Byte}, data.Room{})
	if d.Vocabulary != v || d.Train.Length(5) != 12 {
		t.Errorf("another vocabulary, %d tokens", d.Train.Length(5))
	}
	contents(t, d)
}

// A limit keeps the classes balanced and changes neither cache nor vocabulary.
func TestLimit(t *testing.T) {
	path := folder(t, hubFiles()...)
	cfg := Config{MinFreq: 1}
	whole := loaded(t, path, cfg, data.Room{})
	for limit, want := range map[int][2]int{1: {1, 0}, 4: {2, 2}, 7: {4, 3}, 1000: {13, 12}} {
		d := loaded(t, path, cfg, data.Room{Limit: limit})
		var got [2]int
		for i := range d.Train.Len() {
			got[d.Train.Label(i)]++
		}
		if got != want || d.Vocabulary.Chars != whole.Vocabulary.Chars || d.Test.Len() != min(limit, 11) {
			t.Errorf("%d: classes %v, want %v, %d test reviews", limit, got, want, d.Test.Len())
		}
		if d.Train.Text(0) != whole.Train.Text(0) {
			t.Errorf("%d: not the first ones", limit)
		}
	}
}

func TestCache(t *testing.T) {
	dir, path := t.TempDir(), folder(t, hubFiles()...)
	var warned []string
	room := data.Room{Cache: dir, Limit: 5, Warn: func(err error) { warned = append(warned, err.Error()) }}
	want := contents(t, loaded(t, path, Config{}, data.Room{Limit: 5}))
	cached := func() string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "imdb-*-reviews.safetensors"))
		if err != nil || len(files) != 1 {
			t.Fatalf("cached %q, %v", files, err)
		}
		return files[0]
	}
	for _, before := range []func(){func() {}, func() {}, func() { write(t, cached(), []byte("damaged")) }, func() {}} {
		before()
		if got := contents(t, loaded(t, path, Config{}, room)); !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if len(warned) != 1 || !strings.Contains(warned[0], "imdb: cannot use the cache") {
		t.Errorf("warned %q", warned)
	}
	// Another source is not taken for it, and what fails leaves nothing.
	write(t, filepath.Join(path, "aclImdb/train/neg/new_1.txt"), []byte("new"))
	if d := loaded(t, path, Config{}, data.Room{Cache: dir}); d.Train.Len() != 26 {
		t.Errorf("%d reviews after one was added", d.Train.Len())
	}
	empty := t.TempDir()
	if _, err := Load(t.Context(), hubFolder+"/../mnist", Config{}, data.Room{Cache: empty}); err == nil {
		t.Error("no reviews: no error")
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestRestoreErrors(t *testing.T) {
	r, err := read(t.Context(), folder(t, hard...), data.Room{})
	if err != nil {
		t.Fatal(err)
	}
	ts := r.tensors()
	if _, err := restore(ts); err != nil {
		t.Fatal(err)
	}
	for i, tensor := range ts {
		for _, bad := range []any{nil, []uint8{2, 2, 2, 2, 2, 2, 2, 2}, []uint8{0, 0, 0, 0, 0, 0, 0, 0}, []int64{1, 1, 1, 1, 1, 1, 1, 1}} {
			changed := slices.Clone(ts)
			changed[i].Data = bad
			if _, err := restore(changed); err == nil {
				t.Errorf("%s changed to %v: no error", tensor.Name, bad)
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	without := func(part string) []file {
		return slices.DeleteFunc(slices.Clone(hard), func(f file) bool { return strings.Contains(f.name, part) })
	}
	whole := tarball(t, hard...)
	js := string(packed(hard))
	for _, c := range []struct {
		name, path, want string
	}{
		{"none", filepath.Join(t.TempDir(), "none"), "no such file"},
		{"empty folder", t.TempDir(), "no data: want files train/neg/*.txt"},
		{"other archive", write(t, filepath.Join(t.TempDir(), "x"), tarball(t, others...)), "no data: want files"},
		{"Parquet of pictures", "../hub/testdata/mnist", `want a column "text" or "review" or "sentence", got "image.bytes"`},
		{"Parquet of a split", "../hub/testdata/wikitext", "want files test-*.parquet, got none"},
		{"a Parquet file", "../hub/testdata/imdb/plain_text/test-00000-of-00001.parquet", "or reviews.json, got a Parquet file"},
		{"no test", folder(t, without("/test/")...), "test: want negative reviews, got none"},
		{"no positive", folder(t, without("train/pos/")...), "train: want positive reviews, got none"},
		{"two sets", folder(t, append(slices.Clone(hard), file{"other/train/neg/0_1.txt", ""})...), `want the files of one data set, got "aclImdb/" and "other/"`},
		{"two formats", folder(t, append(slices.Clone(hard), file{"reviews.json", js})...), "reviews.json: want the files of one data set, got files of reviews and reviews.json"},
		{"cut off", write(t, filepath.Join(t.TempDir(), "x"), whole[:len(whole)/2]), "unexpected EOF"},
		{"twice", write(t, filepath.Join(t.TempDir(), "x"), tarball(t, append(slices.Clone(hard), hard[0])...)), "aclImdb/test/neg/0_1.txt: more than one file of this name"},
		{"upwards", write(t, filepath.Join(t.TempDir(), "x"), tarball(t, file{"../train/neg/1.txt", ""})), `want a name without ".."`},
		{"text", write(t, filepath.Join(t.TempDir(), "x"), []byte("text")), "want a JSON array of reviews: invalid character"},
		{"empty file", write(t, filepath.Join(t.TempDir(), "x"), nil), "want a JSON array of reviews: unexpected EOF"},
		{"object", write(t, filepath.Join(t.TempDir(), "x"), []byte(`{"t":1}`)), "want a JSON array of reviews: got something else"},
		{"JSON cut off", write(t, filepath.Join(t.TempDir(), "x"), []byte(js[:len(js)-5])), "review 7: unexpected EOF"},
		{"JSON without end", write(t, filepath.Join(t.TempDir(), "x"), []byte(js[:len(js)-1])), "unexpected EOF"},
		{"JSON and more", write(t, filepath.Join(t.TempDir(), "x"), []byte(js+"[]")), "something after the JSON array"},
		{"no text", write(t, filepath.Join(t.TempDir(), "x"), []byte(`[{"s":0}]`)), `review 0: want {"t": text, "s": label}`},
		{"no label", write(t, filepath.Join(t.TempDir(), "x"), []byte(`[{"t":"a"}]`)), `review 0: want {"t": text, "s": label}`},
		{"label 2", write(t, filepath.Join(t.TempDir(), "x"), []byte(`[{"t":"a","s":0},{"t":"a","s":2}]`)), "review 1: want a label 0 (negative) or 1 (positive), got 2"},
		{"label of text", write(t, filepath.Join(t.TempDir(), "x"), []byte(`[{"t":"a","s":"1"}]`)), "review 0: json: "},
		{"swapped", write(t, filepath.Join(t.TempDir(), "x"), []byte(strings.Replace(js, `"s":0`, `"s":1`, 1))), "review 0 of 8: want the label 0 there, got 1"},
		{"uneven", write(t, filepath.Join(t.TempDir(), "x"), []byte(`[{"t":"a","s":0}]`)), "that four parts have equally many of, got 1"},
		{"no reviews", write(t, filepath.Join(t.TempDir(), "x"), []byte(`[]`)), "that four parts have equally many of, got 0"},
	} {
		_, err := Load(t.Context(), c.path, Config{}, data.Room{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "imdb: ") || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.want)
		}
	}
}

// endless is a JSON array whose one text does not end.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	if e.n == 0 {
		copy(p, `[{"t":"`)
	}
	e.n += len(p)
	return len(p), nil
}

func TestHugeReview(t *testing.T) {
	r := newReviews()
	if err := r.add(train, "x", 0, make([]byte, maxText+1)); err == nil || err.Error() != "want a review of at most 4194304 bytes, got 4194305" {
		t.Errorf("got error %v", err)
	}
	e := &endless{}
	if err := r.readArray(t.Context(), e, "x"); err == nil || !strings.Contains(err.Error(), "review 0: want a review of at most 4194304 bytes, got more") || e.n > 7*maxText {
		t.Errorf("got error %v after %d bytes", err, e.n)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{folder(t, hard...), hubFolder, write(t, filepath.Join(t.TempDir(), "x"), packed(hard))} {
		for _, cache := range []string{"", t.TempDir()} {
			if _, err := Load(ctx, path, Config{}, data.Room{Cache: cache}); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got error %v", path, err)
			}
		}
	}
}

// The data set does not depend on the number of processors.
func TestProcessors(t *testing.T) {
	want := contents(t, loaded(t, hubFolder, Config{MinFreq: 1}, data.Room{}))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if got := contents(t, loaded(t, hubFolder, Config{MinFreq: 1}, data.Room{})); !slices.Equal(got, want) {
		t.Error("another data set on one processor")
	}
}

func TestConfig(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
	for want, cfg := range map[string]Config{
		`Config.Level: want "char" or "byte", got "word"`:                            {Level: "word"},
		"Config.LMax: want 0 for the default or in [2, 1073741824], got 1":           {LMax: 1},
		"Config.LMax: want 0 for the default or in [2, 1073741824], got -4":          {LMax: -4},
		"Config.LMax: want 0 for the default or in [2, 1073741824], got 10737418240": {LMax: 10 << 30},
		"Config.MinFreq: want 0 for the default or >= 1, got -1":                     {MinFreq: -1},
		"Config.ValFraction: want in [0, 1), got 1":                                  {ValFraction: 1},
		"Config.ValFraction: want in [0, 1), got NaN":                                {ValFraction: math.NaN()},
	} {
		if _, err := Load(t.Context(), hubFolder, cfg, data.Room{}); err == nil || err.Error() != "imdb: "+want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(packed(hard))
	f.Add(tarball(f, hard...))
	f.Add(zipped(f, hard...))
	f.Add(tarball(f, file{"package/reviews.json", string(packed(hard))}))
	f.Add([]byte(`[{"t":"a","s":0},{"t":"a","s":0},{"t":"\ud800","s":1},{"t":"a","s":1}]`))
	path := filepath.Join(f.TempDir(), "data")
	f.Fuzz(func(t *testing.T, b []byte) {
		write(t, path, b)
		d, err := Load(t.Context(), path, Config{MinFreq: 1, LMax: 50}, data.Room{})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "imdb: "+path) {
				t.Errorf("error without the file's name: %v", err)
			}
			return
		}
		contents(t, d)
	})
}

// Reviews that take no bytes are counted too: a small Parquet file may have any number
// of rows.
func TestReviewsAreCounted(t *testing.T) {
	r := newReviews()
	r.labels = make([]uint8, maxReviews-1)
	if err := r.add(train, "last", 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.add(train, "one more", 1, nil); err == nil || !strings.Contains(err.Error(), "reviews, got more") {
		t.Errorf("got %v, want an error of too many reviews", err)
	}
}
