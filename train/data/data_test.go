package data_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/train/data"
)

func TestSplits(t *testing.T) {
	s := data.Splits[string]{Train: "a", Val: "bb", Test: "ccc"}
	n, err := data.Map(s, func(v string) (int, error) { return len(v), nil })
	if err != nil || n != (data.Splits[int]{Train: 1, Val: 2, Test: 3}) || n.All() != [3]int{1, 2, 3} {
		t.Errorf("got %+v, %v", n, err)
	}
	broken := errors.New("broken")
	if _, err := data.Map(s, func(v string) (int, error) { return 0, broken }); !errors.Is(err, broken) || err.Error() != "train: broken" {
		t.Errorf("got error %v", err)
	}
}

func TestHoldOut(t *testing.T) {
	for _, n := range []int{2, 3, 10, 1000} {
		for share, want := range map[float64]int{0: 1, 1: n - 1, 0.5: (n + 1) / 2} {
			rest, held := data.HoldOut(n, share, 3)
			all := slices.Concat(rest, held)
			if len(held) != min(want, n-1) || !slices.IsSorted(rest) || !slices.IsSorted(held) {
				t.Errorf("%d, share %v: held %d, want %d, ascending", n, share, len(held), want)
			}
			slices.Sort(all)
			for i, v := range all {
				if i != v {
					t.Fatalf("%d: together %v", n, all)
				}
			}
		}
	}
	_, held := data.HoldOut(100, 0.1, 1)
	if _, again := data.HoldOut(100, 0.1, 1); !slices.Equal(held, again) {
		t.Errorf("the same seed: %v, then %v", held, again)
	}
	if _, other := data.HoldOut(100, 0.1, 2); slices.Equal(held, other) {
		t.Errorf("another seed: %v too", other)
	}
}

// lines reads a text line by line.
func lines(text string, longest int) (got []string, n int, err error) {
	n, err = data.Lines(strings.NewReader(text), longest, func(line int, text []byte) error {
		if string(text) == "bad" {
			return errors.New("bad line")
		}
		got = append(got, fmt.Sprint(line, string(text)))
		return nil
	})
	return got, n, err
}

func TestLines(t *testing.T) {
	for text, want := range map[string][]string{
		"":                           nil,
		"a":                          {"1a"},
		"a\nb":                       {"1a", "2b"},
		"a\r\n\r\n \t\nb\r\n":        {"1a", "4b"},
		"\ufeffa\nb\n":               {"1a", "2b"},
		"\ufeff\r\na\n":              {"2a"},
		"\ufeff":                     nil,
		"a\n\ufeffb\n":               {"1a", "2\ufeffb"},
		strings.Repeat("x", 99) + "": {"1" + strings.Repeat("x", 99)},
	} {
		if got, _, err := lines(text, 100); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	if _, n, err := lines("a\n\nb\n\n", 100); n != 4 || err != nil {
		t.Errorf("%d lines, %v, want 4", n, err)
	}
	var at *data.LineError
	if _, _, err := lines("a\n\nbad\n", 100); !errors.As(err, &at) || at.Line != 3 || err.Error() != "line 3: bad line" {
		t.Errorf("got error %v", err)
	}
	if _, _, err := lines("a\n"+strings.Repeat("x", 101), 100); !errors.As(err, &at) || at.Line != 2 {
		t.Errorf("a long line: got error %v", err)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.tsv")
	if err := os.WriteFile(path, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	var got string
	err := data.ReadFile(path, func(r io.Reader, size int64) error {
		b, err := io.ReadAll(r)
		got = fmt.Sprint(string(b), size)
		return err
	})
	if err != nil || got != "text4" {
		t.Errorf("got %q, %v", got, err)
	}
	broken := errors.New("broken")
	fail := func(io.Reader, int64) error { return broken }
	atLine := func(io.Reader, int64) error { return fmt.Errorf("b: %w", &data.LineError{Line: 7, Err: broken}) }
	for want, f := range map[string]func(io.Reader, int64) error{path + ": broken": fail, path + ":7: broken": atLine} {
		if err := data.ReadFile(path, f); !errors.Is(err, broken) || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if err := data.ReadFile(filepath.Join(dir, "none"), fail); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v", err)
	}
	if err := data.ReadFile(dir, fail); err == nil || err.Error() != dir+": not a regular file" {
		t.Errorf("got error %v", err)
	}
}

// squares are data that a cache keeps.
func squares(made *int) data.Kept[[]int32] {
	return data.Kept[[]int32]{
		Make: func() ([]int32, error) { *made++; return []int32{1, 4, 9}, nil },
		Save: func(d []int32) []data.Tensor {
			return []data.Tensor{{Name: "squares", Shape: []int{len(d)}, Data: d}}
		},
		Restore: func(ts []data.Tensor) ([]int32, error) { return data.Elements[int32](ts, "squares") },
	}
}

// What a file holds is the data of its key, or is made anew with a warning.
func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	made := 0
	load := func(key any) (warnings []string) {
		t.Helper()
		c := data.Cache{Dir: dir, Name: "squares", Tag: "seed1", Key: key, Warn: func(err error) { warnings = append(warnings, err.Error()) }}
		d, err := data.Load(c, squares(&made))
		if err != nil || !slices.Equal(d, []int32{1, 4, 9}) {
			t.Errorf("got %v, %v", d, err)
		}
		return warnings
	}
	for want, key := range []string{"a", "b"} {
		for range 2 {
			if w := load(key); made != want+1 || w != nil {
				t.Errorf("key %q: made %d times, warnings %q, want %d and none", key, made, w, want+1)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "squares-*-seed1.safetensors"))
	if err != nil || len(files) != 2 {
		t.Fatalf("files %q, %v", files, err)
	}
	of := map[string]string{} // key -> file
	for _, path := range files {
		f, err := safetensors.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		of[f.Metadata["config"]] = path
	}
	other, err := os.ReadFile(of[`"b"`])
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(other)
	flipped[len(flipped)-1] ^= 1
	for want, content := range map[string][]byte{
		`want the data set of "a", got that of "b"`: other, "want SHA-256": flipped, "cannot use the cache, generating anew": {},
	} {
		if err := os.WriteFile(of[`"a"`], content, 0o644); err != nil {
			t.Fatal(err)
		}
		before := made
		if w := load("a"); made != before+1 || len(w) != 1 || !strings.HasPrefix(w[0], "squares: cannot use the cache") || !strings.Contains(w[0], want) || !strings.Contains(w[0], of[`"a"`]) {
			t.Errorf("made %d times more, warnings %q, want %q", made-before, w, want)
		}
		if w := load("a"); made != before+1 || w != nil {
			t.Errorf("not repaired: warnings %q", w)
		}
	}
}

func TestCacheErrors(t *testing.T) {
	made := 0
	if _, err := data.Load(data.Cache{Dir: t.TempDir(), Name: "x", Key: func() {}}, squares(&made)); err == nil || !strings.Contains(err.Error(), "x: Cache.Key: ") {
		t.Errorf("got error %v", err)
	}
	k := squares(&made)
	broken := errors.New("broken")
	k.Make = func() ([]int32, error) { return nil, broken }
	dir := t.TempDir()
	if _, err := data.Load(data.Cache{Dir: dir, Name: "x"}, k); !errors.Is(err, broken) {
		t.Errorf("got error %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	ts := []data.Tensor{{Name: "a", Shape: []int{1}, Data: []int32{1}}}
	for want, name := range map[string]string{`want a tensor "b"`: "b", `tensor "a": want []float32, got []int32`: "a"} {
		if _, err := data.Elements[float32](ts, name); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
