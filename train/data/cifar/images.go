package cifar

import "fmt"

// Sizes of the data set.
const (
	Side    = 32          // pixels of a row and of a column
	Length  = Side * Side // pixels of an image, steps of a sequence
	Classes = 10
)

// ClassNames are the classes, by label.
var ClassNames = [Classes]string{
	"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
}

// images are labelled images in memory, one byte a value.
type images struct {
	channels int     // 1 (luma) or 3 (red, green, blue)
	pixels   []uint8 // (n, Length, channels)
	labels   []uint8 // (n)

	path  string   // of the data set
	name  string   // "train" or "test"
	files []string // in it that have as many of the images each, without extensions; nil for Parquet files
}

func newImages(n, channels int) *images {
	return &images{channels: channels, pixels: make([]uint8, n*Length*channels), labels: make([]uint8, n)}
}

// len returns the number of images.
func (m *images) len() int { return len(m.labels) }

// at returns the values of image i, (Length, channels).
func (m *images) at(i int) []uint8 {
	size := Length * m.channels
	return m.pixels[i*size : (i+1)*size]
}

// origin says where image i is from.
func (m *images) origin(i int) string {
	if m.files == nil {
		return fmt.Sprintf("%s: row %d of %s", m.path, i, m.name)
	}
	each := m.len() / len(m.files)
	return fmt.Sprintf("%s: image %d of %s", m.path, i%each, m.files[i/each])
}

// set sets pixel j of image i.
func (m *images) set(i, j int, r, g, b uint8) {
	if m.channels == 1 {
		m.at(i)[j] = luma(r, g, b)
		return
	}
	p := m.at(i)[3*j:]
	p[0], p[1], p[2] = r, g, b
}

// luma returns the grey value .299 R + .587 G + .114 B (ITU-R 601-2) as the
// Python imaging library rounds it, on which the papers' grey images rest.
func luma(r, g, b uint8) uint8 {
	return uint8((uint32(r)*19595 + uint32(g)*38470 + uint32(b)*7471 + 0x8000) >> 16)
}
