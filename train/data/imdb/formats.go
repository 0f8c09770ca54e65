package imdb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/hub"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// Limits on what is read.
const (
	maxText    = 4 << 20 // bytes of a review
	maxTotal   = 1 << 30 // bytes of all reviews
	maxReviews = 1 << 22 // of both splits; a review may be empty, and a row of a Parquet file take no bytes
)

// add appends a review, which is cleaned.
func (r *reviews) add(part uint8, name string, label int64, b []byte) error {
	switch {
	case label < 0 || label >= Classes:
		return fmt.Errorf("want a label 0 (negative) or 1 (positive), got %d", label)
	case len(b) > maxText:
		return fmt.Errorf("want a review of at most %d bytes, got %d", maxText, len(b))
	case r.len() == maxReviews:
		return fmt.Errorf("want at most %d reviews, got more", maxReviews)
	case len(b) > maxTotal-r.texts.Size():
		return fmt.Errorf("want at most %d bytes of reviews, got more", maxTotal)
	}
	r.texts.Add(text.Clean(b))
	r.names.Add([]byte(name))
	r.labels = append(r.labels, uint8(label))
	r.parts = append(r.parts, part)
	return nil
}

// errFormats says what Load takes.
var errFormats = errors.New("want files train/neg/*.txt, train/pos/*.txt, test/neg/*.txt and test/pos/*.txt, or train-*.parquet and test-*.parquet, or reviews.json")

