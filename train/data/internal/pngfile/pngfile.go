// Package pngfile decodes the PNG files of data sets, whose size in pixels is known:
// a file that declares another is refused before any memory is asked for.
package pngfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
)

// The start of a PNG file: its signature and the chunk IHDR, which holds the width,
// the height, the bit depth and more.
const (
	start      = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
	headerSize = len(start) + 9
)

// Is reports whether a file begins as PNG files do.
func Is(file []byte) bool { return bytes.HasPrefix(file, []byte(start[:8])) }

// Gray returns the pixels of a PNG file of width x height pixels, row by row, one
// byte each. All must be opaque greys of at most 8 bits, however they are stored.
func Gray(file []byte, width, height int) ([]uint8, error) {
	img, err := decode(file, width, height)
	if err != nil {
		return nil, err
	}
	pixels := make([]uint8, 0, width*height)
	if g, ok := img.(*image.Gray); ok {
		for y := range height {
			pixels = append(pixels, g.Pix[y*g.Stride:][:width]...)
		}
		return pixels, nil
	}
	err = each(img, func(r, g, b uint8) error {
		if r != g || g != b {
			return fmt.Errorf("want a grey pixel, got red %d, green %d, blue %d", r, g, b)
		}
		pixels = append(pixels, r)
		return nil
	})
	return pixels, err
}

// RGB returns the pixels of a PNG file of width x height pixels, row by row, three
// bytes each: red, green and blue. All must be opaque colours of at most 8 bits a
// channel, however they are stored.
func RGB(file []byte, width, height int) ([]uint8, error) {
	img, err := decode(file, width, height)
	if err != nil {
		return nil, err
	}
	pixels := make([]uint8, 0, 3*width*height)
	err = each(img, func(r, g, b uint8) error {
		pixels = append(pixels, r, g, b)
		return nil
	})
	return pixels, err
}

// decode decodes a PNG file of a known size.
func decode(file []byte, width, height int) (image.Image, error) {
	switch {
	case len(file) == 0:
		return nil, errors.New("want a PNG file, got an empty one")
	case !Is(file):
		return nil, fmt.Errorf("want a PNG file, got one that starts with %q", file[:min(len(file), 8)])
	case len(file) < headerSize || string(file[:len(start)]) != start:
		return nil, errors.New("want a PNG file with a header, got none")
	}
	header := file[len(start):]
	w, h, depth := binary.BigEndian.Uint32(header), binary.BigEndian.Uint32(header[4:]), header[8]
	if w != uint32(width) || h != uint32(height) {
		return nil, fmt.Errorf("want a picture of %d x %d pixels, got %d x %d", width, height, w, h)
	}
	if depth > 8 {
		return nil, fmt.Errorf("want at most 8 bits a channel, got %d", depth)
	}
	img, err := png.Decode(bytes.NewReader(file))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return img, err
}

// each calls f with the pixels, row by row.
func each(img image.Image, f func(r, g, b uint8) error) error {
	bounds := img.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			r, g, b, a := img.At(x, y).RGBA()
			err := f(uint8(r>>8), uint8(g>>8), uint8(b>>8))
			if a != 0xffff {
				err = errors.New("want an opaque pixel, got one that is not")
			}
			if err != nil {
				return fmt.Errorf("row %d, column %d: %w", y-bounds.Min.Y, x-bounds.Min.X, err)
			}
		}
	}
	return nil
}
