package train

import (
	"encoding/binary"
	"math"
)

// letter reads a message of another rank. From one that ends too soon it reads zeros.
type letter struct {
	b     []byte
	short bool
}

// take returns the next n bytes, or zeros.
func (l *letter) take(n int) []byte {
	if n < 0 || n > len(l.b) {
		l.b, l.short = nil, true
		return make([]byte, min(max(n, 0), 8))
	}
	b := l.b[:n]
	l.b = l.b[n:]
	return b
}

func (l *letter) byte() byte     { return l.take(1)[0] }
func (l *letter) bool() bool     { return l.byte() != 0 }
func (l *letter) int() int       { return int(binary.LittleEndian.Uint64(l.take(8))) }
func (l *letter) float() float64 { return math.Float64frombits(binary.LittleEndian.Uint64(l.take(8))) }
func (l *letter) string() string { return string(l.bytes()) }

// bytes returns bytes that come after their number.
func (l *letter) bytes() []byte {
	n := l.int()
	if n < 0 || n > len(l.b) {
		l.b, l.short = nil, true
		return nil
	}
	return l.take(n)
}

// floats reads numbers that come after their number, into the memory of s.
func (l *letter) floats(s []float64) []float64 {
	n := l.int()
	if n < 0 || n > len(l.b)/8 {
		l.b, l.short = nil, true
		return nil
	}
	s = resize(s, n)
	for i := range s {
		s[i] = l.float()
	}
	return s
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendInt(b []byte, v int) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) }

func appendFloat(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

func appendString(b []byte, s string) []byte { return append(appendInt(b, len(s)), s...) }

func appendBytes(b, s []byte) []byte { return append(appendInt(b, len(s)), s...) }

func appendFloats(b []byte, s []float64) []byte {
	b = appendInt(b, len(s))
	for _, v := range s {
		b = appendFloat(b, v)
	}
	return b
}
