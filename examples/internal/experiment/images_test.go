package experiment

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
)

// picture encodes an image of 3 x 2 pixels, each of its own colour.
func picture(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 3, 2))
	for i := range 6 {
		img.Set(i%3, i/3, color.RGBA{uint8(40 * i), uint8(10 * i), uint8(200 - 20*i), 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What is read is what is shown, in any order of the pixels.
func TestImages(t *testing.T) {
	luma := func(i int) int { return (40*i*19595 + 10*i*38470 + (200-20*i)*7471 + 1<<15) >> 16 }
	for name, c := range map[string]*Images{
		"grey":   {Channels: 1, Mean: []float64{0.4}, Deviation: []float64{0.2}},
		"rgb":    {Channels: 3, Mean: []float64{0.4, 0.5, 0.6}, Deviation: []float64{0.2, 0.3, 0.4}},
		"tokens": {Channels: 1, Tokens: true},
		"order":  {Channels: 1, Tokens: true, Order: []int{5, 0, 3, 1, 2, 4}},
	} {
		c.Width, c.Height = 3, 2
		var got Example
		if err := c.Read(bytes.NewReader(picture(t)), "a.png", func(e Example) error { got = e; return nil }); err != nil {
			t.Fatal(err)
		}
		if got.Origin != "a.png" || got.Target != task.Ignore {
			t.Errorf("%s: got %+v", name, got)
		}
		p := c.Show(got)
		for i := range 6 {
			want := []int{luma(i)}
			if c.Channels == 3 {
				want = []int{40 * i, 10 * i, 200 - 20*i}
			}
			for j, v := range want {
				if int(p.Pixels[i*c.Channels+j]) != v {
					t.Errorf("%s: pixel %d: got %d, want %d", name, i, p.Pixels[i*c.Channels+j], v)
				}
			}
		}
		if name == "order" && got.Tokens[0] != luma(5) {
			t.Errorf("the first step reads %d, want %d", got.Tokens[0], luma(5))
		}
	}
}

func TestImagesErrors(t *testing.T) {
	c := &Images{Width: 3, Height: 3, Channels: 1, Tokens: true}
	for want, text := range map[string][]byte{
		"a.png: want an image of 3 x 3 pixels, got 3 x 2": picture(t),
		"a.png: want an image, PNG, JPEG or GIF":          []byte("text"),
	} {
		if err := c.Read(bytes.NewReader(text), "a.png", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	c.Height = 2
	cut := picture(t)
	if err := c.Read(bytes.NewReader(cut[:len(cut)-20]), "a.png", nil); err == nil || !strings.HasPrefix(err.Error(), "a.png: ") {
		t.Errorf("a truncated image: got error %v", err)
	}
}
