package pathfinder

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gorgonia-s4/s4/train/data"
)

// pictures are labelled pictures in memory.
type pictures struct {
	side   int
	packed []uint8 // of all pictures, one after the other
	ends   []int   // where each ends in packed
	labels []uint8
	files  []file // of each; nil if they are generated
}

// file is a published file: sample_<sample>.png of the folder imgs/<batch>.
type file struct{ batch, sample int32 }

func (f file) String() string { return fmt.Sprintf("imgs/%d/sample_%d.png", f.batch, f.sample) }

// len returns the number of pictures.
func (p *pictures) len() int { return len(p.ends) }

// at returns picture i as it is packed.
func (p *pictures) at(i int) []uint8 {
	begin := 0
	if i > 0 {
		begin = p.ends[i-1]
	}
	return p.packed[begin:p.ends[i]]
}

// chunk is the number of pictures that are made in parallel.
const chunk = 4096

// gather makes n pictures, in parallel, and appends them in their order. one returns
// the label of one and appends it packed to b.
func (p *pictures) gather(ctx context.Context, n int, meter *data.Meter, one func(i int, b []uint8) ([]uint8, uint8, error)) error {
	packed, labels := make([][]uint8, min(n, chunk)), make([]uint8, min(n, chunk))
	for first := 0; first < n; first += chunk {
		m := min(chunk, n-first)
		err := data.Each(ctx, m, func(i int) (err error) {
			packed[i], labels[i], err = one(first+i, packed[i][:0])
			meter.Add(1)
			return err
		})
		if err != nil {
			return err
		}
		for i, b := range packed[:m] {
			p.packed = append(p.packed, b...)
			p.ends = append(p.ends, len(p.packed))
			p.labels = append(p.labels, labels[i])
		}
		if first == 0 { // the others are as large, nearly
			p.packed = slices.Grow(p.packed, len(p.packed)*(n-m)/m*21/20)
			p.ends, p.labels = slices.Grow(p.ends, n-m), slices.Grow(p.labels, n-m)
		}
	}
	return nil
}

// tensors returns the pictures as a file of the cache has them.
func (p *pictures) tensors() []data.Tensor {
	n := p.len()
	sizes := make([]int32, n)
	for i := range sizes {
		sizes[i] = int32(len(p.at(i)))
	}
	ts := []data.Tensor{
		{Name: "labels", Shape: []int{n}, Data: p.labels},
		{Name: "packed", Shape: []int{len(p.packed)}, Data: p.packed},
		{Name: "sizes", Shape: []int{n}, Data: sizes},
	}
	if p.files != nil {
		files := make([]int32, 0, 2*n)
		for _, f := range p.files {
			files = append(files, f.batch, f.sample)
		}
		ts = append(ts, data.Tensor{Name: "files", Shape: []int{n, 2}, Data: files})
	}
	return ts
}

// restore returns the pictures of a side that tensors were made of; published says
// that they are of files.
func restore(ctx context.Context, ts []data.Tensor, side int, published bool) (*pictures, error) {
	p := &pictures{side: side}
	var err error
	if p.labels, err = data.Elements[uint8](ts, "labels"); err != nil {
		return nil, err
	}
	if p.packed, err = data.Elements[uint8](ts, "packed"); err != nil {
		return nil, err
	}
	sizes, err := data.Elements[int32](ts, "sizes")
	if err != nil {
		return nil, err
	}
	if len(sizes) != len(p.labels) {
		return nil, fmt.Errorf("want as many labels as sizes, got %d and %d", len(p.labels), len(sizes))
	}
	if published {
		files, err := data.Elements[int32](ts, "files")
		if err != nil {
			return nil, err
		}
		if len(files) != 2*len(sizes) {
			return nil, fmt.Errorf("want two numbers of files for each of %d pictures, got %d", len(sizes), len(files))
		}
		for i := range sizes {
			p.files = append(p.files, file{files[2*i], files[2*i+1]})
		}
	}
	end := 0
	p.ends = make([]int, len(sizes))
	for i, n := range sizes {
		if n < 0 || int(n) > len(p.packed)-end {
			return nil, fmt.Errorf("picture %d: want a size in [0, %d], got %d", i, len(p.packed)-end, n)
		}
		end += int(n)
		p.ends[i] = end
		if p.labels[i] >= Classes {
			return nil, fmt.Errorf("picture %d: want a label < %d, got %d", i, Classes, p.labels[i])
		}
	}
	if end != len(p.packed) {
		return nil, fmt.Errorf("want %d bytes of pictures, got %d", end, len(p.packed))
	}
	return p, p.check(ctx)
}

// check unpacks all pictures.
func (p *pictures) check(ctx context.Context) error {
	const block = 1024
	return data.Each(ctx, (p.len()+block-1)/block, func(b int) error {
		pixels := make([]uint8, p.side*p.side)
		for i := b * block; i < min((b+1)*block, p.len()); i++ {
			if err := unpack(pixels, p.at(i)); err != nil {
				return fmt.Errorf("picture %d: %w", i, err)
			}
		}
		return nil
	})
}

// share returns a share of n, rounded, but at least 1.
func share(n int, of float64) int { return max(int(math.Round(float64(n)*of)), 1) }
