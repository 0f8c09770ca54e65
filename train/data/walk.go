package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Member is a regular file of a folder or an archive.
type Member struct {
	// Name is the path below the folder, or in the archive, with slashes.
	Name string
	// Size is the number of bytes.
	Size int64
	// Reader reads them, until the function that got the member returns.
	io.Reader
}

// Limits bounds what a Walk reads. A field of 0 stands for a generous default.
type Limits struct {
	// Files is the most files; 0 means 4,194,304.
	Files int
	// File is the most bytes of a file, Total those of all together, unpacked; 0
	// means 4 GiB and 64 GiB.
	File, Total int64
}

// withDefaults returns l with its zero fields filled in.
func (l Limits) withDefaults() Limits {
	return Limits{Files: cmp.Or(l.Files, 1<<22), File: cmp.Or(l.File, 4<<30), Total: cmp.Or(l.Total, 64<<30)}
}

// maxName is the most bytes of a name in an archive.
const maxName = 4096

// Walk calls f with every regular file of a folder, in the order of their names, or
// of an archive, in its own order: a tar, a tar.gz or a zip, told by what it holds
// and not by its name. If f returns fs.SkipAll, Walk ends without an error.
//
// A link in a folder to a file in it stands for the file, one to a folder in it is
// passed over, and one that leads out of the folder is an error. In an archive these
// are errors: a link, a device, a name that is absolute, that has the element "..",
// or that is there twice, a file whose declared size is not its real one, and an
// archive that is damaged or cut off. So is what goes beyond the limits, before it
// is unpacked, and in a folder when f reads it: there may be other files beside those
// that f wants. Nothing is written anywhere.
//
// Errors, those of f too, name the file, and with a LineError the line:
// "aclImdb/train/neg/0_3.txt: ...", "aan.tar.gz:tsv_data/new_aan_pairs.eval.tsv:7: ...".
func Walk(ctx context.Context, path string, l Limits, f func(m Member) error) error {
	form, err := FormOf(path)
	if err != nil {
		return err
	}
	w := &walk{ctx: ctx, path: path, limits: l.withDefaults(), f: f}
	switch form {
	case Folder:
		err = w.folder()
	case Tar, TarGzip:
		w.seen = map[string]bool{}
		err = w.tar(form == TarGzip)
	case Zip:
		w.seen = map[string]bool{}
		err = w.zip()
	default:
		return fmt.Errorf("%s: want a folder, a tar, a tar.gz or a zip, got %v", path, form)
	}
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

// walk is a Walk on its way.
type walk struct {
	ctx    context.Context
	path   string
	limits Limits
	f      func(m Member) error

	files int             // so far
	total int64           // bytes so far
	seen  map[string]bool // names, in an archive
}

// at names the place of an error about a member, or with "" about the archive.
func (w *walk) at(name string, err error) error {
	place := w.path
	switch {
	case name == "":
	case w.seen == nil:
		place = filepath.Join(w.path, filepath.FromSlash(name))
	default:
		place += ":" + name
	}
	if line := new(LineError); errors.As(err, &line) {
		return fmt.Errorf("%s:%d: %w", place, line.Line, line.Err)
	}
	return fmt.Errorf("%s: %w", place, err)
}

// member gives a file of a declared size to f.
func (w *walk) member(name string, size int64, r io.Reader) error {
	err := w.count()
	if err == nil {
		err = w.admit(size)
	}
	if err != nil {
		return w.at(name, err)
	}
	return w.give(name, &memberReader{ctx: w.ctx, r: r, size: size})
}

// give gives a file to f.
func (w *walk) give(name string, read *memberReader) error {
	err := w.f(Member{Name: name, Size: read.size, Reader: read})
	if err == nil {
		err = read.end()
	}
	if err != nil {
		return w.at(name, err)
	}
	return nil
}

// count counts a file against the limits.
func (w *walk) count() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.files++; w.files > w.limits.Files {
		return fmt.Errorf("want at most %d files, got more", w.limits.Files)
	}
	return nil
}

// admit counts the bytes of a file against the limits.
func (w *walk) admit(size int64) error {
	switch l := w.limits; {
	case size < 0 || size > l.File:
		return fmt.Errorf("want a file of at most %d bytes, got %d", l.File, size)
	case size > l.Total-w.total:
		return fmt.Errorf("want at most %d bytes in all files, got more", l.Total)
	}
	w.total += size
	return nil
}

// folder walks through the files of a folder.
func (w *walk) folder() error {
	root, err := os.OpenRoot(w.path)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return w.at(name, reason(err))
		}
		if d.IsDir() {
			return w.ctx.Err()
		}
		return w.file(root, name)
	})
}

// file gives a file of a folder to f, if it is a regular one.
func (w *walk) file(root *os.Root, name string) error {
	info, err := root.Stat(name) // follows links, but not out of the root
	if err != nil {
		return w.at(name, reason(err))
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	file, err := root.Open(name)
	if err != nil {
		return w.at(name, reason(err))
	}
	defer file.Close()
	if err := w.count(); err != nil {
		return w.at(name, err)
	}
	return w.give(name, &memberReader{ctx: w.ctx, r: file, size: info.Size(), admit: w.admit})
}

// reason takes from an error the name that is said beside it.
func reason(err error) error {
	if p := new(fs.PathError); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// memberName returns the clean name of a file in an archive, once.
func (w *walk) memberName(name string) (string, error) {
	if len(name) > maxName {
		return name[:64] + "...", fmt.Errorf("want a name of at most %d bytes, got %d", maxName, len(name))
	}
	clean := path.Clean(name)
	switch {
	case path.IsAbs(name):
		return name, errors.New("want a name below the archive's root, got an absolute one")
	case slices.Contains(strings.FieldsFunc(name, isSeparator), ".."):
		return name, errors.New(`want a name without "..", got one with it`)
	case strings.ContainsRune(name, 0) || clean == ".":
		return name, fmt.Errorf("want the name of a file, got %q", name)
	case w.seen[clean]:
		return name, errors.New("more than one file of this name")
	}
	w.seen[clean] = true
	return clean, nil
}

func isSeparator(c rune) bool { return c == '/' || c == '\\' }

// memberReader reads what a member declares to have, no more and no less.
type memberReader struct {
	ctx  context.Context
	r    io.Reader
	size int64
	read int64
	// admit, if it is not nil, says before the first byte whether there may be so many.
	admit func(size int64) error
}

func (r *memberReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.admit != nil {
		if err := r.admit(r.size); err != nil {
			return 0, err
		}
		r.admit = nil
	}
	n, err := r.r.Read(p)
	r.read += int64(n)
	switch {
	case r.read > r.size:
		return 0, fmt.Errorf("want %d bytes, as declared, got more", r.size)
	case err == io.EOF && r.read < r.size:
		return n, fmt.Errorf("want %d bytes, as declared, got %d: %w", r.size, r.read, io.ErrUnexpectedEOF)
	}
	return n, err
}

// end reads the end of a member that has been read up to there: in a zip it has a
// checksum.
func (r *memberReader) end() error {
	if r.read < r.size {
		return nil
	}
	var b [1]byte
	if _, err := io.ReadFull(r, b[:]); err != io.EOF {
		return err
	}
	return nil
}
