package listops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/hub"
)

// hubNames are the names of the splits in the files of a data set hub, any of them, in
// the order of data.SplitNames.
var hubNames = [3][]string{{"train"}, {"validation", "val"}, {"test"}}

// hubColumns are the columns of an example.
var hubColumns = []hub.Column{{Names: []string{"Source", "source"}, Kind: hub.Text}, {Names: []string{"Target", "target", "label"}, Kind: hub.Int}}

// Read reads a directory of published files, as ReadDir does, or of Parquet files, as
// ReadHub does, up to the limit of the room. Nothing is cached: the files are parsed as
// fast as they are read.
func Read(ctx context.Context, dir string, room data.Room) (*Data, error) {
	d, err := readHub(ctx, dir, room)
	if d == nil && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		return readDir(ctx, dir, room)
	}
	return d, err
}

// ReadHub reads the Parquet files of a directory in the layout of a data set hub:
// train-00000-of-00001.parquet, validation-... (or val-...) and test-..., which hub.Find
// finds, with columns Source and Target as the published files have them. It returns nil
// if there are no files of any split; that one is missing is an error. What ReadTSV says
// of errors holds, with rows in the place of lines.
func ReadHub(ctx context.Context, dir string) (*Data, error) {
	return readHub(ctx, dir, data.Room{})
}

// readHub is ReadHub that a room can watch.
func readHub(ctx context.Context, dir string, room data.Room) (*Data, error) {
	d := newData()
	found := 0
	var missing string
	for i, s := range d.All() {
		var files []string
		for _, name := range hubNames[i] {
			var err error
			if files, err = hub.Find(dir, name); err != nil {
				return nil, fmt.Errorf("listops: %w", err)
			}
			if files != nil {
				break
			}
		}
		if files == nil {
			missing = hubNames[i][0]
			continue
		}
		found++
		if err := s.readHub(ctx, dir, files, room); err != nil {
			return nil, fmt.Errorf("listops: %w", err)
		}
	}
	switch {
	case found == 0:
		return nil, nil
	case found < len(data.SplitNames):
		return nil, fmt.Errorf("listops: %s: want files %s-*.parquet, got none", dir, missing)
	}
	return d, nil
}

// readHub fills an empty split with the examples of Parquet files below dir.
func (s *Split) readHub(ctx context.Context, dir string, files []string, room data.Room) error {
	s.file = dir
	meter := room.Meter("reading "+files[0], 0)
	defer meter.Close()
	for _, file := range files {
		name, err := filepath.Rel(dir, file)
		if err != nil {
			name = file
		}
		s.parts = append(s.parts, part{filepath.ToSlash(name), s.Len()})
		err = hub.Read(ctx, file, hubColumns, func(_ int64, v []hub.Value) error {
			if room.Limited(s.Len()+1) == s.Len() {
				return fs.SkipAll
			}
			if v[0].Null || v[1].Null {
				return errors.New("want an expression and a value, got null")
			}
			if v[1].Int < 0 || v[1].Int >= Classes {
				return fmt.Errorf("target: want a digit 0 to 9, got %d", v[1].Int)
			}
			meter.Add(int64(len(v[0].Bytes)))
			return s.append(v[0].Bytes, uint8(v[1].Int))
		})
		if err != nil {
			return err
		}
	}
	if s.Len() == 0 {
		return fmt.Errorf("%s: no examples, want at least one", files[0])
	}
	return nil
}

// part is a Parquet file of a split and the number of its first example.
type part struct {
	name  string
	first int
}
