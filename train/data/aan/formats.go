package aan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/hub"
)

// maxLine is the length in bytes above which a line is refused.
const maxLine = 16 << 20

// published are the names of the splits in the published files.
var published = [3]string{"train", "eval", "test"}

// hubNames are the names of the splits in the files of a data set hub, any of them.
var hubNames = [3][]string{{"train"}, {"validation", "eval", "val", "dev"}, {"test"}}

// folders are where the published files are, below the path that is given.
var folders = []string{"", "tsv_data", "lra_release/tsv_data", "lra_release/lra_release/tsv_data"}

// tsvName returns the published name of the file of a split.
func tsvName(split string) string { return "new_aan_pairs." + split + ".tsv" }

// tsvFile names a published file in an archive.
var tsvFile = regexp.MustCompile(`^(?:[^/]+/)*new_aan_pairs\.(train|eval|test)\.tsv$`)

// errFormats says what Load takes.
var errFormats = errors.New("want new_aan_pairs.train.tsv, new_aan_pairs.eval.tsv and new_aan_pairs.test.tsv, or files train-*.parquet, validation-*.parquet and test-*.parquet")

// reader reads the splits from a path.
type reader struct {
	path   string
	cut    cut
	room   data.Room
	tables [3]*table
}

// read reads the splits.
func read(ctx context.Context, path string, c cut, room data.Room) (*pairs, error) {
	form, err := data.FormOf(path)
	if err != nil {
		return nil, err
	}
	r := &reader{path: path, cut: c, room: room}
	switch {
	case form == data.Folder:
		err = r.folder(ctx)
	case form.Archive():
		err = r.archive(ctx)
	default:
		err = fmt.Errorf("%s: %w, got %v", path, errFormats, form)
	}
	if err != nil {
		return nil, err
	}
	for i, t := range r.tables {
		if t == nil || t.len() == 0 {
			return nil, fmt.Errorf("%s: no pairs of %s: %w", path, data.SplitNames[i], errFormats)
		}
	}
	return merge(r.tables)
}

// tsvFolder returns in which of folders, below a path, the published files are.
func tsvFolder(path string) (sub string, ok bool) {
	for _, sub := range folders {
		if _, err := os.Stat(filepath.Join(path, sub, tsvName(published[0]))); err == nil {
			return sub, true
		}
	}
	return "", false
}

// folder reads the published files, or else those of a data set hub, of a folder: the
// splits at the same time.
func (r *reader) folder(ctx context.Context) error {
	if sub, ok := tsvFolder(r.path); ok {
		return data.Each(ctx, len(published), func(i int) error {
			name := path.Join(sub, tsvName(published[i]))
			return data.ReadFile(filepath.Join(r.path, filepath.FromSlash(name)), func(f io.Reader, size int64) error {
				return r.tsv(ctx, i, f, size, name)
			})
		})
	}
	return data.Each(ctx, len(hubNames), func(i int) error { return r.hub(ctx, i) })
}

// archive reads the published files of an archive.
func (r *reader) archive(ctx context.Context) error {
	return data.Walk(ctx, r.path, data.Limits{}, func(m data.Member) error {
		match := tsvFile.FindStringSubmatch(m.Name)
		if match == nil {
			return nil
		}
		i := slices.Index(published[:], match[1])
		if r.tables[i] != nil {
			return fmt.Errorf("want one file %s, got another", tsvName(published[i]))
		}
		if err := r.tsv(ctx, i, m, m.Size, m.Name); err != nil {
			return err
		}
		if !slices.Contains(r.tables[:], nil) {
			return fs.SkipAll
		}
		return nil
	})
}

// tsv reads a published file of split i. An error of its contents is a data.LineError.
func (r *reader) tsv(ctx context.Context, i int, f io.Reader, size int64, name string) error {
	meter := r.room.Meter("reading "+path.Base(name), size)
	defer meter.Close()
	t := newTable(r.cut)
	_, err := data.Lines(meter.Reader(f), maxLine, func(line int, row []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return t.row(row, fmt.Sprintf("%s:%d", name, line))
	})
	if err == nil && t.len() == 0 {
		err = &data.LineError{Line: 1, Err: errors.New("want at least one pair, got none")}
	}
	r.tables[i] = t
	return err
}

// row reads a line: label, two ids, two texts, without quoting.
func (t *table) row(row []byte, name string) error {
	columns := bytes.SplitN(row, []byte{'\t'}, 6)
	if len(columns) != 5 {
		return fmt.Errorf("want 5 columns separated by tabs (label, id 1, id 2, text 1, text 2), got %d", bytes.Count(row, []byte{'\t'})+1)
	}
	label, err := strconv.ParseFloat(string(columns[0][:min(len(columns[0]), 32)]), 64)
	if err != nil || label != 0 && label != 1 {
		return fmt.Errorf("label: want 0.0 or 1.0, got %.32q", columns[0])
	}
	return t.pair(columns[3], columns[4], uint8(label), name)
}

// hubColumns are the columns of a pair.
var hubColumns = []hub.Column{{Names: []string{"label"}, Kind: hub.Float}, {Names: []string{"text1"}, Kind: hub.Text}, {Names: []string{"text2"}, Kind: hub.Text}}

// hub reads the Parquet files of split i.
func (r *reader) hub(ctx context.Context, i int) error {
	var files []string
	for _, name := range hubNames[i] {
		var err error
		if files, err = hub.Find(r.path, name); err != nil {
			return err
		}
		if files != nil {
			break
		}
	}
	if files == nil {
		return nil // which read reports
	}
	meter := r.room.Meter("reading "+hubNames[i][0]+" of "+filepath.Base(r.path), 0)
	defer meter.Close()
	t := newTable(r.cut)
	for _, f := range files {
		if err := t.parquet(ctx, f, r.path, meter); err != nil {
			return err
		}
	}
	r.tables[i] = t
	return nil
}

// parquet reads a Parquet file below root.
func (t *table) parquet(ctx context.Context, file, root string, meter *data.Meter) error {
	name, err := filepath.Rel(root, file)
	if err != nil {
		name = file
	}
	name = filepath.ToSlash(name)
	return hub.Read(ctx, file, hubColumns, func(row int64, v []hub.Value) error {
		if v[0].Null || v[1].Null || v[2].Null {
			return errors.New("want a label and two texts, got null")
		}
		label := v[0].Float
		if label != 0 && label != 1 {
			return fmt.Errorf("want a label 0 or 1, got %v", label)
		}
		meter.Add(int64(len(v[1].Bytes) + len(v[2].Bytes)))
		return t.pair(v[1].Bytes, v[2].Bytes, uint8(label), fmt.Sprintf("%s: row %d", name, row))
	})
}
