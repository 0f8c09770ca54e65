package corpus

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/hub"
)

// The splits, in the order of data.Splits.
const (
	train = iota
	val
	test
	whole // of a text that is to be split
)

// text is a part of a source: a file, a member of an archive, or all rows of a Parquet
// file.
type text struct {
	name  string // for errors
	split int
	copy  func(w io.Writer) error
}

// source calls f with its texts, in order; those of a split follow each other. f need
// not copy a text.
type source func(ctx context.Context, f func(t text) error) error

// errFormats says what Load takes.
var errFormats = errors.New("want wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens, or train.txt, valid.txt and test.txt, or the files train-*.parquet, validation-*.parquet and test-*.parquet, or files *.txt")

// find returns what there is at a path, and whether it is already split.
func find(ctx context.Context, path string) (source, bool, error) {
	form, err := data.FormOf(path)
	if err != nil {
		return nil, false, err
	}
	switch form {
	case data.Folder:
		if s, err := findHub(path); s != nil || err != nil {
			return s, true, err
		}
		return findMembers(ctx, path)
	case data.Tar, data.TarGzip, data.Zip:
		return findMembers(ctx, path)
	case data.Parquet:
		return hubFiles([4][]string{whole: {path}}), false, nil
	case data.Gzip:
		return file(path, func(w io.Writer, r io.Reader) error {
			z, err := gzip.NewReader(r)
			if err != nil {
				return err
			}
			return plain(w, z)
		}), false, nil
	}
	return file(path, plain), false, nil
}

// file is the source of a file, which is copied by copy.
func file(path string, copy func(w io.Writer, r io.Reader) error) source {
	return func(_ context.Context, f func(t text) error) error {
		return f(text{filepath.Base(path), whole, func(w io.Writer) error {
			return data.ReadFile(path, func(r io.Reader, _ int64) error { return copy(w, r) })
		}})
	}
}

// plain copies a text as it is.
func plain(w io.Writer, r io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 256<<10))
	return err
}

// inMemory is the source of a text.
func inMemory(name string, b []byte) source {
	return func(_ context.Context, f func(t text) error) error {
		return f(text{name, whole, func(w io.Writer) error { return plain(w, bytes.NewReader(b)) }})
	}
}

// published names the file of a split, as WikiText is published, or renamed as the code
// of Transformer-XL does it.
var published = regexp.MustCompile(`^((?:[^/]+/)*)(?:wiki\.(train|valid|test)\.(tokens|raw)|(train|valid|test)\.(txt))$`)

// splitOf returns the split of a published file and the set of files that it is of.
func splitOf(name string) (split int, set string, ok bool) {
	m := published.FindStringSubmatch(name)
	if m == nil {
		return 0, "", false
	}
	split = slices.Index([]string{"train", "valid", "test"}, m[2]+m[4])
	return split, m[1] + m[3] + m[5], true
}

// isText says whether a file of a folder is a text.
func isText(name string) bool {
	base := name[strings.LastIndexByte(name, '/')+1:]
	return strings.HasSuffix(base, ".txt") && !strings.HasPrefix(base, ".")
}

// findMembers returns the source of the files of a folder or an archive.
func findMembers(ctx context.Context, path string) (source, bool, error) {
	var sets []string
	var splits [3]string // files of a set
	texts := 0
	err := data.Walk(ctx, path, data.Limits{}, func(m data.Member) error {
		if split, set, ok := splitOf(m.Name); ok {
			if !slices.Contains(sets, set) {
				sets = append(sets, set)
			}
			splits[split] = m.Name
		}
		if isText(m.Name) {
			texts++
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, false, err
	case len(sets) > 1:
		return nil, false, fmt.Errorf("%s: want the files of one data set, got those of %q", path, sets)
	case len(sets) == 1:
		for i, name := range []string{"train", "valid", "test"} {
			if splits[i] == "" {
				return nil, false, fmt.Errorf("%s: want files of train, valid and test, got none of %s beside %s", path, name, splits[0]+splits[1]+splits[2])
			}
		}
	case texts == 0:
		return nil, false, fmt.Errorf("%s: no data: %w", path, errFormats)
	}
	return members(path, len(sets) == 0), len(sets) == 1, nil
}

// members is the source of the published files, or of all texts.
func members(path string, all bool) source {
	return func(ctx context.Context, f func(t text) error) error {
		return data.Walk(ctx, path, data.Limits{}, func(m data.Member) error {
			split, _, ok := splitOf(m.Name)
			if all {
				split, ok = whole, isText(m.Name)
			}
			if !ok {
				return nil
			}
			return f(text{m.Name, split, func(w io.Writer) error { return plain(w, m) }})
		})
	}
}

// hubSplits are the names of the splits in a data set hub.
var hubSplits = [3]string{"train", "validation", "test"}

// findHub returns the source of the Parquet files of a hub in a folder, nil if there are
// none: in the folder itself, or in the only one in it that is named for a form of
// WikiText.
func findHub(path string) (source, error) {
	folders := []string{path}
	forms, err := filepath.Glob(filepath.Join(globEscape(path), "wikitext-*"))
	if err != nil {
		return nil, err
	}
	folders = append(folders, forms...)
	var found []string
	var splits [4][]string
	for _, dir := range folders {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		var files [4][]string
		some := false
		for i, name := range hubSplits {
			if files[i], err = hub.Find(dir, name); err != nil {
				return nil, err
			}
			some = some || files[i] != nil
		}
		if some {
			found, splits = append(found, dir), files
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		for i, name := range hubSplits {
			if splits[i] == nil {
				return nil, fmt.Errorf("%s: want files %s-*.parquet, got none", found[0], name)
			}
		}
		return hubFiles(splits), nil
	}
	return nil, fmt.Errorf("want the path of one data set, got %q", found)
}

// globEscape returns a path as a pattern of itself.
func globEscape(path string) string {
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllStringFunc(path, func(c string) string {
		if c == `\` && os.PathSeparator == '\\' {
			return c
		}
		return "[" + c + "]"
	})
}

// hubColumns are the column of a line.
var hubColumns = []hub.Column{{Names: []string{"text"}, Kind: hub.Text}}

// hubFiles is the source of Parquet files by split, each row of which is a line, with or
// without its LF.
func hubFiles(splits [4][]string) source {
	return func(ctx context.Context, f func(t text) error) error {
		for split, files := range splits {
			for _, path := range files {
				err := f(text{filepath.Base(path), split, func(w io.Writer) error {
					return hub.Read(ctx, path, hubColumns, func(_ int64, v []hub.Value) error {
						if v[0].Null {
							return errors.New("want a text, got null")
						}
						if _, err := w.Write(v[0].Bytes); err != nil || bytes.HasSuffix(v[0].Bytes, []byte("\n")) {
							return err
						}
						_, err := w.Write([]byte("\n"))
						return err
					})
				}})
				if err != nil {
					return err
				}
			}
		}
		return nil
	}
}
