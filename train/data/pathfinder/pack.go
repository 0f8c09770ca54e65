package pathfinder

import "errors"

// Pictures are mostly black. In memory and in the cache each is a row of pieces: the
// number of black pixels, the number of pixels that follow, and these.

// maxRun is the most pixels of either part of a piece.
const maxRun = 255

// pack appends the pieces of a picture to b.
func pack(b, pixels []uint8) []uint8 {
	for i := 0; i < len(pixels); {
		black := i
		for i < len(pixels) && i-black < maxRun && pixels[i] == 0 {
			i++
		}
		// A black pixel alone costs less among the others than as a piece.
		rest := i
		for i < len(pixels) && i-rest < maxRun && (pixels[i] != 0 || i+1 < len(pixels) && pixels[i+1] != 0) {
			i++
		}
		b = append(b, uint8(rest-black), uint8(i-rest))
		b = append(b, pixels[rest:i]...)
	}
	return b
}

var errPacked = errors.New("want the pieces of one picture, got more or less")

// unpack fills a picture from all its pieces.
func unpack(pixels, b []uint8) error {
	for len(pixels) > 0 {
		if len(b) < 2 {
			return errPacked
		}
		black, rest := int(b[0]), int(b[1])
		b = b[2:]
		if black+rest == 0 || black+rest > len(pixels) || rest > len(b) {
			return errPacked
		}
		clear(pixels[:black])
		copy(pixels[black:], b[:rest])
		pixels, b = pixels[black+rest:], b[rest:]
	}
	if len(b) > 0 {
		return errPacked
	}
	return nil
}
