package text

import (
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/train/data"
)

// Texts are texts in memory, one byte a byte. Once the last is added it is safe for
// concurrent use.
type Texts struct {
	bytes []uint8
	ends  []int64 // where each ends in bytes
}

// Len returns the number of texts.
func (t *Texts) Len() int { return len(t.ends) }

// Size returns the number of bytes of all of them.
func (t *Texts) Size() int { return len(t.bytes) }

// At returns text i, 0 <= i < Len, which is not to be changed.
func (t *Texts) At(i int) []byte {
	begin := int64(0)
	if i > 0 {
		begin = t.ends[i-1]
	}
	return t.bytes[begin:t.ends[i]:t.ends[i]]
}

// Add appends a text, which is copied.
func (t *Texts) Add(b []byte) {
	t.bytes = append(t.bytes, b...)
	t.ends = append(t.ends, int64(len(t.bytes)))
}

// Grow makes room for n more bytes at once.
func (t *Texts) Grow(n int) { t.bytes = slices.Grow(t.bytes, n) }

// Tensors returns the texts as a file of a cache has them.
func (t *Texts) Tensors(name string) []data.Tensor {
	return []data.Tensor{
		{Name: name + ".bytes", Shape: []int{len(t.bytes)}, Data: t.bytes},
		{Name: name + ".ends", Shape: []int{len(t.ends)}, Data: t.ends},
	}
}

// Restore returns the texts that tensors were made of.
func Restore(ts []data.Tensor, name string) (*Texts, error) {
	t := &Texts{}
	var err error
	if t.bytes, err = data.Elements[uint8](ts, name+".bytes"); err != nil {
		return nil, err
	}
	if t.ends, err = data.Elements[int64](ts, name+".ends"); err != nil {
		return nil, err
	}
	begin, size := int64(0), int64(len(t.bytes))
	for i, end := range t.ends {
		if end < begin || end > size {
			return nil, fmt.Errorf("%s %d: want its end in [%d, %d], got %d", name, i, begin, size, end)
		}
		begin = end
	}
	if begin != size {
		return nil, fmt.Errorf("%s: want %d bytes, got %d", name, begin, size)
	}
	return t, nil
}
