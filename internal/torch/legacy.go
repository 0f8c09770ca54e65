package torch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/gorgonia-s4/s4/internal/ending"
)

// What a legacy file begins with: two pickles, of these numbers.
const (
	legacyMagic    = "119547037146038801333356" // 0x1950a86a20f9469cfc6c
	legacyProtocol = 1001
)

// readLegacy reads the legacy format: pickles of the magic number, the version of the
// format, what machine wrote it, what was saved, and the keys of the storages; then
// in their order of each the number of its elements, 8 bytes, and those.
func (f *File) readLegacy() error {
	head := make([]byte, min(f.size, maxPickle))
	if n, err := f.r.ReadAt(head, 0); n < len(head) {
		return ending.Unexpected(err)
	}
	at := 0
	storages := map[string]*storage{}
	next := func(what string) (any, error) {
		n, err := scan(head[at:], int64(at))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		v, err := unpickle(head[at:at+n], func(id []any) (any, error) { return f.storage(storages, id) })
		if err != nil {
			return nil, fmt.Errorf("%s, byte %d: %w", what, at, err)
		}
		at += n
		return v, nil
	}
	magic, err := next("magic number")
	if err != nil {
		return err
	}
	if m, ok := magic.(*big.Int); !ok || m.String() != legacyMagic {
		return errors.New("want the magic number of torch.save, got another pickle")
	}
	version, err := next("version")
	if err != nil {
		return err
	}
	if version != legacyProtocol {
		return fmt.Errorf("want version %d of the legacy format, got %s", legacyProtocol, shown(version))
	}
	if err := checkSystem(next("system")); err != nil {
		return err
	}
	if f.Root, err = next("object"); err != nil {
		return err
	}
	keys, err := next("keys of the storages")
	if err != nil {
		return err
	}
	f.open = func(s *storage) (io.ReadCloser, error) {
		if s.at < 0 {
			return nil, errors.New("want it in the list of storages, got none")
		}
		return io.NopCloser(io.NewSectionReader(f.r, s.at, int64(s.bytes()))), nil
	}
	return f.placeStorages(storages, keys, int64(at))
}

// checkSystem reports a file of a machine of the other byte order.
func checkSystem(v any, err error) error {
	if err != nil {
		return err
	}
	if d, ok := v.(Dict); ok {
		if little, ok := d.Get("little_endian"); ok && little != true {
			return errors.New("system: want byte order little, got big")
		}
	}
	return nil
}

// placeStorages finds the storages of a legacy file, which begin at a byte and are
// in the order of their keys.
func (f *File) placeStorages(storages map[string]*storage, keys any, at int64) error {
	list, ok := keys.([]any)
	if !ok {
		return fmt.Errorf("keys of the storages: want a list, got a %T", keys)
	}
	for _, k := range list {
		key, _ := k.(string)
		s := storages[key]
		if s == nil {
			return fmt.Errorf("keys of the storages: want those of the tensors, got %s", shown(k))
		}
		var b [8]byte
		if _, err := f.r.ReadAt(b[:], at); err != nil {
			return fmt.Errorf("storage %q: byte %d: want its number of elements: %w", key, at, ending.Unexpected(err))
		}
		if n := binary.LittleEndian.Uint64(b[:]); n != uint64(s.n) {
			return fmt.Errorf("storage %q: byte %d: want %d elements, got %d", key, at, s.n, n)
		}
		at += 8
		if s.bytes() > uint64(f.size-at) {
			return fmt.Errorf("storage %q: byte %d: want %d bytes, got the last %d of the file: truncated", key, at, s.bytes(), f.size-at)
		}
		s.at = at
		at += int64(s.bytes())
	}
	return nil
}
