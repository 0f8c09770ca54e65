package pathfinder

// field says which pixels of a picture are taken, bit by bit. There is a frame
// around the picture, taken too, so that what reaches over the border meets it.
type field struct {
	side, frame, words int
	bits               []uint64 // (side + 2 frame, words)
	empty              []uint64 // the same without a paddle
}

// newField returns an empty field that stamps up to the given half may be held
// against.
func newField(side, padding, half int) *field {
	n := side + 2*half
	f := &field{side: side, frame: half, words: (n+63)/64 + 1}
	f.bits, f.empty = make([]uint64, n*f.words), make([]uint64, n*f.words)
	for i := range n {
		for j := range n {
			y, x := i-half, j-half
			if min(y, x) < padding || max(y, x) >= side-padding {
				f.empty[i*f.words+j/64] |= 1 << (j % 64)
			}
		}
	}
	f.reset()
	return f
}

// reset takes all paddles away.
func (f *field) reset() { copy(f.bits, f.empty) }

// at returns where the first row of a bitmap around a pixel of the picture is, and by how much the row is shifted there.
func (f *field) at(b *bitmap, p pixel) (word int, shift uint) {
	left := p.x + b.left + f.frame
	return (p.y+b.top+f.frame)*f.words + left>>6, uint(left & 63)
}

// hits reports whether a bitmap around a pixel has a pixel that is taken, or is not
// around one of the picture.
func (f *field) hits(b *bitmap, at pixel) bool {
	if !f.inside(at) {
		return true
	}
	p, shift := f.at(b, at)
	for _, row := range b.rows {
		two := f.bits[p : p+2 : p+2]
		if two[0]&(row<<shift)|two[1]&(row>>(64-shift)) != 0 {
			return true
		}
		p += f.words
	}
	return false
}

// take takes the pixels of a bitmap around a pixel of the picture.
func (f *field) take(b *bitmap, at pixel) {
	p, shift := f.at(b, at)
	for _, row := range b.rows {
		f.bits[p] |= row << shift
		f.bits[p+1] |= row >> (64 - shift)
		p += f.words
	}
}

// inside reports whether p is a pixel of the picture.
func (f *field) inside(p pixel) bool { return min(p.y, p.x) >= 0 && max(p.y, p.x) < f.side }
