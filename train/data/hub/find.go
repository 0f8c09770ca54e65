package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// folders are where the files of a split are, below the path that is given. Hubs name
// the last ones for their data sets.
var folders = []string{"", "data", "plain_text", "default", "mnist", "fashion_mnist"}

// shard is the name of a file of a split: its number, and how many there are.
var shard = regexp.MustCompile(`^-([0-9]{5})-of-([0-9]{5})(?:-[0-9a-f]+)?\.parquet$`)

// numbered is the name of a file in a folder that has the name of its split, as hubs
// name those that they have made of other formats.
var numbered = regexp.MustCompile(`^([0-9]{4})\.parquet$`)

// Find returns the files of a split, such as train-00000-of-00002.parquet and
// train-00001-of-00002.parquet, in order: in the folder path, or else in the folder
// data, plain_text, default, mnist or fashion_mnist in it. A file SPLIT.parquet is a split of one file, and a
// folder SPLIT may have files 0000.parquet, 0001.parquet, ... nil means that there are
// none; that some of them are missing, or that there are several sets, is an error.
func Find(path, split string) ([]string, error) {
	for _, sub := range folders {
		dir := filepath.Join(path, sub)
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) && sub != "" {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("hub: %w", err)
		}
		files, err := shards(dir, split, entries)
		if err == nil && files == nil {
			files, err = numberedIn(filepath.Join(dir, split))
		}
		if err != nil {
			return nil, fmt.Errorf("hub: %s: %w", dir, err)
		}
		if files != nil {
			return files, nil
		}
	}
	return nil, nil
}

// shards returns the files of a split among the entries of a folder.
func shards(dir, split string, entries []fs.DirEntry) ([]string, error) {
	var files []string
	of := 0
	for _, e := range entries { // sorted
		rest, ok := strings.CutPrefix(e.Name(), split)
		if !ok || e.IsDir() {
			continue
		}
		m := shard.FindStringSubmatch(rest)
		switch {
		case rest == ".parquet":
			m = []string{"", "00000", "00001"}
		case m == nil:
			continue
		}
		number, _ := strconv.Atoi(m[1]) // five digits
		total, _ := strconv.Atoi(m[2])
		switch {
		case len(files) > 0 && total != of:
			return nil, fmt.Errorf("want one set of files of %q, got one of %d and one of %d", split, of, total)
		case number != len(files) || number >= total:
			return nil, fmt.Errorf("want file %d of %d of %q next, got %s", len(files), total, split, e.Name())
		}
		of = total
		files = append(files, filepath.Join(dir, e.Name()))
	}
	if len(files) != of {
		return nil, fmt.Errorf("want %d files of %q, got %d", of, split, len(files))
	}
	return slices.Clip(files), nil
}

// numberedIn returns the numbered files of a folder, nil if there is no such folder.
func numberedIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil
	}
	var files []string
	for _, e := range entries { // sorted
		m := numbered.FindStringSubmatch(e.Name())
		if m == nil || e.IsDir() {
			continue
		}
		if number, _ := strconv.Atoi(m[1]); number != len(files) { // four digits
			return nil, fmt.Errorf("want file %04d.parquet next, got %s", len(files), e.Name())
		}
		files = append(files, filepath.Join(dir, e.Name()))
	}
	return files, nil
}
