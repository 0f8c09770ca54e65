package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/results/recipes"
)

// found are the rows of a recipe, of which a variant has one for each seed.
type found struct {
	*recipes.Recipe
	rows map[string][]*row // by name of the variant, by seed
}

// readRows reads the rows of recipes from a directory. One of another recipe is an error.
func readRows(dir string, all []*recipes.Recipe) ([]*found, error) {
	var fs []*found
	for _, r := range all {
		fs = append(fs, &found{r, map[string][]*row{}})
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		w, err := readRow(name)
		if err == nil {
			err = addRow(fs, w)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return fs, nil
}

// readRow reads a row, whose file is named after it.
func readRow(path string) (*row, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	w := new(row)
	if err := strictjson.Decode(text, w); err != nil {
		return nil, err
	}
	if want := w.file(); strings.TrimSuffix(filepath.Base(path), ".json") != want {
		return nil, fmt.Errorf("want the name %s.json", want)
	}
	return w, nil
}

// file is the name of the files of a row.
func (w *row) file() string { return fmt.Sprintf("%s-%s-%d", w.Recipe, w.Variant, w.Seed) }

// addRow adds a row to those of its recipe.
func addRow(fs []*found, w *row) error {
	for _, f := range fs {
		if f.Name != w.Recipe {
			continue
		}
		for _, v := range f.Variants {
			if v.Name == w.Variant {
				f.rows[v.Name] = append(f.rows[v.Name], w)
				return nil
			}
		}
	}
	return fmt.Errorf("want a row of a recipe, got one of %s/%s, which there is not", w.Recipe, w.Variant)
}

// all returns the rows of all variants, in their order.
func (f *found) all() []*row {
	var ws []*row
	for _, v := range f.Variants {
		ws = append(ws, f.rows[v.Name]...)
	}
	return ws
}

// readCurves reads the curves of a row; there are none without a file.
func readCurves(dir string, w *row) (*curves, error) {
	path := filepath.Join(dir, w.file()+".csv")
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return new(curves), nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c := new(curves)
	for i, l := range lines[min(1, len(lines)):] {
		p, err := parsePoint(l)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, i+2, err)
		}
		c.points = append(c.points, p)
	}
	return c, nil
}

// parsePoint reads a line of curves.
func parsePoint(l []string) (p point, err error) {
	if len(l) != 5 {
		return p, fmt.Errorf("want curve, step, epoch, elapsed_s and value, got %d fields", len(l))
	}
	var errs [4]error
	p.curve = l[0]
	p.step, errs[0] = strconv.Atoi(l[1])
	p.epoch, errs[1] = strconv.ParseFloat(l[2], 64)
	p.elapsed, errs[2] = strconv.ParseFloat(l[3], 64)
	p.value, errs[3] = strconv.ParseFloat(l[4], 64)
	return p, errors.Join(errs[:]...)
}
