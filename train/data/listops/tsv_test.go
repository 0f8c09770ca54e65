package listops

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/train/data"
)

// published is a file made by hand in the published format.
const published = "Source\tTarget\r\n" +
	"( ( ( [MAX 2 ) 9 ) ] )\t9\r\n" +
	"( ( ( ( [MED ( ( ( [MIN 7 ) 3 ) ] ) ) 8 ) 0 ) ] )\t3\r\n" +
	"( ( ( [SM 6 ) 7 ) ] )\t3\r\n"

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "basic_test.tsv")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadTSV(t *testing.T) {
	for name, content := range map[string]string{
		"published":        published,
		"LF":               strings.ReplaceAll(published, "\r\n", "\n"),
		"no last end":      strings.TrimSuffix(published, "\r\n"),
		"byte order mark":  "\ufeff" + published,
		"blank lines":      "\n\r\n" + strings.ReplaceAll(published, "\r\n", "\r\n\r\n \t\n"),
		"all of it":        "\ufeff\r\n" + strings.ReplaceAll(published, "\r\n", "\n\n"),
		"blanks in a line": strings.ReplaceAll(strings.ReplaceAll(published, "\r\n", " \r\n"), "\t", " \t "),
	} {
		s, err := ReadTSV(writeFile(t, content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Len() != 3 || s.Source(1) != "( ( ( ( [MED ( ( ( [MIN 7 ) 3 ) ] ) ) 8 ) 0 ) ] )" || s.Target(1) != 3 || s.Symbols(1) != 8 {
			t.Errorf("%s: got %d examples, the second %q = %d of %d symbols", name, s.Len(), s.Source(1), s.Target(1), s.Symbols(1))
		}
	}
}

func TestOriginIsTheLine(t *testing.T) {
	path := writeFile(t, "\ufeff\n"+strings.ReplaceAll(published, "\r\n", "\n\n"))
	s, err := ReadTSV(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Origin(2), path+":8"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := generate(t, small).Train.Origin(0); got != "" {
		t.Errorf("generated: got %q", got)
	}
}

func TestTSVRoundTrip(t *testing.T) {
	d := generate(t, small)
	dir := filepath.Join(t.TempDir(), "listops-1000")
	if err := d.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	got, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range got.All() {
		if !s.equal(d.All()[i]) {
			t.Errorf("%s: not what was written", data.SplitNames[i])
		}
	}
}

// TestWriteTSVBytes writes what it read.
func TestWriteTSVBytes(t *testing.T) {
	path := writeFile(t, published)
	s, err := ReadTSV(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WriteTSV(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != published {
		t.Errorf("got  %q\nwant %q", got, published)
	}
}

func TestReadTSVErrors(t *testing.T) {
	const head = "Source\tTarget\r\n"
	const good = "( ( ( [MAX 2 ) 9 ) ] )\t9\r\n"
	for _, c := range []struct {
		name, content, want string
	}{
		{"empty", "", ":1: empty file"},
		{"only the header", head, ":2: no examples"},
		{"no header", good, `:1: want the header "Source\tTarget", got "( ( ( [MAX`},
		{"other header", "source,target\n", ":1: want the header"},
		{"binary", "\x89PNG\r\n\x1a\n", ":1: want the header"},
		{"only blank lines", "\ufeff\r\n \n", ":1: empty file"},
		{"blank lines behind the header", head + "\r\n \n", ":4: no examples"},
		{"behind blank lines", head + "\n\n" + good + "\n1 2", ":6: want 2 columns, got 1"},
		{"a second header", head + head + good, ":2: target: want a digit"},
		{"a byte order mark in the middle", head + "\ufeff" + good, ":2: source: unknown token"},
		{"cut in the source", head + good + "( ( ( [MAX 2", ":3: want 2 columns, got 1"},
		{"cut before the target", head + good + "( ( ( [MAX 2 ) 9 ) ] )\t", `:3: target: want a digit 0 to 9, got ""`},
		{"three columns", head + "1\t1\t1\r\n", ":2: want 2 columns, got 3"},
		{"unknown symbol", head + good + "( ( ( [FIRST 2 ) 9 ) ] )\t9\r\n", `:3: source: unknown token "[FIRST"`},
		{"number", head + "( ( ( [MAX 2 ) 10 ) ] )\t9\r\n", `:2: source: unknown token "10"`},
		{"target 10", head + "( ( ( [MAX 2 ) 9 ) ] )\t10\r\n", `:2: target: want a digit 0 to 9, got "10"`},
		{"target -1", head + "( ( ( [MAX 2 ) 9 ) ] )\t-1\r\n", `got "-1"`},
		{"target x", head + "( ( ( [MAX 2 ) 9 ) ] )\tx\r\n", `got "x"`},
		{"no source", head + "\t9\r\n", ":2: source: no expression"},
		{"only parentheses", head + "( )\t9\r\n", ":2: source: no expression"},
		{"list not closed", head + "( ( [MAX 2 ) 9 )\t9\r\n", ":2: source: expression is cut off: 1 lists are not closed"},
		{"closed twice", head + "( ( ( [MAX 2 ) 9 ) ] ) ]\t9\r\n", `:2: source: "]" after the end`},
		{"two expressions", head + "1 2\t1\r\n", `:2: source: "2" after the end`},
		{"starts with the end", head + "] 2\t1\r\n", `:2: source: want a digit or an operator, got "]"`},
		{"no arguments", head + "( [MAX ] )\t1\r\n", ":2: source: operator [MAX has no arguments"},
		{"padding symbol", head + "( ( ( [MAX <pad> ) 9 ) ] )\t9\r\n", `unknown token "<pad>"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := writeFile(t, c.content)
			_, err := ReadTSV(path)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q in it", err, c.want)
			}
			if !strings.Contains(err.Error(), path+":") {
				t.Errorf("error %v does not name the file and line", err)
			}
		})
	}
}

func TestReadTSVLongLine(t *testing.T) {
	path := writeFile(t, "Source\tTarget\n"+strings.Repeat("( ", maxLine/2+1))
	if _, err := ReadTSV(path); err == nil || !strings.Contains(err.Error(), path+":2: ") {
		t.Errorf("error %v, want one about line 2", err)
	}
}

func TestReadDirMissingFile(t *testing.T) {
	dir := t.TempDir()
	d := generate(t, small)
	for i, name := range data.SplitNames {
		_, err := ReadDir(dir)
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "basic_"+name+".tsv") {
			t.Errorf("error %v, want one about the missing basic_%s.tsv", err, name)
		}
		if err := d.All()[i].WriteTSV(filepath.Join(dir, "basic_"+name+".tsv")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadDir(dir); err != nil {
		t.Error(err)
	}
}

// FuzzRead checks that no content makes the reader panic, and that what it
// accepts survives being written and read again.
func FuzzRead(f *testing.F) {
	f.Add([]byte(published))
	f.Add([]byte("Source\tTarget\n( ( ( [MAX 2"))
	f.Fuzz(func(t *testing.T, content []byte) {
		var s, again Split
		if err := s.read(t.Context(), bytes.NewReader(content), data.Room{}); err != nil {
			return
		}
		var b strings.Builder
		b.WriteString(tsvHeader + "\n")
		for i := range s.Len() {
			b.WriteString(s.Source(i) + "\t" + string(rune('0'+s.Target(i))) + "\n")
		}
		if err := again.read(t.Context(), strings.NewReader(b.String()), data.Room{}); err != nil {
			t.Fatal(err)
		}
		if !again.equal(&s) {
			t.Errorf("%q was read as %q", content, b.String())
		}
	})
}

// What is in memory is bounded, however little of a file a row takes.
func TestBounds(t *testing.T) {
	defer func(b bounds) { most = b }(most)
	for want, b := range map[string]bounds{"want at most 2 examples, got more": {2, 1 << 20}, "want at most 25 bytes of expressions, got more": {9, 25}} {
		most = b
		var s Split
		var err error
		for range 2 {
			if err = s.append([]byte("[MAX 1 2 ]"), 2); err != nil {
				t.Fatal(err)
			}
		}
		if err = s.append([]byte("[MAX 1 2 3 4 5 6 7 8 9 ]"), 9); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
