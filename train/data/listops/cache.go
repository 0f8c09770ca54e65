package listops

import (
	"context"
	"fmt"

	"github.com/gorgonia-s4/s4/train/data"
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
	c := cfg.cache()
	c.Dir, c.Warn = cacheDir, report.Warn
	return data.Load(c, data.Kept[*Data]{
		Make:    func() (*Data, error) { return Generate(ctx, cfg, report.Progress) },
		Save:    (*Data).tensors,
		Restore: restore,
	})
}

// cache returns what the file that caches the data set of c, which must be valid,
// is called, and what it is known by.
func (c Config) cache() data.Cache {
	return data.Cache{Name: "listops", Tag: fmt.Sprintf("seed%d", c.Seed), Key: struct {
		Version int `json:"generator_version"`
		Config
	}{generatorVersion, c.withDefaults()}}
}

// tensors returns the data as a file of the cache has them.
func (d *Data) tensors() []data.Tensor {
	var ts []data.Tensor
	for i, s := range d.All() {
		name := data.SplitNames[i]
		lengths := make([]int32, s.Len())
		for j := range lengths {
			lengths[j] = int32(s.Symbols(j))
		}
		ts = append(ts,
			data.Tensor{Name: name + ".lengths", Shape: []int{s.Len()}, Data: lengths},
			data.Tensor{Name: name + ".targets", Shape: []int{len(s.targets)}, Data: s.targets},
			data.Tensor{Name: name + ".tokens", Shape: []int{len(s.tokens)}, Data: s.tokens})
	}
	return ts
}

// restore returns the data that tensors were made of.
func restore(ts []data.Tensor) (*Data, error) {
	d := newData()
	for i, s := range d.All() {
		if err := s.restore(ts, data.SplitNames[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", data.SplitNames[i], err)
		}
	}
	return d, nil
}

// restore fills an empty split with the tensors that were made of it.
func (s *Split) restore(ts []data.Tensor, name string) error {
	lengths, err := data.Elements[int32](ts, name+".lengths")
	if err != nil {
		return err
	}
	if s.targets, err = data.Elements[uint8](ts, name+".targets"); err != nil {
		return err
	}
	if s.tokens, err = data.Elements[uint8](ts, name+".tokens"); err != nil {
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
