package hub_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/train/data/hub"
)

func column(kind hub.Kind, names ...string) hub.Column { return hub.Column{Names: names, Kind: kind} }

// rows returns what Read gives, a line a row.
func rows(file string, columns ...hub.Column) (got []string, err error) {
	err = hub.Read(context.Background(), file, columns, func(row int64, v []hub.Value) error {
		if row != int64(len(got)) {
			return fmt.Errorf("want row %d, got %d", len(got), row)
		}
		line := ""
		for i, c := range columns {
			switch {
			case v[i].Null:
				line += "null|"
			case c.Kind == hub.Int:
				line += fmt.Sprint(v[i].Int, "|")
			case c.Kind == hub.Float:
				line += fmt.Sprint(v[i].Float, "|")
			default:
				line += string(v[i].Bytes) + "|"
			}
		}
		got = append(got, line)
		return nil
	})
	return got, err
}

func TestFind(t *testing.T) {
	for split, want := range map[string]string{"imdb": "plain_text/train-00000-of-00001.parquet", "mnist": "train-00000-of-00001.parquet", "wikitext": "data/train-00000-of-00002.parquet data/train-00001-of-00002.parquet"} {
		files, err := hub.Find(filepath.Join("testdata", split), "train")
		for i, f := range files {
			if files[i], err = filepath.Rel(filepath.Join("testdata", split), f); err != nil {
				t.Fatal(err)
			}
		}
		if got := filepath.ToSlash(strings.Join(files, " ")); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", split, got, err, want)
		}
	}
	for _, path := range []string{"testdata/imdb", "testdata/other"} {
		if files, err := hub.Find(path, "validation"); files != nil || err != nil {
			t.Errorf("%s: got %q, %v, want none", path, files, err)
		}
	}
	if _, err := hub.Find("testdata/none", "train"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v", err)
	}
	if _, err := hub.Find("testdata/make.py", "train"); err == nil {
		t.Error("a file as the folder: no error")
	}
	for _, c := range []struct {
		names string
		files int
		want  string // of an error
	}{
		{"train-00000-of-00002.parquet train-00001-of-00002.parquet train-x.parquet training-00000-of-00001.parquet test.parquet", 2, ""},
		{"train.parquet train.txt", 1, ""},
		{"train-00000-of-00001-a09b74b3ef9c3b56.parquet", 1, ""},
		{"train/0000.parquet train/0001.parquet train/readme.parquet test/0000.parquet", 2, ""},
		{"plain_text/train/0000.parquet", 1, ""},
		{"fashion_mnist/train-00000-of-00001.parquet", 1, ""},
		{"train/0001.txt", 0, ""},
		{"train-00000-of-00002.parquet", 0, `want 2 files of "train", got 1`},
		{"train-00000-of-00003.parquet train-00002-of-00003.parquet", 0, `want file 1 of 3 of "train" next, got train-00002-of-00003.parquet`},
		{"train-00000-of-00001.parquet train-00000-of-00002.parquet", 0, `want one set of files of "train", got one of 1 and one of 2`},
		{"train-00001-of-00001.parquet", 0, `want file 0 of 1 of "train" next, got train-00001-of-00001.parquet`},
		{"train/0000.parquet train/0002.parquet", 0, "want file 0001.parquet next, got 0002.parquet"},
	} {
		dir := t.TempDir()
		for _, n := range strings.Fields(c.names) {
			path := filepath.Join(dir, filepath.FromSlash(n))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		files, err := hub.Find(dir, "train")
		switch {
		case c.want == "" && (err != nil || len(files) != c.files || !slices.IsSorted(files)):
			t.Errorf("%s: got %q, %v", c.names, files, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir)):
			t.Errorf("%s: got error %v, want %q", c.names, err, c.want)
		}
	}
}

