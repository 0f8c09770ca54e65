package data_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/train/data"
)

// entry is a file of an archive of a test.
type entry struct {
	name, text string
	kind       byte // of a tar, 0 for a regular file
	link       string
}

var entries = []entry{{name: "b/2.txt", text: "two"}, {name: "b/", kind: tar.TypeDir}, {name: "a.txt", text: "one"}, {name: "./c/d/3.txt", text: ""}}

func tarOf(t testing.TB, es ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range es {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: 0o644}
		if e.kind == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(e.text))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipOf(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(t testing.TB, es ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range es {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.kind == tar.TypeSymlink {
			h.SetMode(fs.ModeSymlink | 0o777)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fileOf writes a file whose name says nothing about its form.
func fileOf(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// folderOf writes the regular files of the entries.
func folderOf(t testing.TB, es ...entry) string {
	t.Helper()
	dir := t.TempDir()
	for _, e := range es {
		path := filepath.Join(dir, filepath.FromSlash(e.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if e.kind == 0 {
			if err := os.WriteFile(path, []byte(e.text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// walked returns "name=text" of every file.
func walked(ctx context.Context, path string, l data.Limits) (got []string, err error) {
	err = data.Walk(ctx, path, l, func(m data.Member) error {
		b, err := io.ReadAll(m)
		if err == nil && int64(len(b)) != m.Size {
			err = fmt.Errorf("%s: %d bytes, declared %d", m.Name, len(b), m.Size)
		}
		got = append(got, m.Name+"="+string(b))
		return err
	})
	return got, err
}

func TestWalk(t *testing.T) {
	want := []string{"a.txt=one", "b/2.txt=two", "c/d/3.txt="}
	for form, path := range map[data.Form]string{
		data.Folder:  folderOf(t, entries...),
		data.Tar:     fileOf(t, tarOf(t, entries...)),
		data.TarGzip: fileOf(t, gzipOf(t, tarOf(t, entries...))),
		data.Zip:     fileOf(t, zipOf(t, entries...)),
	} {
		if got, err := data.FormOf(path); got != form || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, form)
		}
		got, err := walked(t.Context(), path, data.Limits{})
		if form != data.Folder {
			if len(got) > 0 && got[0] != want[1] {
				t.Errorf("%v: begins with %q, want the archive's order", form, got[0])
			}
			slices.Sort(got)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: got %q, %v, want %q", form, got, err, want)
		}
		first := 0
		if err := data.Walk(t.Context(), path, data.Limits{}, func(data.Member) error { first++; return fs.SkipAll }); err != nil || first != 1 {
			t.Errorf("%v: SkipAll: %d files, %v, want 1", form, first, err)
		}
	}
}

// Errors of what is done with a file name it, its archive, and its line.
func TestWalkNamesPlaces(t *testing.T) {
	broken := errors.New("broken")
	dir, zipped := folderOf(t, entries...), fileOf(t, zipOf(t, entries...))
	for path, sep := range map[string]string{dir: string(filepath.Separator), zipped: ":"} {
		name := filepath.FromSlash("b/2.txt")
		if sep == ":" {
			name = "b/2.txt"
		}
		for want, fail := range map[string]error{": broken": broken, ":7: broken": &data.LineError{Line: 7, Err: broken}} {
			err := data.Walk(t.Context(), path, data.Limits{}, func(m data.Member) error {
				if m.Name == "b/2.txt" {
					return fail
				}
				return nil
			})
			if !errors.Is(err, broken) || err.Error() != path+sep+name+want {
				t.Errorf("got error %v, want %q", err, path+sep+name+want)
			}
		}
	}
}

func TestWalkBadArchives(t *testing.T) {
	good := tarOf(t, entries...)
	long := gzipOf(t, tarOf(t, entry{name: "noise", text: noise(4000)}))
	tail := gzipOf(t, append(slices.Clip(good), make([]byte, 17<<20)...))
	flipped := gzipOf(t, good)
	flipped[len(flipped)-6] ^= 1 // in its checksum
	short := tarOf(t, entry{name: "cut.txt", text: strings.Repeat("x", 1500)})
	z := zipOf(t, entry{name: "z.txt", text: strings.Repeat("z", 5000)})
	for _, c := range []struct {
		name    string
		content []byte
		want    string // behind the file's name
	}{
		{"empty", nil, ": want a folder, a tar, a tar.gz or a zip, got another file"},
		{"text", []byte("text"), ": want a folder, a tar, a tar.gz or a zip, got another file"},
		{"gzip of text", gzipOf(t, []byte("text")), "got a gzip of something other than a tar"},
		{"Parquet", []byte("PAR1"), "got a Parquet file"},
		{"gzip cut off at once", gzipOf(t, good)[:6], ": unexpected EOF"},
		{"gzip cut off", long[:3000], ":noise: unexpected EOF"},
		{"gzip without its end", long[:len(long)-8], "unexpected EOF"},
		{"gzip of another checksum", flipped, ": gzip: invalid checksum"},
		{"bytes without end behind a tar", tail, ": want at most 16777216 bytes behind the end of the tar, got more"},
		{"tar cut off", short[:1024], ":cut.txt: unexpected EOF"},
		{"tar cut off in a header", append(slices.Clip(good[:512*5]), "x"...), "the next member: unexpected EOF"},
		{"symbolic link", tarOf(t, entry{name: "x/l", kind: tar.TypeSymlink, link: "/etc/passwd"}), `:x/l: want regular files, got a link to "/etc/passwd"`},
		{"hard link", tarOf(t, entry{name: "l", kind: tar.TypeLink, link: "a"}), `:l: want regular files, got a link to "a"`},
		{"device", tarOf(t, entry{name: "null", kind: tar.TypeChar}), `:null: want regular files, got type '3'`},
		{"pipe", tarOf(t, entry{name: "pipe", kind: tar.TypeFifo}), `:pipe: want regular files, got type '6'`},
		{"absolute", tarOf(t, entry{name: "/etc/passwd"}), ":/etc/passwd: want a name below the archive's root"},
		{"above", tarOf(t, entry{name: "a/../../b"}), `:a/../../b: want a name without ".."`},
		{"above, inside", tarOf(t, entry{name: "a/../b"}), `:a/../b: want a name without ".."`},
		{"above, other separator", tarOf(t, entry{name: `a\..\b`}), `want a name without ".."`},
		{"no name", tarOf(t, entry{name: "./."}), `want the name of a file`},
		{"long name", tarOf(t, entry{name: strings.Repeat("x", 5000)}), "want a name of at most 4096 bytes, got 5000"},
		{"twice", tarOf(t, entry{name: "a"}, entry{name: "./a"}), ":./a: more than one file of this name"},
		{"zip link", zipOf(t, entry{name: "l", kind: tar.TypeSymlink, text: "/etc"}), ":l: want regular files, got mode L"},
		{"zip absolute", zipOf(t, entry{name: "/a"}), ":/a: want a name below"},
		{"zip above", zipOf(t, entry{name: "../a"}), `:../a: want a name without ".."`},
		{"zip twice", zipOf(t, entry{name: "a"}, entry{name: "a"}), ":a: more than one file of this name"},
		{"zip cut off", z[:len(z)/2], ": zip: not a valid zip file"},
		{"zip that declares less", declare(z, 10), ":z.txt: "},
		{"zip that declares more", declare(z, 50000), ":z.txt: "},
		{"zip that declares far too much", declare(z, 0xfffffff0), ":z.txt: want a file of at most 1000000 bytes, got 4294967280"},
	} {
		path := fileOf(t, c.content)
		_, err := walked(t.Context(), path, data.Limits{File: 1000000})
		if err == nil || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := walked(t.Context(), filepath.Join(t.TempDir(), "none"), data.Limits{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such file: got error %v", err)
	}
}

// noise is text that does not compress.
func noise(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

// declare changes the size that a zip of one file declares for it.
func declare(z []byte, size uint32) []byte {
	z = slices.Clone(z)
	at := bytes.Index(z, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(z[at+24:], size)
	return z
}

func TestWalkLimits(t *testing.T) {
	for _, path := range []string{folderOf(t, entries...), fileOf(t, tarOf(t, entries...)), fileOf(t, zipOf(t, entries...))} {
		for want, l := range map[string]data.Limits{
			"want at most 2 files, got more":              {Files: 2},
			"want a file of at most 2 bytes, got 3":       {File: 2},
			"want at most 5 bytes in all files, got more": {Total: 5},
		} {
			if _, err := walked(t.Context(), path, l); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: got error %v, want %q", l, err, want)
			}
		}
		if _, err := walked(t.Context(), path, data.Limits{Files: 3, File: 3, Total: 6}); err != nil {
			t.Error(err)
		}
	}
}

// A bomb is refused by what it declares, before it is unpacked.
func TestWalkBomb(t *testing.T) {
	path := fileOf(t, zipOf(t, entry{name: "bomb", text: strings.Repeat("\x00", 8<<20)}))
	err := data.Walk(t.Context(), path, data.Limits{File: 1 << 20}, func(data.Member) error {
		t.Error("called with a bomb")
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), ":bomb: want a file of at most 1048576 bytes, got 8388608") {
		t.Errorf("got error %v", err)
	}
}

func TestWalkLinksOfFolders(t *testing.T) {
	dir := folderOf(t, entries...)
	outside := fileOf(t, []byte("secret"))
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	link("a.txt", "inside.txt")
	link("b", "folder")
	got, err := walked(t.Context(), dir, data.Limits{})
	if want := []string{"a.txt=one", "b/2.txt=two", "c/d/3.txt=", "inside.txt=one"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for name, target := range map[string]string{"absolute": outside, "relative": "../../../../etc/passwd", "broken": "nowhere", "loop": "loop"} {
		link(target, name)
		if _, err := walked(t.Context(), dir, data.Limits{}); err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, name)+": ") {
			t.Errorf("%s: got error %v", name, err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dir, outside+"-link"); err != nil {
		t.Fatal(err)
	}
	if got, err := walked(t.Context(), outside+"-link", data.Limits{}); err != nil || len(got) != 4 {
		t.Errorf("a link as the folder: got %q, %v", got, err)
	}
}

func TestWalkIsCancelled(t *testing.T) {
	for _, path := range []string{folderOf(t, entries...), fileOf(t, gzipOf(t, tarOf(t, entries...))), fileOf(t, zipOf(t, entries...))} {
		ctx, cancel := context.WithCancel(t.Context())
		err := data.Walk(ctx, path, data.Limits{}, func(m data.Member) error {
			cancel()
			_, err := io.ReadAll(m)
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
	}
}

func FuzzWalk(f *testing.F) {
	good := tarOf(f, entries...)
	for _, b := range [][]byte{
		nil, good, gzipOf(f, good), zipOf(f, entries...), good[:700], gzipOf(f, good)[:40], zipOf(f, entries...)[:100],
		tarOf(f, entry{name: "l", kind: tar.TypeSymlink, link: "/etc"}), zipOf(f, entry{name: "../a"}), declare(zipOf(f, entry{name: "a", text: "aa"}), 1),
	} {
		f.Add(b)
	}
	path := filepath.Join(f.TempDir(), "data")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		total := 0
		err := data.Walk(t.Context(), path, data.Limits{Total: 1 << 20}, func(m data.Member) error {
			if m.Name == "" || strings.HasPrefix(m.Name, "/") || strings.Contains("/"+m.Name+"/", "/../") {
				t.Errorf("got the name %q", m.Name)
			}
			b, err := io.ReadAll(m)
			total += len(b)
			return err
		})
		if total > 1<<20 {
			t.Errorf("read %d bytes", total)
		}
		if err != nil && !strings.HasPrefix(err.Error(), path) {
			t.Errorf("error without the file's name: %v", err)
		}
	})
}

// A file of a zip is checked also if no more than its declared size is read, and not
// its end.
func TestWalkChecksWhatIsRead(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "a.txt", Method: zip.Store})
	if err == nil {
		_, err = io.WriteString(w, "the content")
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(b.Bytes(), []byte("content"), []byte("cantent"), 1)
	for _, c := range []struct {
		file []byte
		read int64
		want error
	}{{b.Bytes(), 11, nil}, {damaged, 11, zip.ErrChecksum}, {damaged, 10, nil}} {
		path := fileOf(t, c.file)
		err := data.Walk(t.Context(), path, data.Limits{}, func(m data.Member) error {
			_, err := io.ReadFull(m, make([]byte, c.read))
			return err
		})
		if !errors.Is(err, c.want) || c.want != nil && !strings.HasPrefix(err.Error(), path+":a.txt: ") {
			t.Errorf("%d bytes read: got error %v, want %v", c.read, err, c.want)
		}
	}
}

// What is beside the files that are read in a folder has no limits.
func TestWalkPassesOverLargeFiles(t *testing.T) {
	dir := folderOf(t, entries...)
	l := data.Limits{File: 3, Total: 6}
	if err := os.WriteFile(filepath.Join(dir, "large.tar"), []byte("large"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, large := range []bool{false, true} {
		err := data.Walk(t.Context(), dir, l, func(m data.Member) error {
			if m.Name == "large.tar" && !large {
				return nil
			}
			_, err := io.ReadAll(m)
			return err
		})
		if !large && err != nil || large && (err == nil || !strings.HasSuffix(err.Error(), "large.tar: want a file of at most 3 bytes, got 5")) {
			t.Errorf("it is read: %v: got error %v", large, err)
		}
	}
}
