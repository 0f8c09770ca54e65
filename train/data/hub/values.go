package hub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go/format"
)

// values yields the values of a page that are not null.
type values interface {
	next(v *Value) error
}

// set puts a value of a fixed length.
func (l *leaf) set(v *Value, b []byte) {
	switch l.kind {
	case format.Int32:
		v.Int = int64(int32(binary.LittleEndian.Uint32(b)))
		v.Float = float64(v.Int)
	case format.Int64:
		v.Int = int64(binary.LittleEndian.Uint64(b))
		v.Float = float64(v.Int)
	case format.Float:
		v.Float = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case format.Double:
		v.Float = math.Float64frombits(binary.LittleEndian.Uint64(b))
	default:
		v.Bytes = b
	}
}

// plain are values one after the other.
type plain struct {
	leaf *leaf
	src  []byte // what is left
}

func (p *plain) next(v *Value) error {
	b, err := p.leaf.cut(&p.src)
	if err == nil {
		p.leaf.set(v, b)
	}
	return err
}

// cut takes the bytes of the next value.
func (l *leaf) cut(src *[]byte) ([]byte, error) {
	s, n := *src, l.size
	if l.kind == format.ByteArray {
		if len(s) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		length := binary.LittleEndian.Uint32(s)
		if s = s[4:]; uint64(length) > uint64(len(s)) {
			return nil, fmt.Errorf("a value of %d bytes in %d: %w", length, len(s), io.ErrUnexpectedEOF)
		}
		n = int(length)
	}
	if n > len(s) {
		return nil, io.ErrUnexpectedEOF
	}
	*src = s[n:]
	return s[:n:n], nil
}

// truths are truth values, each a bit.
type truths struct {
	src []byte
	bit int
}

func (t *truths) next(v *Value) error {
	if t.bit/8 >= len(t.src) {
		return io.ErrUnexpectedEOF
	}
	v.Int = int64(t.src[t.bit/8] >> (t.bit % 8) & 1)
	t.bit++
	return nil
}

// truthRuns are truth values in runs.
type truthRuns struct{ runs }

func (t *truthRuns) next(v *Value) error {
	n, err := t.runs.next()
	v.Int = int64(n)
	return err
}

// dictionary are the values that those of pages are indices of.
type dictionary struct {
	leaf *leaf
	src  []byte
	ends []uint32 // of strings in src, each behind its length; nil for a fixed length
	n    int
}

// newDictionary returns the dictionary of n values in src.
func newDictionary(l *leaf, src []byte, n int) (*dictionary, error) {
	d := &dictionary{leaf: l, src: src, n: n}
	if l.kind != format.ByteArray {
		if l.size == 0 {
			return nil, fmt.Errorf("a dictionary of type %v", l.kind)
		}
		if n > len(src)/l.size {
			return nil, fmt.Errorf("%d values of %d bytes in %d: %w", n, l.size, len(src), io.ErrUnexpectedEOF)
		}
		return d, nil
	}
	if n > len(src)/4 {
		return nil, fmt.Errorf("%d values in %d bytes: %w", n, len(src), io.ErrUnexpectedEOF)
	}
	d.ends = make([]uint32, n)
	rest := src
	for i := range d.ends {
		if _, err := l.cut(&rest); err != nil {
			return nil, fmt.Errorf("value %d: %w", i, err)
		}
		d.ends[i] = uint32(len(src) - len(rest))
	}
	return d, nil
}

// at returns the bytes of value i.
func (d *dictionary) at(i int) []byte {
	if d.ends == nil {
		return d.src[i*d.leaf.size:][:d.leaf.size:d.leaf.size]
	}
	begin := 4
	if i > 0 {
		begin += int(d.ends[i-1])
	}
	return d.src[begin:d.ends[i]:d.ends[i]]
}

// indexed are values of a dictionary.
type indexed struct {
	runs
	dict *dictionary
}

// newIndexed returns the values of a page: the bits of an index, then the indices.
func newIndexed(d *dictionary, src []byte) (*indexed, error) {
	switch {
	case d == nil:
		return nil, errors.New("values of a dictionary, and there is none before them")
	case len(src) == 0:
		return &indexed{dict: d}, nil // of a page without values
	case src[0] > 32:
		return nil, fmt.Errorf("want indices of at most 32 bits, got %d", src[0])
	}
	return &indexed{runs{src: src[1:], width: int(src[0])}, d}, nil
}

func (x *indexed) next(v *Value) error {
	i, err := x.runs.next()
	if err != nil {
		return err
	}
	if int64(i) >= int64(x.dict.n) {
		return fmt.Errorf("want an index of a dictionary below %d, got %d", x.dict.n, i)
	}
	x.dict.leaf.set(v, x.dict.at(int(i)))
	return nil
}