// read reads the reviews from path.
func read(ctx context.Context, path string, room data.Room) (*reviews, error) {
	form, err := data.FormOf(path)
	if err != nil {
		return nil, err
	}
	r := newReviews()
	switch {
	case form == data.Folder:
		var found bool
		if found, err = r.readHub(ctx, path, room); err == nil && !found {
			err = r.readMembers(ctx, path, room)
		}
	case form.Archive():
		err = r.readMembers(ctx, path, room)
	case form == data.Other:
		err = data.ReadFile(path, func(f io.Reader, size int64) error { return r.readJSON(ctx, f, size, filepath.Base(path), room) })
	default:
		err = fmt.Errorf("%s: %w, got %v", path, errFormats, form)
	}
	if err != nil {
		return nil, err
	}
	if r.len() == 0 {
		return nil, fmt.Errorf("%s: no data: %w", path, errFormats)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// reviewFile names the file of a review in the published archive, with the split and the
// class that it says.
var reviewFile = regexp.MustCompile(`^(?:[^/]+/)*(train|test)/(neg|pos)/[^/.][^/]*\.txt$`)

// reviewsFile names the file of the package.
var reviewsFile = regexp.MustCompile(`^(?:[^/]+/)?reviews\.json$`)

// readMembers reads the files of a folder or an archive: those of the reviews, in
// whatever order, or the one of the package. Others are passed over.
func (r *reviews) readMembers(ctx context.Context, path string, room data.Room) error {
	meter := room.Meter("reading "+filepath.Base(path), 0)
	defer meter.Close()
	var root string // of the files of reviews: there is one set of them
	format := ""
	one := func(f string) error {
		if format != "" && format != f {
			return fmt.Errorf("want the files of one data set, got %s and %s", format, f)
		}
		format = f
		return nil
	}
	return data.Walk(ctx, path, data.Limits{}, func(m data.Member) error {
		if reviewsFile.MatchString(m.Name) {
			if err := one("reviews.json"); err != nil {
				return err
			}
			return r.readJSON(ctx, m, m.Size, m.Name, room)
		}
		at := reviewFile.FindStringSubmatchIndex(m.Name)
		if at == nil {
			return nil
		}
		if err := one("files of reviews"); err != nil {
			return err
		}
		if r.len() == 0 {
			root = m.Name[:at[2]]
		}
		if got := m.Name[:at[2]]; got != root {
			return fmt.Errorf("want the files of one data set, got %q and %q", root, got)
		}
		meter.Add(m.Size)
		return r.readText(m, m.Name[at[2]:at[3]], m.Name[at[4]:at[5]])
	})
}

// readText reads the file of a review.
func (r *reviews) readText(m data.Member, part, class string) error {
	if m.Size > maxText {
		return fmt.Errorf("want a review of at most %d bytes, got %d", maxText, m.Size)
	}
	r.scratch = slices.Grow(r.scratch[:0], int(m.Size))[:m.Size]
	if _, err := io.ReadFull(m, r.scratch); err != nil {
		return err
	}
	label := int64(0)
	if class == "pos" {
		label = 1
	}
	return r.add(uint8(slices.Index(partNames[:], part)), m.Name, label, r.scratch)
}

// readHub reads the Parquet files of a data set hub, if there are any in a folder.
func (r *reviews) readHub(ctx context.Context, path string, room data.Room) (found bool, err error) {
	var files [len(partNames)][]string
	for i, part := range partNames {
		if files[i], err = hub.Find(path, part); err != nil {
			return false, err
		}
	}
	if files[train] == nil && files[test] == nil {
		return false, nil
	}
	for i, part := range partNames {
		if files[i] == nil {
			return false, fmt.Errorf("%s: want files %s-*.parquet, got none", path, part)
		}
	}
	meter := room.Meter("reading "+filepath.Base(path), 0)
	defer meter.Close()
	for i := range files {
		for _, f := range files[i] {
			if err := r.readParquet(ctx, f, path, uint8(i), meter); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// hubColumns are the columns of a review.
var hubColumns = []hub.Column{{Names: []string{"text", "review", "sentence"}, Kind: hub.Text}, {Names: []string{"label"}, Kind: hub.Int}}

// readParquet reads a Parquet file of a split below root.
func (r *reviews) readParquet(ctx context.Context, file, root string, part uint8, meter *data.Meter) error {
	name, err := filepath.Rel(root, file)
	if err != nil {
		name = file
	}
	name = filepath.ToSlash(name)
	return hub.Read(ctx, file, hubColumns, func(row int64, v []hub.Value) error {
		if v[0].Null || v[1].Null {
			return errors.New("want a text and a label, got null")
		}
		meter.Add(int64(len(v[0].Bytes)))
		return r.add(part, fmt.Sprintf("%s: row %07d", name, row), v[1].Int, v[0].Bytes)
	})
}

// readJSON reads the file of the package: an array of {"t": text, "s": label}. Of n
// reviews the first n/4 are negative ones of the test set, then come the negative ones
// of the training set, the positive ones of the test set, and those of the training
// set.
func (r *reviews) readJSON(ctx context.Context, f io.Reader, size int64, name string, room data.Room) error {
	meter := room.Meter("reading "+name, size)
	defer meter.Close()
	r.texts.Grow(int(min(size, 128<<20)))
	if err := r.readArray(ctx, meter.Reader(data.Text(f)), name); err != nil {
		return err
	}
	n := r.len()
	if n == 0 || n%4 != 0 {
		return fmt.Errorf("want an array of reviews that four parts have equally many of, got %d", n)
	}
	for i, label := range r.labels {
		if half := i / (n / 2); int(label) != half {
			return fmt.Errorf("review %d of %d: want the label %d there, got %d", i, n, half, label)
		}
		if i/(n/4)%2 == 0 {
			r.parts[i] = test
		}
	}
	return nil
}

// readArray adds the reviews of an array to the training set.
func (r *reviews) readArray(ctx context.Context, f io.Reader, name string) error {
	budget := &budgetReader{r: f}
	budget.renew()
	d := json.NewDecoder(bufio.NewReaderSize(budget, 1<<16))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("want a JSON array of reviews: %w", orUnexpected(err))
	}
	for i := 0; d.More(); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		var e struct {
			T *string `json:"t"`
			S *int64  `json:"s"`
		}
		err := d.Decode(&e)
		switch {
		case err != nil:
			err = orUnexpected(err)
		case e.T == nil || e.S == nil:
			err = errors.New(`want {"t": text, "s": label}`)
		default:
			err = r.add(train, fmt.Sprintf("%s: review %07d", name, i), *e.S, []byte(*e.T))
		}
		if err != nil {
			return fmt.Errorf("review %d: %w", i, err)
		}
		budget.renew()
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("the end of the JSON array: %w", orUnexpected(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something after the JSON array of reviews")
	}
	return nil
}

// orUnexpected returns an error that there is no end where one is, or another.
func orUnexpected(err error) error {
	switch {
	case err == nil:
		return errors.New("got something else")
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// budgetReader bounds what a JSON value may take: a decoder keeps all of it.
type budgetReader struct {
	r    io.Reader
	left int
}

// renew lets the next value take as much again: each byte of a review may be written
// with six, "\u0000".
func (r *budgetReader) renew() { r.left = 6*maxText + 1<<20 }

func (r *budgetReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, fmt.Errorf("want a review of at most %d bytes, got more", maxText)
	}
	n, err := r.r.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}
