package aan

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// readerVersion changes whenever other pairs would be read from the same files.
const readerVersion = 1

// Load reads the pairs from path, which is one of
//
//   - a folder with new_aan_pairs.train.tsv, new_aan_pairs.eval.tsv and
//     new_aan_pairs.test.tsv, which may be in a folder tsv_data there, as in the
//     published archive: five columns separated by tabs, label, two ids and two texts,
//     no header and no quoting; the label is 0 or 1, or 0.0 or 1.0;
//   - an archive of such a folder that data.Walk takes, which may hold more: it is read
//     up to the last of the three, and so without the checksum at the end of a gzip;
//   - a folder with the files train-*.parquet, validation-*.parquet and
//     test-*.parquet of a data set hub: columns label, text1 and text2.
//
// Equal documents are kept once, whatever their ids, cut to what is used of them, and
// cached like that in room.Cache by the checksum of path and by the length. Errors name
// the file and the line, or the row.
func Load(ctx context.Context, path string, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	p, err := load(ctx, path, cfg.cut(), room)
	if err == nil {
		var d *Data
		if d, err = newData(ctx, path, cfg, p, room); err == nil {
			return d, nil
		}
	}
	return nil, fmt.Errorf("aan: %w", err)
}

// Pair is two documents of some data set and their label in [0, Classes).
type Pair struct {
	First, Second string
	Label         int
	Name          string // where it is from, for errors
}

// New returns a data set of other pairs than those of the task, presented like them: an
// error names the pair that has no label in [0, Classes), or the part that is empty.
func New(ctx context.Context, parts data.Splits[[]Pair], cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	tables, err := data.Map(parts, func(part []Pair) (*table, error) {
		t := newTable(cfg.cut())
		for i, p := range part {
			if p.Label < 0 || p.Label >= Classes {
				return nil, fmt.Errorf("pair %d: want a label 0 or 1, got %d", i, p.Label)
			}
			if err := t.pair([]byte(p.First), []byte(p.Second), uint8(p.Label), p.Name); err != nil {
				return nil, fmt.Errorf("pair %d: %w", i, err)
			}
		}
		if t.len() == 0 {
			return nil, errors.New("want at least one pair, got none")
		}
		return t, nil
	})
	if err != nil {
		return nil, fmt.Errorf("aan: %w", err)
	}
	p, err := merge(tables.All())
	if err != nil {
		return nil, fmt.Errorf("aan: %w", err)
	}
	return newData(ctx, "", cfg, p, room)
}

// load returns the pairs from the cache or from path.
func load(ctx context.Context, path string, c cut, room data.Room) (*pairs, error) {
	if room.Cache == "" {
		return read(ctx, path, c, room)
	}
	sub, _ := tsvFolder(path) // there may be very much else
	sum, err := room.Checksum(ctx, filepath.Join(path, sub))
	if err != nil {
		return nil, err
	}
	key := struct {
		Version int    `json:"reader_version"`
		Source  string `json:"source"`
		Cut     cut    `json:"cut"`
	}{readerVersion, sum, c}
	return data.Load(room.Keep("aan", "pairs", key), data.Kept[*pairs]{
		Make:    func() (*pairs, error) { return read(ctx, path, c, room) },
		Save:    (*pairs).tensors,
		Restore: restore,
	})
}

// newData presents the pairs as cfg, which has its defaults filled in, says.
func newData(ctx context.Context, path string, cfg Config, p *pairs, room data.Room) (*Data, error) {
	vocabulary, err := p.vocabulary(cfg)
	if err != nil {
		return nil, err
	}
	lengths := make([]int32, p.docs.Len())
	const block = 256
	err = data.Each(ctx, (len(lengths)+block-1)/block, func(k int) error {
		for i := k * block; i < min((k+1)*block, len(lengths)); i++ {
			lengths[i] = int32(vocabulary.Length(p.docs.At(i)))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d := &Data{Vocabulary: vocabulary}
	for i, into := range []**Dataset{&d.Train, &d.Val, &d.Test} {
		s := &p.splits[i]
		*into = &Dataset{path: path, docs: p.docs, lengths: lengths, split: s, n: room.Limited(s.len()), vocabulary: vocabulary}
	}
	return d, nil
}

// vocabulary returns that of the training pairs, or the one that cfg has: a document
// counts as often as it is in a pair.
func (p *pairs) vocabulary(cfg Config) (*text.Vocabulary, error) {
	if cfg.Vocabulary != nil {
		return cfg.Vocabulary, nil
	}
	var counts text.Counts
	if cfg.Level == text.Char {
		times := make([]int64, p.docs.Len())
		train := &p.splits[0]
		for i := range train.len() {
			times[train.first[i]]++
			times[train.second[i]]++
		}
		for i, n := range times {
			if n > 0 {
				counts.Add(p.docs.At(i), n)
			}
		}
	}
	return text.New(cfg.Level, &counts, cfg.MinFreq, cfg.LMax, cfg.OmitEOS)
}
