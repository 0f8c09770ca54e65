package bfloat16

import (
	"encoding/binary"

	"github.com/gorgonia-s4/s4/internal/num"
)

// generic returns the passes in Go.
func generic[T num.Float]() passes[T] {
	return passes[T]{
		split: func(dst []byte, rest, x []T, keep T, blocks int) {
			n := blocks * block
			splitGeneric(dst[:Size*n], rest[:n], keep, x[:n])
		},
		read: func(dst []T, src []byte, blocks int) { readGeneric(dst[:blocks*block], src) },
		add:  func(dst []T, src []byte, blocks int) { addGeneric(dst[:blocks*block], src) },
	}
}

func splitGeneric[T num.Float](dst []byte, rest []T, keep T, x []T) {
	for i, v := range x {
		v += T(keep * rest[i]) // rounded: every processor and level makes the same bits
		b := Round(float32(v))
		binary.LittleEndian.PutUint16(dst, b)
		dst = dst[Size:]
		if rest[i] = v - T(Float32(b)); !num.Finite(rest[i]) {
			rest[i] = 0
		}
	}
}

func readGeneric[T num.Float](dst []T, src []byte) {
	for i := range dst {
		dst[i] = T(Float32(binary.LittleEndian.Uint16(src)))
		src = src[Size:]
	}
}

func addGeneric[T num.Float](dst []T, src []byte) {
	for i := range dst {
		dst[i] += T(Float32(binary.LittleEndian.Uint16(src)))
		src = src[Size:]
	}
}
