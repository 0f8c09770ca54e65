package cifar

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"

	"github.com/gorgonia-s4/s4/internal/ending"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/internal/hubimages"
	"github.com/gorgonia-s4/s4/train/data/internal/pngfile"
)

// recordSize is the number of bytes of an image in the binary version: its
// label, then its red, green and blue values, row by row.
const recordSize = 1 + 3*Length

// maxLabelsSize bounds the size in bytes of a file of labels, of which the
// package's largest has 100001.
const maxLabelsSize = 16 << 20

// part returns n of the images, from the i-th on, in the same memory.
func (m *images) part(i, n int) *images {
	size := Length * m.channels
	return &images{channels: m.channels, pixels: m.pixels[i*size : (i+n)*size], labels: m.labels[i : i+n]}
}

// readBinary fills m from a file of the binary version.
func (m *images) readBinary(r io.Reader, size int64) error {
	if want := int64(m.len()) * recordSize; size != want {
		return fmt.Errorf("want %d bytes, %d records of %d, got %d", want, m.len(), recordSize, size)
	}
	br := bufio.NewReaderSize(r, 64*recordSize)
	record := make([]byte, recordSize)
	for i := range m.len() {
		if _, err := io.ReadFull(br, record); err != nil {
			return fmt.Errorf("record %d: %w", i, ending.Unexpected(err))
		}
		if record[0] >= Classes {
			return fmt.Errorf("record %d: want a label 0 to %d, got %d", i, Classes-1, record[0])
		}
		m.labels[i] = record[0]
		red, green, blue := record[1:1+Length], record[1+Length:1+2*Length], record[1+2*Length:]
		for j := range Length {
			m.set(i, j, red[j], green[j], blue[j])
		}
	}
	return nil
}

// The start of a PNG file: its signature and the chunk IHDR, which holds the
// width, the height, the bit depth and the colour type.
const (
	pngStart      = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
	pngHeaderSize = len(pngStart) + 10
	pngDepth      = 8
	pngRGB        = 2 // colour type
)

// readPNG fills the pixels of m from a PNG file whose rows are its images.
func (m *images) readPNG(r io.Reader, size int64) error {
	br := bufio.NewReaderSize(r, 1<<20)
	header, err := br.Peek(pngHeaderSize)
	if err != nil {
		return fmt.Errorf("want a PNG file, got %d bytes: %w", size, ending.Unexpected(err))
	}
	if !bytes.HasPrefix(header, []byte(pngStart)) {
		return fmt.Errorf("want a PNG file, got one that starts with %q", header[:8])
	}
	// All this is checked before the decoder allocates for it.
	ihdr := header[len(pngStart):]
	width, height, depth, colour := binary.BigEndian.Uint32(ihdr), binary.BigEndian.Uint32(ihdr[4:]), ihdr[8], ihdr[9]
	if width != Length || height != uint32(m.len()) || depth != pngDepth || colour != pngRGB {
		return fmt.Errorf("want %d x %d pixels of depth %d and colour type %d (RGB), got %d x %d of depth %d and colour type %d",
			Length, m.len(), pngDepth, pngRGB, width, height, depth, colour)
	}
	decoded, err := png.Decode(br)
	if err != nil {
		return ending.Unexpected(err)
	}
	rgba, ok := decoded.(*image.RGBA)
	if !ok { // a transparent colour makes it another type
		return fmt.Errorf("want opaque RGB pixels, got %T", decoded)
	}
	for i := range m.len() {
		row := rgba.Pix[i*rgba.Stride:]
		for j := range Length {
			m.set(i, j, row[4*j], row[4*j+1], row[4*j+2])
		}
	}
	return nil
}

// hubImages reads Parquet files of the hub layout.
var hubImages = hubimages.Reader{
	Image: []string{"img.bytes", "image.bytes"}, Label: []string{"label"}, Classes: Classes,
	Decode: func(png []byte) ([]uint8, error) { return pngfile.RGB(png, Side, Side) },
}

// readHub fills m from the Parquet files of a split.
func (m *images) readHub(ctx context.Context, files []string, room data.Room) error {
	r := hubImages
	r.Most = m.len()
	pixels, labels, err := r.Read(ctx, files, room)
	if err != nil {
		return err
	}
	*m = *newImages(len(labels), m.channels)
	copy(m.labels, labels)
	for i := range m.len() {
		for j := range Length {
			p := pixels[3*(i*Length+j):]
			m.set(i, j, p[0], p[1], p[2])
		}
	}
	return nil
}

// readLabels fills the labels of m from a JSON array.
func (m *images) readLabels(r io.Reader, size int64) error {
	if size > maxLabelsSize {
		return fmt.Errorf("want at most %d bytes of labels, got %d", maxLabelsSize, size)
	}
	var labels []int
	dec := json.NewDecoder(data.Text(r))
	if err := dec.Decode(&labels); err != nil {
		return fmt.Errorf("want a JSON array of labels: %w", ending.Unexpected(err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something after the JSON array of labels")
	}
	if len(labels) != m.len() {
		return fmt.Errorf("want %d labels, got %d", m.len(), len(labels))
	}
	for i, v := range labels {
		if v < 0 || v >= Classes {
			return fmt.Errorf("label %d: want 0 to %d, got %d", i, Classes-1, v)
		}
		m.labels[i] = uint8(v)
	}
	return nil
}
