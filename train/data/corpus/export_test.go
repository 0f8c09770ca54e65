package corpus

import (
	"crypto/sha256"
	"io"
)

// Sealed returns a token file with the checksum that its other bytes have.
func Sealed(b []byte) []byte {
	n := max(len(b)-sha256.Size, 0)
	sum := sha256.Sum256(b[:n])
	return append(b[:n:n], sum[:]...)
}

// Parse reads a token file in memory.
func Parse(b []byte) (*Data, error) {
	s := &store{bytes: b}
	f, t, err := parse(s)
	if err != nil {
		return nil, err
	}
	m := &maker{path: "x"}
	return m.data(s, f, t), nil
}

// Feed returns the blocks of a text that is written in parts of so many bytes.
func Feed(kind string, text []byte, part int, bounds []int64) (blocks []string, splits []int, err error) {
	f := &feeder{kind: kind, bounds: bounds, emit: func(b block) error {
		blocks, splits = append(blocks, string(b.text)), append(splits, b.split)
		return nil
	}}
	err = f.feed(inParts("x", text, part))
	return blocks, splits, err
}

func inParts(name string, b []byte, part int) text {
	return text{name, whole, func(w io.Writer) error {
		for len(b) > 0 {
			n := min(part, len(b))
			if _, err := w.Write(b[:n]); err != nil {
				return err
			}
			b = b[n:]
		}
		return nil
	}}
}