func TestReadReviews(t *testing.T) {
	words := []string{"awful", "great", "naïve", "film", "日本", "a\r\nb", `"quoted"`, "<br />"}
	for split, n := range map[string]int{"train": 25, "test": 11, "unsupervised": 3} {
		got, err := rows("testdata/imdb/plain_text/"+split+"-00000-of-00001.parquet", column(hub.Text, "review", "text"), column(hub.Int, "label"))
		if err != nil || len(got) != n {
			t.Fatalf("%s: %d rows, %v, want %d", split, len(got), err, n)
		}
		for i, row := range got {
			var text []string
			for j := range i % 7 {
				text = append(text, words[i*j%len(words)])
			}
			if want := fmt.Sprintf("%s %d: %s|%d|", split, i, strings.Join(text, " "), i%2); row != want {
				t.Errorf("%s: row %d: got %q, want %q", split, i, row, want)
			}
		}
	}
}

func TestReadPictures(t *testing.T) {
	for name, side := range map[string]int{"mnist": 28, "cifar10": 32} {
		columns := []hub.Column{column(hub.Bytes, "img.bytes", "image.bytes"), column(hub.Text, "image.path", "img.path"), column(hub.Int, "label")}
		n := 0
		err := hub.Read(t.Context(), "testdata/"+name+"/train-00000-of-00001.parquet", columns, func(row int64, v []hub.Value) error {
			n++
			img, err := png.Decode(bytes.NewReader(v[0].Bytes))
			if err != nil {
				return err
			}
			r, _, _, _ := img.At(2, 1).RGBA()
			x := 2 * map[string]int{"mnist": 1, "cifar10": 3}[name]
			if img.Bounds().Dx() != side || int(r>>8) != int(row)+1+x {
				t.Errorf("%s: row %d: %v, red %d", name, row, img.Bounds(), r>>8)
			}
			path := fmt.Sprintf("%d.png", row)
			if v[1].Null != (name == "cifar10") || !v[1].Null && string(v[1].Bytes) != path || v[2].Int != row {
				t.Errorf("%s: row %d: got %+v", name, row, v[1:])
			}
			return nil
		})
		if err != nil || n != 4 {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
	}
}

func TestReadLines(t *testing.T) {
	files, err := hub.Find("testdata/wikitext", "train")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		lines, err := rows(f, column(hub.Text, "text"))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, lines...)
	}
	if len(got) != 6 || got[1] != " = Robert Boulter = \n|" || got[2] != "|" || got[5] != " He had a guest @-@ starring role \n|" {
		t.Errorf("got %q", got)
	}
}

// every returns the rows of the files testdata/every, as their script writes them.
func every() (want []string) {
	null := func(is bool, v any) string {
		if is {
			return "null"
		}
		return fmt.Sprint(v)
	}
	for i := range 120 {
		want = append(want, strings.Join([]string{
			null(i%7 == 3, fmt.Sprintf("row %d %s", i%50, strings.Repeat("x", i%13))),
			fmt.Sprint(i - 150), fmt.Sprint((i * i) << 20), fmt.Sprint(i % 100),
			fmt.Sprint(map[bool]int{true: 1}[i%3 == 0]),
			fmt.Sprint(float64(i) / 4), null(i%5 == 0, float64(i)/8),
			string([]byte{byte(i), byte(i >> 8), 7}),
			null(i%11 == 0 || i%4 == 0, i),
			fmt.Sprint(i), fmt.Sprint(float64(i - 150)),
		}, "|")+"|")
	}
	return want
}

var everyColumns = []hub.Column{
	column(hub.Text, "text"), column(hub.Int, "small"), column(hub.Int, "large"), column(hub.Int, "byte"), column(hub.Int, "truth"),
	column(hub.Float, "float"), column(hub.Float, "double"), column(hub.Bytes, "fixed"), column(hub.Int, "in.a.b"), column(hub.Int, "date"), column(hub.Float, "small"),
}

// All compressions, encodings and versions of pages hold the same.
func TestReadEveryForm(t *testing.T) {
	files, err := filepath.Glob("testdata/every/*.parquet")
	if err != nil || len(files) != 16 {
		t.Fatalf("files %q, %v", files, err)
	}
	want := every()
	for _, f := range files {
		got, err := rows(f, everyColumns...)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %d rows", f, err, len(got))
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Errorf("row %d: got %q, want %q", i, got[i], want[i])
					break
				}
			}
		}
	}
	if got, err := rows("testdata/other/empty.parquet", column(hub.Text, "text")); err != nil || got != nil {
		t.Errorf("no rows: got %q, %v", got, err)
	}
}

