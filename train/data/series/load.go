package series

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/internal/names"
)

// maxFile is the most bytes of a file.
const maxFile = 4 << 30

// Load reads a series from path, a CSV file, the same compressed by gzip, or a folder
// or an archive with one such file, and cuts it into windows. Of the series there is
// one copy in memory, in its units, and one that is standardised: 12 bytes a number.
// The file is read as it comes; nothing is cached.
//
// Besides what Read says, a column that is missing, a part of the series that is too
// short for a window, and a column without numbers in the training part are errors.
func Load(ctx context.Context, path string, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s, name, err := open(ctx, path, cfg, room)
	if err != nil {
		return nil, fmt.Errorf("series: %w", err)
	}
	d, err := newData(cfg, s, name, room)
	if err != nil {
		return nil, fmt.Errorf("series: %s: %w", name, err)
	}
	return d, nil
}

// Cut cuts a series that is in memory into windows. name is where it is from.
func Cut(s *Series, name string, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(s.Columns) == 0 || names.Repeated(s.Columns) >= 0 || len(s.Values) == 0 || len(s.Values)%len(s.Columns) != 0 {
		return nil, fmt.Errorf("series: %s: want numbers of columns with names, got %d of %.400q", name, len(s.Values), s.Columns)
	}
	if n := len(cfg.Targets); n > len(s.Columns) || !slices.Equal(s.Columns[:n], cfg.Targets) {
		return nil, fmt.Errorf("series: %s: want the targets %.400q to be the first columns, got %.400q", name, cfg.Targets, s.Columns)
	}
	d, err := newData(cfg.withDefaults(), s, name, room)
	if err != nil {
		return nil, fmt.Errorf("series: %s: %w", name, err)
	}
	return d, nil
}

// open reads the series of a path, and returns the name of its file.
func open(ctx context.Context, root string, cfg Config, room data.Room) (s *Series, name string, err error) {
	form, err := data.FormOf(root)
	if err != nil {
		return nil, root, err
	}
	switch {
	case form == data.Other, form == data.Gzip:
		err = data.ReadFile(root, func(r io.Reader, size int64) error {
			s, err = readFile(ctx, r, size, form == data.Gzip, cfg, room)
			return err
		})
		return s, root, err
	case !form.Archive():
		return nil, root, fmt.Errorf("%s: want a CSV file, or an archive of one, got %v", root, form)
	}
	err = data.Walk(ctx, root, data.Limits{File: maxFile, Total: maxFile}, func(m data.Member) error {
		if !slices.Contains([]string{".csv", ".tsv", ".txt"}, strings.ToLower(path.Ext(m.Name))) {
			return nil
		}
		if s != nil {
			return fmt.Errorf("want one file *.csv, *.tsv or *.txt, got this beside %s", name)
		}
		name = root + ":" + m.Name
		s, err = readFile(ctx, m, m.Size, false, cfg, room)
		return err
	})
	if err == nil && s == nil {
		err = fmt.Errorf("%s: want a file *.csv, *.tsv or *.txt, got none", root)
	}
	return s, name, err
}

// readFile reads a CSV file of so many bytes, or one that is compressed to them.
func readFile(ctx context.Context, r io.Reader, size int64, zipped bool, cfg Config, room data.Room) (*Series, error) {
	if size > maxFile {
		return nil, fmt.Errorf("want a file of at most %d bytes, got %d", int64(maxFile), size)
	}
	meter := room.Meter("reading the series", size)
	defer meter.Close()
	r = meter.Reader(r)
	if !zipped {
		return read(ctx, r, cfg)
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return read(ctx, z, cfg) // which bounds rows, and the numbers of all of them
}
