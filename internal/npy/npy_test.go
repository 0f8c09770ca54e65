package npy

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// npyFile returns a file of a version, with a header and elements.
func npyFile(version byte, header string, elements []byte) []byte {
	b := append([]byte("\x93NUMPY"), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return append(append(b, header...), elements...)
}

func head(descr, shape string) string {
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }   \n", descr, shape)
}

func TestRead(t *testing.T) {
	var f4, f8, i4, i8 []byte
	want := []float64{1, -2.5, 3}
	for _, v := range want {
		f4 = binary.LittleEndian.AppendUint32(f4, math.Float32bits(float32(v)))
		f8 = binary.LittleEndian.AppendUint64(f8, math.Float64bits(v))
		i4 = binary.LittleEndian.AppendUint32(i4, uint32(int32(v)))
		i8 = binary.LittleEndian.AppendUint64(i8, uint64(int64(v)))
	}
	path := filepath.Join(t.TempDir(), "x.npy")
	for _, c := range []struct {
		b     []byte
		shape []int
		want  []float64
	}{
		{npyFile(1, head("<f4", "3,"), f4), []int{3}, want},
		{npyFile(2, head("<f8", "1, 3"), f8), []int{1, 3}, want},
		{npyFile(3, head("<i4", "3, 1, 1"), i4), []int{3, 1, 1}, []float64{1, -2, 3}},
		{npyFile(1, head("<i8", "3,"), i8), []int{3}, []float64{1, -2, 3}},
		{npyFile(1, head("<f8", ""), f8[:8]), []int{}, want[:1]},
		{npyFile(1, head("<f8", "0, 5"), nil), []int{0, 5}, nil},
	} {
		if err := os.WriteFile(path, c.b, 0o644); err != nil {
			t.Fatal(err)
		}
		a, err := Read(path)
		if err != nil || !slices.Equal(a.Shape, c.shape) || !slices.Equal(a.Data, c.want) {
			t.Errorf("got %v, %v, want %v of shape %v", a, err, c.want, c.shape)
		}
	}
}

func TestDamage(t *testing.T) {
	for want, b := range map[string][]byte{
		"want a file of numpy.save":   []byte("PK\x03\x04 and more"),
		"version 1 to 3":              npyFile(9, head("<f4", "1,"), make([]byte, 4)),
		"got a file of 12: truncated": append([]byte("\x93NUMPY\x02\x00"), 255, 255, 255, 255),
		"want a header with descr":    npyFile(1, "{'shape': (1,)}", nil),
		"got >f4":                     npyFile(1, head(">f4", "1,"), make([]byte, 4)),
		"got <c8":                     npyFile(1, head("<c8", "1,"), make([]byte, 8)),
		"want dimensions below 2^31":  npyFile(1, head("<f4", "4294967296,"), nil),
		"overflow":                    npyFile(1, head("<f4", "2000000000, 2000000000, 2000000000"), nil),
		"want 4000000000000000000 elements of 4 bytes":   npyFile(1, head("<f4", "2000000000, 2000000000"), nil),
		"want 3 elements of 4 bytes for shape (3,), got": npyFile(1, head("<f4", "3,"), make([]byte, 11)),
		"fortran_order True":                             npyFile(1, strings.Replace(head("<f4", "1,"), "False", "True", 1), make([]byte, 4)),
	} {
		if _, err := decode(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "want a regular file") {
		t.Errorf("a directory: got error %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(npyFile(1, head("<f4", "3,"), make([]byte, 12)))
	f.Add(npyFile(2, head("<f8", "1, 3"), make([]byte, 24)))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decode(b)
		if err != nil {
			return
		}
		n := 1
		for _, d := range a.Shape {
			n *= d
		}
		if n != len(a.Data) || len(a.Data) > len(b) {
			t.Errorf("%d elements of shape %v from %d bytes", len(a.Data), a.Shape, len(b))
		}
	})
}