func TestReadEnds(t *testing.T) {
	file := "testdata/imdb/plain_text/train-00000-of-00001.parquet"
	n := 0
	if err := hub.Read(t.Context(), file, []hub.Column{column(hub.Text, "text")}, func(int64, []hub.Value) error { n++; return fs.SkipAll }); err != nil || n != 1 {
		t.Errorf("SkipAll: %d rows, %v", n, err)
	}
	broken := errors.New("broken")
	err := hub.Read(t.Context(), file, []hub.Column{column(hub.Text, "text")}, func(row int64, _ []hub.Value) error {
		if row == 12 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || err.Error() != "hub: "+file+": row 12: broken" {
		t.Errorf("got error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err = hub.Read(ctx, file, []hub.Column{column(hub.Text, "text")}, func(int64, []hub.Value) error { n++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("cancelled: %d rows, error %v", n, err)
	}
}

func TestReadErrors(t *testing.T) {
	every := "testdata/every/none-plain-v1.parquet"
	for _, c := range []struct {
		file   string
		column hub.Column
		want   string
	}{
		{every, column(hub.Text, "txt", "sentence"), `want a column "txt" or "sentence", got "text", "small", "large", "byte", "truth"`},
		{every, column(hub.Int, "text"), `column "text": want an integer, got BYTE_ARRAY`},
		{every, column(hub.Text, "small"), `column "small": want text, got INT32`},
		{every, column(hub.Text, "fixed"), `column "fixed": want text, got FIXED_LEN_BYTE_ARRAY`},
		{every, column(hub.Int, "double"), `column "double": want an integer, got DOUBLE`},
		{every, column(hub.Float, "truth"), `column "truth": want a number, got BOOLEAN`},
		{every, column(hub.Bytes, "large"), `column "large": want bytes, got INT64`},
		{every, column(hub.Int, "list.list.element"), `column "list.list.element": want one value a row, got a list`},
		{every, column(hub.Int, "in.a"), `want a column "in.a", got`},
		{"testdata/other/brotli.parquet", column(hub.Text, "text"), `row group 0, column "text": want the compression UNCOMPRESSED, SNAPPY, GZIP or ZSTD, got BROTLI`},
		{"testdata/other/lz4.parquet", column(hub.Text, "text"), "got LZ4_RAW"},
		{"testdata/other/delta.parquet", column(hub.Text, "text"), `row 0, column "text": page at 4: want values encoded as PLAIN or by a dictionary, got DELTA_LENGTH_BYTE_ARRAY`},
		{"testdata/make.py", column(hub.Text, "text"), "want a Parquet file, which ends in \"PAR1\""},
		{"testdata/none.parquet", column(hub.Text, "text"), "no such file"},
		{"testdata", column(hub.Text, "text"), "not a regular file"},
	} {
		if _, err := rows(c.file, c.column); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "hub: ") || !strings.Contains(err.Error(), c.file) {
			t.Errorf("%s, %v: got error %v, want %q", c.file, c.column, err, c.want)
		}
	}
	if _, err := rows(every); err == nil || !strings.Contains(err.Error(), "want at least one column") {
		t.Errorf("no columns: got error %v", err)
	}
}

// A bomb is refused by what it says, before it is unpacked.
func TestReadBomb(t *testing.T) {
	var err error
	a := allocated(func() { _, err = rows("testdata/other/bomb.parquet", column(hub.Text, "text")) })
	if err == nil || !strings.Contains(err.Error(), `row 0, column "text": page at 4: want a page of at most`) || !strings.Contains(err.Error(), "got 67108874") || a > 4<<20 {
		t.Errorf("got error %v, %d bytes allocated", err, a)
	}
}

// Every byte of small files, changed in several ways, and every length they may be cut
// to: an error or other values, but no panic, and nothing large is allocated.
func TestReadDamaged(t *testing.T) {
	for _, name := range []string{"imdb/plain_text/test-00000-of-00001.parquet", "other/empty.parquet", "wikitext/data/train-00001-of-00002.parquet"} {
		good, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "damaged")
		for i := range good {
			for _, bad := range [][]byte{good[:i], with(good, i, good[i]^1), with(good, i, 0xff)} {
				if err := os.WriteFile(path, bad, 0o644); err != nil {
					t.Fatal(err)
				}
				if a := allocated(func() { readAll(path) }); a > 40<<20 {
					t.Fatalf("%s, byte %d: %d bytes allocated", name, i, a)
				}
				if _, err := rows(path, column(hub.Text, "text")); err == nil && len(bad) < len(good) {
					t.Errorf("%s cut to %d bytes: no error", name, i)
				}
			}
		}
	}
}

func with(b []byte, i int, c byte) []byte {
	b = slices.Clone(b)
	b[i] = c
	return b
}

// readAll reads all that may be asked of a file.
func readAll(path string) {
	const most = 10000 // rows: a short file may say that it has very many
	for _, c := range everyColumns {
		n := 0
		err := hub.Read(context.Background(), path, []hub.Column{c}, func(_ int64, v []hub.Value) error {
			if n++; n == most {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil && !strings.HasPrefix(err.Error(), "hub: "+path+": ") {
			panic(err)
		}
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// footed returns a file of a footer and what it says its size is.
func footed(footer []byte, size uint32) []byte {
	b := append([]byte("PAR1"), footer...)
	b = binary.LittleEndian.AppendUint32(b, size)
	return append(b, "PAR1"...)
}

func TestReadHostileFooters(t *testing.T) {
	deep := bytes.Repeat([]byte{0x1c}, 1000) // a struct in a struct in ...
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "want a Parquet file, got 0 bytes"},
		{"size beyond the file", footed(nil, 1<<31), "footer: want at most 0 bytes, got 2147483648"},
		{"no footer", footed(nil, 0), "footer: unexpected EOF"},
		{"list of 2^31 groups", footed([]byte{0x15, 2, 0x1c + 0x20, 0, 0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 7}, 11), "footer: "},
		{"list of more elements than bytes", footed([]byte{0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 7}, 7), "footer: a list of 2147483647 elements in 0 bytes"},
		{"list of too many elements", footed(append([]byte{0x29, 0xfc, 0x80, 0x80, 0x10}, make([]byte, 1<<18)...), 5+1<<18), "footer: want at most 131072 elements of lists, got more"},
		{"too deep", footed(deep, 1000), "footer: want at most 32 structs and lists in each other, got more"},
		{"text of 2^40 bytes", footed([]byte{0x68, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20}, 7), "footer: unexpected EOF"},
		{"type that is none", footed([]byte{0x1f}, 1), "footer: want a Thrift type 1 to 10 or 12, got 15"},
		{"number without end", footed(append([]byte{0x16}, bytes.Repeat([]byte{0xff}, 29)...), 30), "footer: want a number of at most 64 bits"},
		{"nothing in it", footed([]byte{0}, 1), "footer: "},
	} {
		path := filepath.Join(t.TempDir(), "hostile")
		if err := os.WriteFile(path, c.file, 0o644); err != nil {
			t.Fatal(err)
		}
		var err error
		a := allocated(func() { _, err = rows(path, column(hub.Text, "text")) })
		if err == nil || !strings.Contains(err.Error(), c.want) || a > 4<<20 {
			t.Errorf("%s: got error %v, want %q; %d bytes allocated", c.name, err, c.want, a)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, pattern := range []string{"testdata/every/*-v[12].parquet", "testdata/imdb/*/*.parquet", "testdata/mnist/test*", "testdata/other/*", "testdata/wikitext/*/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			f.Fatal(files, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Add(footed([]byte{0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 7}, 7))
	path := filepath.Join(f.TempDir(), "fuzzed")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if a := allocated(func() { readAll(path) }); a > 512<<20 {
			t.Errorf("%d bytes allocated for a file of %d", a, len(b))
		}
	})
}
