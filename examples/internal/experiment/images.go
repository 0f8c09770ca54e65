package experiment

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif" // formats of a user's own images
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math"

	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
)

// Images is a Codec of images that are read pixel by pixel.
type Images struct {
	Width    int `json:"width"`
	Height   int `json:"height"`
	Channels int `json:"channels"` // 1: grey, the luma of a colour; 3: RGB
	// Tokens says that a step is a token id in [0, 256), the grey value; otherwise it
	// is Channels features, (v/255 - Mean)/Deviation.
	Tokens    bool      `json:"tokens,omitempty"`
	Mean      []float64 `json:"mean,omitempty"`
	Deviation []float64 `json:"deviation,omitempty"`
	// Order says which pixel, y Width + x, each step reads; nil means row by row.
	Order []int    `json:"order,omitempty"`
	Names []string `json:"names"` // of the classes
}

// maxImage bounds the bytes of an image's file.
const maxImage = 64 << 20

// Read implements Codec: r is one image, PNG, JPEG or GIF, of the right size.
func (c *Images) Read(r io.Reader, name string, f func(Example) error) error {
	text, err := io.ReadAll(io.LimitReader(r, maxImage+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxImage {
		return fmt.Errorf("%s: want at most %d bytes, got more", name, maxImage)
	}
	head, _, err := image.DecodeConfig(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: want an image, PNG, JPEG or GIF: %w", name, err)
	}
	if head.Width != c.Width || head.Height != c.Height {
		return fmt.Errorf("%s: want an image of %d x %d pixels, got %d x %d", name, c.Width, c.Height, head.Width, head.Height)
	}
	img, _, err := image.Decode(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	e := Example{Origin: name, Target: task.Ignore}
	for step := range c.Width * c.Height {
		c.read(&e, img, step)
	}
	return f(e)
}

// read appends a step to an example.
func (c *Images) read(e *Example, img image.Image, step int) {
	at, b := c.pixel(step), img.Bounds()
	r, g, bl, _ := img.At(b.Min.X+at%c.Width, b.Min.Y+at/c.Width).RGBA()
	v := []int{int(r >> 8), int(g >> 8), int(bl >> 8)}
	if c.Channels == 1 {
		v = []int{(v[0]*19595 + v[1]*38470 + v[2]*7471 + 1<<15) >> 16}
	}
	if c.Tokens {
		e.Tokens = append(e.Tokens, v[0])
		return
	}
	for i, v := range v {
		e.Features = append(e.Features, float32((float64(v)/255-c.Mean[i])/c.Deviation[i]))
	}
}

// pixel returns which pixel a step reads.
func (c *Images) pixel(step int) int {
	if c.Order != nil {
		return c.Order[step]
	}
	return step
}

// Classes implements Codec.
func (c *Images) Classes() []string { return c.Names }

// Show implements Codec.
func (c *Images) Show(e Example) report.Picture {
	p := report.Picture{Kind: report.Image, Width: c.Width, Height: c.Height, Channels: c.Channels, Order: c.Order}
	p.Pixels = make([]byte, c.Width*c.Height*c.Channels)
	for step := range c.Width * c.Height {
		at := c.pixel(step) * c.Channels
		for i := range c.Channels {
			p.Pixels[at+i] = c.value(e, step*c.Channels+i, i)
		}
	}
	return p
}

// value returns the byte of a number of an example, 0 behind its end.
func (c *Images) value(e Example, at, channel int) byte {
	switch {
	case c.Tokens && at < len(e.Tokens):
		return byte(e.Tokens[at])
	case !c.Tokens && at < len(e.Features):
		v := (float64(e.Features[at])*c.Deviation[channel] + c.Mean[channel]) * 255
		return byte(math.Round(min(max(v, 0), 255)))
	}
	return 0
}
