// Package hubimages reads labelled images from Parquet files of the hub layout: a
// struct with the bytes of a PNG file, and a number.
package hubimages

import (
	"context"
	"errors"
	"fmt"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/hub"
)

// chunk is the number of images that are decoded in parallel.
const chunk = 1024

// maxPNG bounds the bytes of the file of an image. The images here are small.
const maxPNG = 64 << 10

// Reader says what is read.
type Reader struct {
	Image, Label []string // the columns: the first of each that is there
	Classes      int
	Most         int // images of all files together
	// Decode returns the pixels of a PNG file. It is called by several goroutines.
	Decode func(png []byte) ([]uint8, error)
}

// Read returns the pixels of the images in the files, one after the other, and their
// labels. Errors name the file and the row.
func (r Reader) Read(ctx context.Context, files []string, room data.Room) (pixels, labels []uint8, err error) {
	for _, f := range files {
		if pixels, labels, err = r.file(ctx, f, room, pixels, labels); err != nil {
			return nil, nil, err
		}
	}
	return pixels, labels, nil
}

// file appends the images of a file.
func (r Reader) file(ctx context.Context, file string, room data.Room, pixels, labels []uint8) ([]uint8, []uint8, error) {
	meter := room.Meter("reading the images of "+file, 0)
	defer meter.Close()
	var waiting [][]byte
	var row int64 // of the first that waits
	decode := func() error {
		decoded := make([][]uint8, len(waiting))
		err := data.Each(ctx, len(waiting), func(i int) (err error) {
			if decoded[i], err = r.Decode(waiting[i]); err != nil {
				err = fmt.Errorf("%s: row %d: %w", file, row+int64(i), err)
			}
			return err
		})
		for _, p := range decoded {
			pixels = append(pixels, p...)
		}
		meter.Add(int64(len(waiting)))
		row += int64(len(waiting))
		waiting = waiting[:0]
		return err
	}
	var failed error // of decode: it names the row already
	columns := []hub.Column{{Names: r.Image, Kind: hub.Bytes}, {Names: r.Label, Kind: hub.Int}}
	err := hub.Read(ctx, file, columns, func(_ int64, v []hub.Value) error {
		switch {
		case v[0].Null || v[1].Null:
			return errors.New("want an image and a label, got none")
		case v[1].Int < 0 || v[1].Int >= int64(r.Classes):
			return fmt.Errorf("want a label 0 to %d, got %d", r.Classes-1, v[1].Int)
		case len(v[0].Bytes) > maxPNG:
			return fmt.Errorf("want an image of at most %d bytes, got %d", maxPNG, len(v[0].Bytes))
		case len(labels) == r.Most:
			return fmt.Errorf("want at most %d images, got more", r.Most)
		}
		labels = append(labels, uint8(v[1].Int))
		waiting = append(waiting, append([]byte(nil), v[0].Bytes...))
		if len(waiting) == chunk {
			failed = decode()
		}
		return failed
	})
	switch {
	case failed != nil:
		return nil, nil, failed
	case err != nil:
		return nil, nil, err
	}
	if err := decode(); err != nil {
		return nil, nil, err
	}
	return pixels, labels, nil
}
