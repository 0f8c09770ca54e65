package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
)

// WriteFile writes f to the file path with mode 0o644 less the umask. The
// file is replaced all at once (see package atomicfile): after an error, what
// was at path is untouched.
func WriteFile(path string, f *File) error {
	return atomicfile.Write(path, 0o644, func(w io.Writer) error { return Encode(w, f) })
}

// Encode writes f to w in the safetensors format: the tensors in the order of
// f.Tensors, the metadata sorted by key. It fails, before it writes anything,
// if a tensor's data is of an unsupported type or does not fit its shape, or
// if names are repeated, reserved or not UTF-8.
func Encode(w io.Writer, f *File) error {
	entries, err := layout(f)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	header, err := encodeHeader(entries, f.Metadata)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	buf := make([]byte, chunk)
	for i, e := range entries {
		if err := e.dtype.write(w, buf, f.Tensors[i].Data); err != nil {
			return err
		}
	}
	return nil
}

// layout checks the tensors of f and places them one after the other.
func layout(f *File) ([]entry, error) {
	entries := make([]entry, len(f.Tensors))
	seen := make(map[string]bool, len(f.Tensors))
	var offset int64
	for i, t := range f.Tensors {
		switch {
		case t.Name == metadataKey:
			return nil, fmt.Errorf("tensor %q: the name is reserved", t.Name)
		case !utf8.ValidString(t.Name):
			return nil, fmt.Errorf("tensor %q: want a name in UTF-8", t.Name)
		case seen[t.Name]:
			return nil, fmt.Errorf("tensor %q: more than one of this name", t.Name)
		}
		seen[t.Name] = true
		dt, n, err := dtypeOf(t.Data)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		size, err := byteSize(dt, t.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		e := entry{t.Name, dt, t.Shape, offset, offset + size}
		if n != e.elements() {
			return nil, fmt.Errorf("tensor %q: want %d elements for shape %v, got %d", t.Name, e.elements(), t.Shape, n)
		}
		entries[i] = e
		offset = e.end
	}
	return entries, nil
}

// encodeHeader returns all that comes before the elements: the length of the
// header and the header, padded so that the elements start at a multiple of 8.
func encodeHeader(entries []entry, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	sep := byte('{')
	member := func(name string, value any) error {
		b.WriteByte(sep)
		sep = ','
		if err := enc.Encode(name); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1) // the encoder ends every value with a newline
		b.WriteByte(':')
		if err := enc.Encode(value); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1)
		return nil
	}

	if metadata != nil {
		for k, v := range metadata {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, fmt.Errorf("metadata %q = %q: want UTF-8", k, v)
			}
		}
		if err := member(metadataKey, metadata); err != nil { // maps are encoded sorted by key
			return nil, err
		}
	}
	for _, e := range entries {
		err := member(e.name, struct {
			Dtype   string   `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}{e.dtype.name, append([]int{}, e.shape...), [2]int64{e.begin, e.end}})
		if err != nil {
			return nil, err
		}
	}
	if sep == '{' {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	n := b.Len() - 8
	if n > maxHeader {
		return nil, fmt.Errorf("want a header of at most %d bytes, got %d", maxHeader, n)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(n))
	return b.Bytes(), nil
}
