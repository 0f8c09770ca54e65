package torch

import (
	"encoding/binary"
	"math"

	"github.com/gorgonia-s4/s4/internal/safetensors"
)

// elements is a type of elements.
type elements struct {
	name    string // as in torch.float32
	size    int    // bytes
	complex bool   // two numbers, of half the size each
	// decode returns the elements of bytes, whose number is a multiple of size.
	decode func(b []byte) any
}

// decoder returns a function that decodes values of so many bytes.
func decoder[T any](size int, one func(b []byte) T) func(b []byte) any {
	return func(b []byte) any {
		s := make([]T, len(b)/size)
		for i := range s {
			s[i] = one(b[i*size:])
		}
		return s
	}
}

var (
	float32s = decoder(4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) })
	float64s = decoder(8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) })
	halves   = decoder(2, func(b []byte) float32 { return safetensors.Float16(binary.LittleEndian.Uint16(b)) })
)

// dtypes are the types that are read, by their names in PyTorch: halves as float32,
// small integers as int32, complex numbers as pairs of real ones.
var dtypes = func() map[string]*elements {
	m := map[string]*elements{}
	for _, e := range []*elements{
		{"float32", 4, false, float32s},
		{"float64", 8, false, float64s},
		{"float16", 2, false, halves},
		{"bfloat16", 2, false, decoder(2, func(b []byte) float32 { return safetensors.BFloat16(binary.LittleEndian.Uint16(b)) })},
		{"complex32", 4, true, halves},
		{"complex64", 8, true, float32s},
		{"complex128", 16, true, float64s},
		{"int64", 8, false, decoder(8, func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) })},
		{"int32", 4, false, decoder(4, func(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) })},
		{"int16", 2, false, decoder(2, func(b []byte) int32 { return int32(int16(binary.LittleEndian.Uint16(b))) })},
		{"int8", 1, false, decoder(1, func(b []byte) int32 { return int32(int8(b[0])) })},
		{"uint8", 1, false, decoder(1, func(b []byte) uint8 { return b[0] })},
		{"bool", 1, false, decoder(1, func(b []byte) bool { return b[0] != 0 })},
	} {
		m[e.name] = e
	}
	return m
}()

// untyped is the type of a storage that is bytes; its tensors have their own.
var untyped = &elements{"bytes", 1, false, decoder(1, func(b []byte) uint8 { return b[0] })}

// storageTypes are the classes of storages that are read.
var storageTypes = map[string]*elements{
	"torch.FloatStorage": dtypes["float32"], "torch.DoubleStorage": dtypes["float64"],
	"torch.HalfStorage": dtypes["float16"], "torch.BFloat16Storage": dtypes["bfloat16"],
	"torch.ComplexFloatStorage": dtypes["complex64"], "torch.ComplexDoubleStorage": dtypes["complex128"],
	"torch.LongStorage": dtypes["int64"], "torch.IntStorage": dtypes["int32"],
	"torch.ShortStorage": dtypes["int16"], "torch.CharStorage": dtypes["int8"],
	"torch.ByteStorage": dtypes["uint8"], "torch.BoolStorage": dtypes["bool"],
	"torch.storage.UntypedStorage": untyped, "torch.UntypedStorage": untyped,
}

// storageClass stands for a class of storages.
type storageClass struct{ dtype *elements }
