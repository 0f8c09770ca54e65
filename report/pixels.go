package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/png"
	"math"
)

// levels is the number of colours of signed values, odd: one of them is for 0.
const levels = 63

// signed are the colours of values in [-1, 1]: 0 is transparent, what is negative is
// blue and what is positive red, so that they can lie on light, on dark and on a
// picture.
var signed = signedColours()

func signedColours() color.Palette {
	p := make(color.Palette, levels)
	for i := range p {
		v := 2*float64(i)/(levels-1) - 1
		c := color.NRGBA{R: 0x2b, G: 0x7b, B: 0xd6}
		if v > 0 {
			c = color.NRGBA{R: 0xe0, G: 0x4f, B: 0x2f}
		}
		c.A = uint8(math.Round(255 * math.Abs(v)))
		p[i] = c
	}
	return p
}

// level returns the colour of a value over a limit; one that is not finite has that
// of 0.
func level(v, limit float64) uint8 {
	if !finite(v) || !(limit > 0) {
		return levels / 2
	}
	f := min(max(v/limit, -1), 1)
	return uint8(math.Round((f + 1) / 2 * (levels - 1)))
}

// signedImage returns rows of signed values as an image, the first at the top.
func signedImage(rows [][]float64, limit float64) (template.URL, error) {
	if len(rows) == 0 || len(rows[0]) == 0 {
		return "", fmt.Errorf("want values, got none")
	}
	img := image.NewPaletted(image.Rect(0, 0, len(rows[0]), len(rows)), signed)
	for y, row := range rows {
		for x, v := range row {
			img.Pix[y*img.Stride+x] = level(v, limit)
		}
	}
	return encode(img)
}

// encode returns an image as a URI that holds it.
func encode(img image.Image) (template.URL, error) {
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, img); err != nil {
		return "", err
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
}

// shrink returns how many pixels of an image become one, along each side, for it to
// have at most side of them.
func shrink(width, height, side int) int {
	return max((width+side-1)/side, (height+side-1)/side, 1)
}

// picturePixels returns an image, of which every f by f pixels are one, their mean.
func (p *Picture) picturePixels(f int) image.Image {
	w, h := (p.Width+f-1)/f, (p.Height+f-1)/f
	grey, rgb := image.NewGray(image.Rect(0, 0, w, h)), image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			var sum [3]int
			n := 0
			for v := y * f; v < min((y+1)*f, p.Height); v++ {
				for u := x * f; u < min((x+1)*f, p.Width); u++ {
					at := (v*p.Width + u) * p.Channels
					for c := range p.Channels {
						sum[c] += int(p.Pixels[at+c])
					}
					n++
				}
			}
			if p.Channels == 1 {
				grey.SetGray(x, y, color.Gray{Y: uint8(sum[0] / n)})
			} else {
				rgb.SetNRGBA(x, y, color.NRGBA{R: uint8(sum[0] / n), G: uint8(sum[1] / n), B: uint8(sum[2] / n), A: 255})
			}
		}
	}
	if p.Channels == 1 {
		return grey
	}
	return rgb
}

// place returns the values of the steps of an image where they are, as rows, of which
// every f by f pixels are one: their sum.
func (p *Picture) place(values Numbers, f int) [][]float64 {
	rows := make([][]float64, (p.Height+f-1)/f)
	for y := range rows {
		rows[y] = make([]float64, (p.Width+f-1)/f)
	}
	for i, v := range values {
		at := i
		if p.Order != nil {
			at = p.Order[i]
		}
		if finite(float64(v)) {
			rows[at/p.Width/f][at%p.Width/f] += float64(v)
		}
	}
	return rows
}
