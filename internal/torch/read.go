package torch

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/ending"
)

// File is a file of PyTorch whose pickle has been read.
type File struct {
	// Root is what was saved: a Dict, []any, *Object, *Tensor, int, float64,
	// string, bool, []byte, *big.Int or nil.
	Root any
	// Format is "zip" or "legacy".
	Format string

	r    io.ReaderAt
	size int64
	// open returns the bytes of a storage.
	open func(s *storage) (io.ReadCloser, error)
}

// Factor bounds what is made of a file: storages and tensors have at most Factor
// times as many bytes as it, and a mebibyte more.
const Factor = 16

// maxBytes is that bound for a file of size bytes.
func maxBytes(size int64) int64 { return Factor*min(size, 1<<55) + 1<<20 }

// IsZip and IsLegacy say whether a file that begins with these bytes, at least 4, may
// be one of those formats.
func IsZip(head []byte) bool { return strings.HasPrefix(string(head), "PK\x03\x04") }

// IsLegacy is like IsZip: the legacy format begins with a pickle of protocol 2 or
// later, of an integer of 10 bytes.
func IsLegacy(head []byte) bool {
	return len(head) >= 4 && head[0] == 0x80 && head[2] == 0x8a && head[3] == 10
}

// Read reads the pickle of a file of size bytes. The tensors in it are without
// elements: see Load.
func Read(r io.ReaderAt, size int64) (*File, error) {
	var head [4]byte
	if _, err := r.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	f := &File{r: r, size: size}
	var err error
	switch {
	case IsZip(head[:]):
		f.Format, err = "zip", f.readZip()
	case IsLegacy(head[:]):
		f.Format, err = "legacy", f.readLegacy()
	default:
		err = fmt.Errorf("want a file of torch.save, which begins with \"PK\\x03\\x04\" or a pickle, got one that begins with %q", head)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// readZip reads the pickle of the zip format.
func (f *File) readZip() error {
	z, err := zip.NewReader(f.r, f.size)
	if err != nil {
		return fmt.Errorf("zip: %w: truncated?", err)
	}
	members := make(map[string]*zip.File, len(z.File))
	var root string
	for _, m := range z.File {
		if members[m.Name] != nil {
			return fmt.Errorf("zip: more than one member %q", m.Name)
		}
		members[m.Name] = m
		if dir, ok := strings.CutSuffix(m.Name, "data.pkl"); ok && (dir == "" || strings.HasSuffix(dir, "/")) {
			if root != "" {
				return fmt.Errorf("zip: want one member data.pkl, got %q and %q", root, m.Name)
			}
			root = m.Name
		}
	}
	dir := strings.TrimSuffix(root, "data.pkl")
	switch {
	case root == "":
		return errors.New("zip: want a member data.pkl, as torch.save writes, got none")
	case members[dir+"constants.pkl"] != nil:
		return errors.New("zip: a TorchScript archive: want a state dict, as torch.save(module.state_dict(), path) writes")
	}
	if err := f.checkByteOrder(members[dir+"byteorder"]); err != nil {
		return err
	}
	p, err := f.member(members[root], maxPickle)
	if err != nil {
		return err
	}
	n, err := scan(p, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", root, err)
	}
	f.open = func(s *storage) (io.ReadCloser, error) {
		m := members[dir+"data/"+s.key]
		if m == nil {
			return nil, fmt.Errorf("zip: want a member %q, got none", dir+"data/"+s.key)
		}
		if m.UncompressedSize64 != s.bytes() {
			return nil, fmt.Errorf("zip: member %q: want the %d bytes of %d elements of %s, got %d", m.Name, s.bytes(), s.n, s.dtype.name, m.UncompressedSize64)
		}
		return f.openMember(m)
	}
	storages := map[string]*storage{}
	f.Root, err = unpickle(p[:n], func(id []any) (any, error) { return f.storage(storages, id) })
	if err != nil {
		return fmt.Errorf("%s: %w", root, err)
	}
	return nil
}

// checkByteOrder reports a file of a machine of the other byte order. m may be nil.
func (f *File) checkByteOrder(m *zip.File) error {
	if m == nil {
		return nil
	}
	b, err := f.member(m, 16)
	if err == nil && string(b) != "little" {
		err = fmt.Errorf("%s: want byte order little, got %q", m.Name, b)
	}
	return err
}

// openMember opens a member that is not a bomb. Its compressed bytes are in the file,
// but those of several members may be the same ones.
func (f *File) openMember(m *zip.File) (io.ReadCloser, error) {
	if m.UncompressedSize64 > uint64(maxBytes(f.size)) {
		return nil, fmt.Errorf("zip: member %q: want at most %d bytes, %d times those of the file, got %d", m.Name, maxBytes(f.size), Factor, m.UncompressedSize64)
	}
	r, err := m.Open()
	if err != nil {
		return nil, fmt.Errorf("zip: member %q: %w", m.Name, err)
	}
	return r, nil
}

// member returns the bytes of a member of at most limit bytes.
func (f *File) member(m *zip.File, limit uint64) ([]byte, error) {
	if m.UncompressedSize64 > limit {
		return nil, fmt.Errorf("zip: member %q: want at most %d bytes, got %d", m.Name, limit, m.UncompressedSize64)
	}
	r, err := f.openMember(m)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := whole(r, m.UncompressedSize64)
	if err != nil {
		return nil, fmt.Errorf("zip: member %q: %w", m.Name, err)
	}
	return b, nil
}

// whole reads n bytes, which are all there are, as the size of a member of a zip is
// only true if it says so at its end.
func whole(r io.Reader, n uint64) ([]byte, error) {
	b := make([]byte, n)
	if m, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("want %d bytes, got %d: %w", n, m, ending.Unexpected(err))
	}
	if m, err := io.ReadFull(r, make([]byte, 1)); m != 0 {
		return nil, fmt.Errorf("want %d bytes, got more", n)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// storage returns the storage that a pickle refers to: ("storage", class, key,
// location, elements), and in the legacy format a view of it, or None.
func (f *File) storage(known map[string]*storage, id []any) (*storage, error) {
	if len(id) < 5 || id[0] != "storage" {
		return nil, fmt.Errorf("want a reference to a storage of 5 parts, got %d", len(id))
	}
	class, ok1 := id[1].(storageClass)
	key, ok2 := id[2].(string)
	n, ok3 := id[4].(int)
	if !ok1 || !ok2 || !ok3 {
		return nil, fmt.Errorf("want the class, key and size of a storage, got a %T, %T and %T", id[1], id[2], id[4])
	}
	if len(id) > 5 && id[5] != nil {
		return nil, fmt.Errorf("storage %q: a view of another one, as versions before 0.4 wrote: not supported", key)
	}
	s := known[key]
	if s == nil {
		var err error
		if s, err = newStorage(key, class.dtype, n, f.size); err != nil {
			return nil, err
		}
		known[key] = s
	}
	if s.dtype != class.dtype || s.n != n {
		return nil, fmt.Errorf("storage %q: want %d elements of %s as before, got %d of %s", key, s.n, s.dtype.name, n, class.dtype.name)
	}
	return s, nil
}

// Load reads the elements of tensors of the file. All of them have at most as many
// bytes as Factor allows.
func (f *File) Load(ts ...*Tensor) error {
	byStorage := map[*storage][]*Tensor{}
	var order []*storage
	var total, read uint64
	for _, t := range ts {
		n, err := t.elements()
		if err != nil {
			return err
		}
		if byStorage[t.storage] == nil {
			order = append(order, t.storage)
			read += t.storage.bytes()
		}
		byStorage[t.storage] = append(byStorage[t.storage], t)
		if total += n * uint64(t.dtype.size); max(total, read) > uint64(maxBytes(f.size)) {
			return fmt.Errorf("tensors: want at most %d bytes in all, %d times those of the file, got more", maxBytes(f.size), Factor)
		}
	}
	for _, s := range order {
		raw, err := f.raw(s)
		if err != nil {
			return fmt.Errorf("storage %q: %w", s.key, err)
		}
		for _, t := range byStorage[s] {
			t.take(raw)
		}
	}
	return nil
}

// raw returns the bytes of a storage.
func (f *File) raw(s *storage) ([]byte, error) {
	r, err := f.open(s)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return whole(r, s.bytes())
}

// Tensors returns the tensors among the values of d with their names, which are
// strings, and the names of all other values.
func (d Dict) Tensors() (names []string, ts []*Tensor, others []string) {
	for _, e := range d {
		name, isString := e.Key.(string)
		t, isTensor := e.Value.(*Tensor)
		switch {
		case isString && isTensor:
			names, ts = append(names, name), append(ts, t)
		case isString:
			others = append(others, name)
		default:
			others = append(others, shown(e.Key))
		}
	}
	return names, ts, slices.Clip(others)
}
