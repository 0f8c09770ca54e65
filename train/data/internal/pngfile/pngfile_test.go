package pngfile

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"
)

func encode(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// painted returns a picture of 3 x 2 pixels.
func painted(img interface {
	image.Image
	Set(x, y int, c color.Color)
}, at func(i int) color.Color) image.Image {
	for i := range 6 {
		img.Set(i%3, i/3, at(i))
	}
	return img
}

var (
	bounds  = image.Rect(0, 0, 3, 2)
	grey    = func(i int) color.Color { return color.Gray{uint8(40 * i)} }
	colours = func(i int) color.Color { return color.RGBA{uint8(40 * i), uint8(i), 9, 255} }
	palette = color.Palette{grey(0), grey(1), grey(2), grey(3), grey(4), grey(5)}
)

func TestGray(t *testing.T) {
	want := []uint8{0, 40, 80, 120, 160, 200}
	for name, img := range map[string]image.Image{
		"grey":    painted(image.NewGray(bounds), grey),
		"colours": painted(image.NewRGBA(bounds), grey),
		"alpha":   painted(image.NewNRGBA(bounds), grey),
		"palette": painted(image.NewPaletted(bounds, palette), grey),
	} {
		if got, err := Gray(encode(t, img), 3, 2); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
}

func TestRGB(t *testing.T) {
	var want []uint8
	for i := range 6 {
		want = append(want, uint8(40*i), uint8(i), 9)
	}
	for name, img := range map[string]image.Image{
		"colours": painted(image.NewRGBA(bounds), colours),
		"alpha":   painted(image.NewNRGBA(bounds), colours),
	} {
		if got, err := RGB(encode(t, img), 3, 2); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	if got, err := RGB(encode(t, painted(image.NewGray(bounds), grey)), 3, 2); err != nil || !slices.Equal(got[:6], []uint8{0, 0, 0, 40, 40, 40}) {
		t.Errorf("grey: got %v, %v", got, err)
	}
}

// sized returns a file that declares another size, with the right checksum.
func sized(file []byte, width, height uint32) []byte {
	file = slices.Clone(file)
	header := file[len(start)-4 : headerSize+4]
	binary.BigEndian.PutUint32(header[4:], width)
	binary.BigEndian.PutUint32(header[8:], height)
	binary.BigEndian.PutUint32(file[headerSize+4:], crc32.ChecksumIEEE(header))
	return file
}

func TestErrors(t *testing.T) {
	whole := encode(t, painted(image.NewGray(bounds), grey))
	clear := func(i int) color.Color { return color.NRGBA{1, 1, 1, uint8(i)} }
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"empty", "want a PNG file, got an empty one", nil},
		{"text", `want a PNG file, got one that starts with "hello"`, []byte("hello")},
		{"no header", "with a header", whole[:20]},
		{"other size", "want a picture of 3 x 2 pixels, got 2 x 3", encode(t, image.NewGray(image.Rect(0, 0, 2, 3)))},
		{"huge", "want a picture of 3 x 2 pixels, got 4294967295 x 4294967295", sized(whole, 1<<32-1, 1<<32-1)},
		{"16 bits", "want at most 8 bits a channel, got 16", encode(t, image.NewGray16(bounds))},
		{"cut off", "unexpected EOF", whole[:len(whole)-20]},
		{"colours", "row 0, column 0: want a grey pixel, got red 0, green 0, blue 9", encode(t, painted(image.NewRGBA(bounds), colours))},
		{"transparent", "row 0, column 0: want an opaque pixel", encode(t, painted(image.NewNRGBA(bounds), clear))},
	} {
		if _, err := Gray(c.file, 3, 2); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
	if _, err := RGB(nil, 3, 2); err == nil {
		t.Error("RGB of an empty file: no error")
	}
}

func FuzzDecode(f *testing.F) {
	whole := encode(f, painted(image.NewGray(bounds), grey))
	f.Add(whole)
	f.Add(whole[:len(whole)-20])
	f.Add(sized(whole, 1<<31, 1<<31))
	f.Add(encode(f, painted(image.NewRGBA(bounds), colours)))
	f.Add(encode(f, painted(image.NewPaletted(bounds, palette), grey)))
	f.Fuzz(func(t *testing.T, file []byte) {
		if g, err := Gray(file, 3, 2); err == nil && len(g) != 6 {
			t.Errorf("%d pixels, want 6", len(g))
		}
		if c, err := RGB(file, 3, 2); err == nil && len(c) != 18 {
			t.Errorf("%d values, want 18", len(c))
		}
	})
}
