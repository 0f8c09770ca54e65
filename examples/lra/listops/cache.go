package listops

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/safetensors"
)

// Report is told how Load gets on. A nil function is not called.
type Report struct {
	// Progress gets the number of examples drawn so far and in the end.
	Progress func(done, total int)
	// Warn gets what does not keep Load from giving the data set: a cache file
	// that is damaged or cannot be read, or one that cannot be written.
	Warn func(err error)
}

// Load returns the data set of cfg, from a file in cacheDir if an earlier Load
// left it there, and otherwise from Generate. The file is named for a hash of
// cfg and its seed, takes about one byte a symbol, and carries a checksum; a
// damaged one is reported to report.Warn and replaced. With cacheDir "" nothing
// is read or written.
func Load(ctx context.Context, cfg Config, cacheDir string, report Report) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cacheDir == "" {
		return Generate(ctx, cfg, report.Progress)
	}
	warn := report.Warn
	if warn == nil {
		warn = func(error) {}
	}
	canonical, err := cfg.canonical()
	if err != nil {
		return nil, fmt.Errorf("listops: %w", err)
	}
	path := filepath.Join(cacheDir, cfg.fileName(canonical))
	d, err := readCache(path, canonical)
	if err == nil {
		return d, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		warn(fmt.Errorf("listops: cannot use the cache, generating anew: %w", err))
	}
	d, err = Generate(ctx, cfg, report.Progress)
	if err != nil {
		return nil, err
	}
	if err := writeCache(path, canonical, d); err != nil {
		warn(fmt.Errorf("listops: cannot cache the data set: %w", err))
	}
	return d, nil
}

// Metadata of a cache file.
const (
	configKey = "config" // the canonical Config
	sumKey    = "sha256" // of the file without this key
)

// writeCache writes d to a cache file, in a directory that it creates if
// needed.
func writeCache(path, canonical string, d *Data) error {
	f := &safetensors.File{Metadata: map[string]string{configKey: canonical}}
	for i, s := range d.splits() {
		name := splitNames[i]
		lengths := make([]int32, s.Len())
		for j := range lengths {
			lengths[j] = int32(s.Symbols(j))
		}
		f.Tensors = append(f.Tensors,
			safetensors.Tensor{Name: name + ".lengths", Shape: []int{s.Len()}, Data: lengths},
			safetensors.Tensor{Name: name + ".targets", Shape: []int{len(s.targets)}, Data: s.targets},
			safetensors.Tensor{Name: name + ".tokens", Shape: []int{len(s.tokens)}, Data: s.tokens})
	}
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

// readCache reads a cache file and checks that it is whole and of the Config.
func readCache(path, canonical string) (*Data, error) {
	f, err := safetensors.ReadFile(path)
	if err != nil {
		return nil, err
	}
	want := f.Metadata[sumKey]
	delete(f.Metadata, sumKey)
	got, err := checksum(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if got != want {
		return nil, fmt.Errorf("%s: want SHA-256 %q, got %q", path, want, got)
	}
	if got := f.Metadata[configKey]; got != canonical {
		return nil, fmt.Errorf("%s: want the data set of %s, got that of %s", path, canonical, got)
	}
	d := newData()
	for i, s := range d.splits() {
		if err := s.restore(f, splitNames[i]); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, splitNames[i], err)
		}
	}
	return d, nil
}

// restore fills an empty split with the tensors that writeCache made of it.
func (s *Split) restore(f *safetensors.File, name string) error {
	lengths, err := lookup[int32](f, name+".lengths")
	if err != nil {
		return err
	}
	if s.targets, err = lookup[uint8](f, name+".targets"); err != nil {
		return err
	}
	if s.tokens, err = lookup[uint8](f, name+".tokens"); err != nil {
		return err
	}
	if len(lengths) != len(s.targets) {
		return fmt.Errorf("want as many targets as lengths, got %d and %d", len(s.targets), len(lengths))
	}
	s.ends = make([]int, len(lengths))
	begin := 0
	for i, n := range lengths {
		if n < 1 || int(n) > len(s.tokens)-begin {
			return fmt.Errorf("example %d: want a length in [1, %d], got %d", i, len(s.tokens)-begin, n)
		}
		s.ends[i] = begin + int(n)
		if err := checkExpression(s.tokens[begin:s.ends[i]]); err != nil {
			return fmt.Errorf("example %d: %w", i, err)
		}
		if s.targets[i] >= Classes {
			return fmt.Errorf("example %d: want a target < %d, got %d", i, Classes, s.targets[i])
		}
		begin = s.ends[i]
	}
	if begin != len(s.tokens) {
		return fmt.Errorf("want %d tokens, got %d", begin, len(s.tokens))
	}
	return nil
}

// lookup returns the elements of a tensor of one dimension.
func lookup[T any](f *safetensors.File, name string) ([]T, error) {
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
