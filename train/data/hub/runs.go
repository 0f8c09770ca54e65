package hub

import (
	"encoding/binary"
	"fmt"
	"io"
)

// runs yields the numbers of Parquet's hybrid of run lengths and packed bits, one by
// one: however many a run says it has, nothing is kept of it.
type runs struct {
	src   []byte // behind the run
	width int    // bits of a number, at most 32

	left   uint64 // numbers of the run that are left
	packed []byte // of a packed run
	bit    uint64 // in packed, of the next number
	value  uint32 // of a run of equal numbers
}

// next returns the next number.
func (r *runs) next() (uint32, error) {
	for r.left == 0 {
		if err := r.begin(); err != nil {
			return 0, err
		}
	}
	r.left--
	if r.packed == nil {
		return r.value, nil
	}
	var eight [8]byte
	copy(eight[:], r.packed[r.bit/8:])
	v := binary.LittleEndian.Uint64(eight[:]) >> (r.bit % 8) & (1<<r.width - 1)
	r.bit += uint64(r.width)
	return uint32(v), nil
}

// begin reads the head of a run.
func (r *runs) begin() error {
	head, n := binary.Uvarint(r.src)
	if n <= 0 || head>>1 > 1<<40 {
		return fmt.Errorf("the head of a run: %w", io.ErrUnexpectedEOF)
	}
	r.src = r.src[n:]
	r.packed, r.bit = nil, 0
	if head&1 == 0 {
		return r.equal(head >> 1)
	}
	if r.left = head >> 1 * 8; r.width == 0 {
		r.value = 0
		return nil
	}
	// The last run may be shorter than the eights that it counts.
	bytes := min(r.left/8*uint64(r.width), uint64(len(r.src)))
	r.left = min(r.left, bytes*8/uint64(r.width))
	r.packed, r.src = r.src[:bytes], r.src[bytes:]
	return nil
}

// equal reads the value of a run of equal numbers.
func (r *runs) equal(count uint64) error {
	bytes := (r.width + 7) / 8
	if bytes > len(r.src) {
		return fmt.Errorf("the value of a run: %w", io.ErrUnexpectedEOF)
	}
	var four [4]byte
	copy(four[:], r.src[:bytes])
	r.left, r.value, r.src = count, binary.LittleEndian.Uint32(four[:]), r.src[bytes:]
	return nil
}
