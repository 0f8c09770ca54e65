package data

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/safetensors"
)

// Tensor is a named array in a file of a Cache. Data is a slice of float32,
// float64, int64, int32, uint8 or bool, as long as the product of Shape.
type Tensor = safetensors.Tensor

// Cache is where data that take long to make are kept: a file of safetensors for
// each key.
type Cache struct {
	// Dir is the directory, made if need be; with "" nothing is read or written.
	Dir string
	// Name begins the name of the file, and the warnings; Tag ends it. A hash of
	// Key is between them.
	Name, Tag string
	// Key is all that the data depend on, the version of what makes them included:
	// a value that encoding/json can encode.
	Key any
	// Warn, if it is not nil, gets what does not keep the data from being there: a
	// file that is damaged or cannot be read, or one that cannot be written.
	Warn func(err error)
}

// Kept is how data are made, and how they become tensors and these the data.
type Kept[D any] struct {
	Make func() (D, error)
	Save func(d D) []Tensor
	// Restore checks what it is given: a checksum does not tell whose it is.
	Restore func(ts []Tensor) (D, error)
}

// Load returns the data from their file in the cache if an earlier Load left them
// there, and makes and keeps them otherwise. A damaged file is replaced.
func Load[D any](c Cache, k Kept[D]) (D, error) {
	if c.Dir == "" {
		return k.Make()
	}
	var none D
	key, err := json.Marshal(c.Key)
	if err != nil {
		return none, fmt.Errorf("%s: Cache.Key: %w", c.Name, err)
	}
	path := c.path(key)
	d, err := read(path, string(key), k.Restore)
	if err == nil {
		return d, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		c.warn("cannot use the cache, generating anew", err)
	}
	if d, err = k.Make(); err != nil {
		return none, err
	}
	if err := write(path, string(key), k.Save(d)); err != nil {
		c.warn("cannot cache the data set", err)
	}
	return d, nil
}

func (c Cache) warn(what string, err error) {
	if c.Warn != nil {
		c.Warn(fmt.Errorf("%s: %s: %w", c.Name, what, err))
	}
}

// path returns the file of a key.
func (c Cache) path(key []byte) string {
	sum := sha256.Sum256(key)
	return filepath.Join(c.Dir, fmt.Sprintf("%s-%s-%s", c.Name, hex.EncodeToString(sum[:6]), c.Tag)+cacheExtension)
}

// cacheExtension ends the names of the files of a Cache, or is in them while they are
// written.
const cacheExtension = ".safetensors"

// Metadata of a file.
const (
	keyKey = "config" // the key
	sumKey = "sha256" // of the file without this
)

// write writes a file, in a directory that it creates if needed.
func write(path, key string, ts []Tensor) error {
	f := &safetensors.File{Tensors: ts, Metadata: map[string]string{keyKey: key}}
	sum, err := checksum(f)
	if err != nil {
		return err
	}
	f.Metadata[sumKey] = sum
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return safetensors.WriteFile(path, f)
}

// checksum returns the SHA-256 of f as a file.
func checksum(f *safetensors.File) (string, error) {
	h := sha256.New()
	if err := safetensors.Encode(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// read reads a file and checks that it is whole and of the key.
func read[D any](path, key string, restore func([]Tensor) (D, error)) (d D, err error) {
	f, err := safetensors.ReadFile(path)
	if err != nil {
		return d, err
	}
	want := f.Metadata[sumKey]
	delete(f.Metadata, sumKey)
	got, err := checksum(f)
	if err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	if got != want {
		return d, fmt.Errorf("%s: want SHA-256 %q, got %q", path, want, got)
	}
	if got := f.Metadata[keyKey]; got != key {
		return d, fmt.Errorf("%s: want the data set of %s, got that of %s", path, key, got)
	}
	if d, err = restore(f.Tensors); err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// Elements returns the elements of a tensor by name.
func Elements[T any](ts []Tensor, name string) ([]T, error) {
	f := safetensors.File{Tensors: ts}
	t, ok := f.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("want a tensor %q", name)
	}
	data, ok := t.Data.([]T)
	if !ok {
		return nil, fmt.Errorf("tensor %q: want %T, got %T", name, data, t.Data)
	}
	return data, nil
}
