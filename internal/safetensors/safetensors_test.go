package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// sample has a tensor of every type, a scalar, an empty tensor, names that
// JSON must escape, and enough elements to fill several buffers.
func sample() *File {
	big := make([]float64, 2*chunk/8+3)
	for i := range big {
		big[i] = math.Sqrt(float64(i))
	}
	return &File{
		Tensors: []Tensor{
			{"blocks.0.D", []int{2, 3}, []float32{1.5, -2.25, 3e-40, float32(math.Inf(1)), float32(math.Copysign(0, -1)), 1e30}},
			{"empty", []int{2, 0, 3}, []float32{}},
			{"f64", []int{3}, []float64{math.Pi, math.Inf(-1), 5e-324}},
			{"i64", []int{3, 1, 1}, []int64{math.MinInt64, math.MaxInt64, 0}},
			{"u8", []int{5}, []uint8{0, 1, 2, 3, 255}}, // leaves what follows unaligned
			{"big", []int{len(big)}, big},
			{"naïve <&> \"name\"\u2028\\", []int{1}, []int64{7}},
			{"scalar", []int{}, []float64{0.5}},
			{"i32", []int{2}, []int32{math.MinInt32, math.MaxInt32}},
			{"", []int{3}, []bool{true, false, true}},
		},
		Metadata: map[string]string{"step": "12", "a": "b \"c\"\n<&>", "": ""},
	}
}

func encode(t testing.TB, f *File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// raw makes a file of a header as it is and n bytes of data.
func raw(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func TestRoundTrip(t *testing.T) {
	for _, f := range []*File{
		sample(),
		{Tensors: []Tensor{}},
		{Tensors: []Tensor{}, Metadata: map[string]string{}},
		{Tensors: []Tensor{{"b", []int{0}, []uint8{}}, {"a", []int{0}, []int64{}}, {"c", []int{1}, []uint8{1}}, {"d", []int{0}, []bool{}}}},
	} {
		path := filepath.Join(t.TempDir(), "f.safetensors")
		if err := WriteFile(path, f); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, f) {
			t.Errorf("got  %v\nwant %v", got, f)
		}
	}
}

func TestNaNKeepsItsBits(t *testing.T) {
	f32, f64 := uint32(0x7fc12345), uint64(0x7ff8000000054321)
	f := &File{Tensors: []Tensor{
		{"a", nil, []float32{math.Float32frombits(f32)}},
		{"b", nil, []float64{math.Float64frombits(f64)}},
	}}
	b := encode(t, f)
	got, err := Decode(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if v := math.Float32bits(got.Tensors[0].Data.([]float32)[0]); v != f32 {
		t.Errorf("got %#x, want %#x", v, f32)
	}
	if v := math.Float64bits(got.Tensors[1].Data.([]float64)[0]); v != f64 {
		t.Errorf("got %#x, want %#x", v, f64)
	}
}

func TestEncodeIsDeterministicAndAligned(t *testing.T) {
	want := encode(t, sample())
	for range 20 {
		if !bytes.Equal(encode(t, sample()), want) {
			t.Fatal("two encodings of one file differ")
		}
	}
	for n := range 20 {
		b := encode(t, &File{Tensors: []Tensor{{strings.Repeat("x", n), nil, []float32{1}}}})
		if h := binary.LittleEndian.Uint64(b); h%8 != 0 {
			t.Errorf("name of %d bytes: header of %d bytes, want a multiple of 8", n, h)
		}
	}
}

// TestEncodeBytes compares with the bytes that the tests of the reference
// implementation expect of it.
func TestEncodeBytes(t *testing.T) {
	data := []float32{0, 1, 2, 3, 4, 5}
	var le []byte
	for _, v := range data {
		le = binary.LittleEndian.AppendUint32(le, math.Float32bits(v))
	}
	for _, c := range []struct {
		file *File
		want string
	}{
		{&File{}, "\x08\x00\x00\x00\x00\x00\x00\x00{}      "},
		{&File{Metadata: map[string]string{"framework": "pt"}},
			"\x28\x00\x00\x00\x00\x00\x00\x00" + `{"__metadata__":{"framework":"pt"}}     `},
		{&File{Tensors: []Tensor{{"attn.0", []int{1, 2, 3}, data}}},
			"\x40\x00\x00\x00\x00\x00\x00\x00" + `{"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}}` + string(le)},
		{&File{Tensors: []Tensor{{"attn0", []int{1, 1, 2, 3}, data}}},
			"\x48\x00\x00\x00\x00\x00\x00\x00" + `{"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       ` + string(le)},
	} {
		if got := string(encode(t, c.file)); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

// TestReadsReferenceFile reads a file written by the reference
// implementation's Python package (version 0.8.0), which sorts tensors by
// size of type.
func TestReadsReferenceFile(t *testing.T) {
	f, err := ReadFile(filepath.Join("testdata", "reference.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Tensor{
		{"blocks.0.D", []int{2, 3}, []float32{1.5, -2.25, 3e-40, float32(math.Inf(1)), float32(math.Copysign(0, -1)), 1e30}},
		{"f64", []int{3}, []float64{math.Pi, math.Inf(-1), 5e-324}},
		{"i64", []int{3, 1, 1}, []int64{math.MinInt64, math.MaxInt64, 0}},
		{"i32", []int{2}, []int32{math.MinInt32, math.MaxInt32}},
		{"u8", []int{5}, []uint8{0, 1, 2, 3, 4}},
		{"bool", []int{3}, []bool{true, false, true}},
		{"scalar", []int{}, []float64{0.5}},
		{"empty", []int{2, 0, 3}, []float32{}},
		{"naïve <&> \"name\"\u2028", []int{1}, []int64{7}},
	} {
		got, ok := f.Lookup(want.Name)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v %v, want %v", ok, got, want)
		}
	}
	if len(f.Tensors) != 9 {
		t.Errorf("got %d tensors, want 9", len(f.Tensors))
	}
	if want := map[string]string{"format": "np", "text": "a \"quoted\" <line>\n"}; !reflect.DeepEqual(f.Metadata, want) {
		t.Errorf("metadata %q, want %q", f.Metadata, want)
	}
}

// Elements of 2 bytes, one of them in each of two buffers.
func TestReadsHalfTypes(t *testing.T) {
	const n = chunk/2 + 3
	for name, bits := range map[string]uint16{"F16": 0x3555, "BF16": 0x3eab} {
		b := raw(fmt.Sprintf(`{"a":{"dtype":%q,"shape":[%d],"data_offsets":[0,%d]}}`, name, n, 2*n), 2*n)
		for i := len(b) - 2*n; i < len(b); i += 2 {
			binary.LittleEndian.PutUint16(b[i:], bits)
		}
		f, err := Decode(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		data := f.Tensors[0].Data.([]float32)
		if len(data) != n {
			t.Fatalf("%s: %d elements, want %d", name, len(data), n)
		}
		for i, v := range data {
			if math.Abs(float64(v)-1./3) > 1e-3 {
				t.Fatalf("%s: element %d is %v, want a third", name, i, v)
			}
		}
	}
}

func TestLookup(t *testing.T) {
	f := sample()
	if got, ok := f.Lookup("i64"); !ok || got.Name != "i64" {
		t.Errorf("got %v %v", got, ok)
	}
	if got, ok := f.Lookup("I64"); ok {
		t.Errorf("found %v, want nothing", got)
	}
}

func TestDecodeErrors(t *testing.T) {
	const f32 = `"dtype":"F32","shape":[2],"data_offsets":[0,8]`
	huge := binary.LittleEndian.AppendUint64(nil, maxHeader+1)
	negative := binary.LittleEndian.AppendUint64(nil, math.MaxUint64)
	for _, c := range []struct {
		name string
		file []byte
		want string // part of the error
	}{
		{"empty file", nil, "at least 8 bytes"},
		{"7 bytes", make([]byte, 7), "got a file of 7"},
		{"header longer than 100 MB", append(huge, make([]byte, 100)...), "at most 100000000 bytes, got 100000001"},
		{"header of 2^64-1", append(negative, make([]byte, 100)...), "at most 100000000 bytes, got 18446744073709551615"},
		{"header longer than file", raw(`{}`, 0)[:9], "want a header of 2 bytes, got a file of 9"},
		{"no header", raw(``, 0), "JSON object"},
		{"header is no object", raw(`[]`, 0), "JSON object"},
		{"header starts with a space", raw(` {}`, 0), "first byte"},
		{"header cut", raw(`{"a":{`+f32, 8), "unexpected EOF"},
		{"header cut in a string", raw(`{"a`, 8), "unexpected EOF"},
		{"not JSON", raw(`{"a":{`+f32+`}]`, 8), "invalid character"},
		{"single quotes", raw(`{'a':{}}`, 0), "invalid character"},
		{"not UTF-8", raw("{\"\xff\":{"+f32+"}}", 8), "UTF-8"},
		{"after the object", raw(`{"a":{`+f32+`}} {}`, 8), "after the JSON object"},
		{"zeros after the object", raw("{\"a\":{"+f32+"}}\x00", 8), "after the JSON object"},
		{"duplicate name", raw(`{"a":{`+f32+`},"a":{`+f32+`}}`, 8), `more than one "a"`},
		{"duplicate escaped name", raw(`{"a":{`+f32+`},"\u0061":{`+f32+`}}`, 8), `more than one "a"`},
		{"duplicate field", raw(`{"a":{`+f32+`,"shape":[2]}}`, 8), `more than one "shape"`},
		{"duplicate metadata", raw(`{"__metadata__":{},"__metadata__":{}}`, 0), `more than one "__metadata__"`},
		{"duplicate metadata key", raw(`{"__metadata__":{"k":"","k":""}}`, 0), `more than one "k"`},
		{"metadata no object", raw(`{"__metadata__":"x"}`, 0), `"__metadata__": want '{', got x`},
		{"metadata of numbers", raw(`{"__metadata__":{"step":1}}`, 0), "want a string, got 1"},
		{"tensor no object", raw(`{"a":[1]}`, 0), `"a": want '{', got [`},
		{"no shape", raw(`{"a":{"dtype":"F32","data_offsets":[0,8]}}`, 8), "want dtype, shape and data_offsets"},
		{"no dtype", raw(`{"a":{"shape":[2],"data_offsets":[0,8]}}`, 8), "want dtype, shape and data_offsets"},
		{"no offsets", raw(`{"a":{"dtype":"F32","shape":[2]}}`, 8), "want dtype, shape and data_offsets"},
		{"name in capitals", raw(`{"a":{"DTYPE":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), `unknown field "DTYPE"`},
		{"dtype F8_E4M3", raw(`{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}`, 2), `"a": dtype "F8_E4M3" is not supported, want one of F32 F64 F16 BF16 I64 I32 U8 BOOL`},
		{"F16 of another size", raw(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,8]}}`, 8), "want 4 bytes for F16 [2], got [0, 8)"},
		{"dtype number", raw(`{"a":{"dtype":3,"shape":[2],"data_offsets":[0,4]}}`, 4), "dtype: want a string"},
		{"shape no array", raw(`{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}`, 8), "shape: want '[', got 2"},
		{"shape null", raw(`{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}`, 4), "shape: want '['"},
		{"negative dimension", raw(`{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, 8), "shape: want an integer"},
		{"two negative dimensions", raw(`{"a":{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}}`, 8), "shape: want an integer"},
		{"fraction", raw(`{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}`, 8), "got 2.0"},
		{"exponent", raw(`{"a":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}}`, 8), "got 2e0"},
		{"string dimension", raw(`{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}`, 8), "want an integer"},
		{"dimension of 2^63", raw(`{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}`, 8), "got 9223372036854775808"},
		{"elements overflow to 2", raw(`{"a":{"dtype":"U8","shape":[6148914691236517206,3],"data_offsets":[0,2]}}`, 2), "overflows"},
		{"bytes overflow to 0", raw(`{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}`, 0), "overflows"},
		{"overflow before a 0", raw(`{"a":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}`, 0), "overflows"},
		{"huge tensor", raw(`{"a":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}`, 8), "want 1099511627776 bytes of tensors, got 8: truncated"},
		{"one offset", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}`, 8), "data_offsets: want 2 numbers, got 1"},
		{"three offsets", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}`, 8), "data_offsets: want 2 numbers, got 3"},
		{"offsets swapped", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, 8), `tensor "a"`},
		{"negative offset", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}`, 8), "data_offsets: want an integer"},
		{"end before begin", raw(`{"b":{`+f32+`},"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}`, 8), "want 4 bytes for F32 [1], got [8, 4)"},
		{"shape larger than range", raw(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8), "want 12 bytes for F32 [3], got [0, 8)"},
		{"dtype larger than range", raw(`{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}}`, 8), "want 16 bytes for F64 [2], got [0, 8)"},
		{"overlap", raw(`{"a":{`+f32+`},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12), `tensor "b": bytes [4, 12) overlap`},
		{"same range twice", raw(`{"a":{`+f32+`},"b":{`+f32+`}}`, 8), "overlap"},
		{"hole at the start", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12), "leave a hole, want a start at 0"},
		{"hole in the middle", raw(`{"a":{`+f32+`},"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}}`, 20), "leave a hole, want a start at 8"},
		{"hole at the end", raw(`{"a":{`+f32+`}}`, 9), "belong to no tensor"},
		{"data of nothing", raw(`{}`, 1), "belong to no tensor"},
		{"truncated data", raw(`{"a":{`+f32+`}}`, 7), "want 8 bytes of tensors, got 7: truncated"},
		{"bool of 2", append(raw(`{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}`, 1), 2), `tensor "a": want a BOOL of 0 or 1, got 2`},
		{"deep nesting", raw(`{"a":`+strings.Repeat(`[`, 100000), 0), `want '{'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path, c.file, 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := ReadFile(path)
			if err == nil {
				t.Fatalf("no error, got %v", f)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q, want %q in it and the file's name", err, c.want)
			}
		})
	}
}

// TestEveryTruncation cuts a file at every length.
func TestEveryTruncation(t *testing.T) {
	b := encode(t, &File{
		Tensors:  []Tensor{{"a", []int{3}, []float32{1, 2, 3}}, {"b", []int{2}, []int64{1, 2}}},
		Metadata: map[string]string{"k": "v"},
	})
	for n := range b {
		if _, err := Decode(bytes.NewReader(b[:n]), int64(n)); err == nil {
			t.Errorf("no error for the first %d of %d bytes", n, len(b))
		}
		// A file that shrinks while it is read.
		if _, err := Decode(bytes.NewReader(b[:n]), int64(len(b))); err == nil {
			t.Errorf("no error for %d bytes said to be %d", n, len(b))
		}
	}
}

// TestHostileHeaderAllocatesLittle reads a short file whose header claims
// much.
func TestHostileHeaderAllocatesLittle(t *testing.T) {
	const limit = 4 << 20
	for _, file := range [][]byte{
		append(binary.LittleEndian.AppendUint64(nil, maxHeader), `{"a":`...),
		raw(`{"a":{"dtype":"F64","shape":[1000000000],"data_offsets":[0,8000000000]}}`, 8),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(bytes.NewReader(file), int64(len(file)))
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Error("no error")
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > limit {
			t.Errorf("allocated %d bytes for a file of %d, want at most %d", got, len(file), limit)
		}
	}
}

func TestReadFileErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadFile(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: error %v", err)
	}
	if _, err := ReadFile(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: error %v", err)
	}
}

func TestEncodeErrors(t *testing.T) {
	one := []float32{1}
	for _, c := range []struct {
		name string
		file *File
		want string
	}{
		{"type", &File{Tensors: []Tensor{{"a", nil, []string{"x"}}}}, `tensor "a": want data of type []float32, []float64, []int64, []int32, []uint8 or []bool, got []string`},
		{"no data", &File{Tensors: []Tensor{{"a", nil, nil}}}, "got <nil>"},
		{"too few elements", &File{Tensors: []Tensor{{"a", []int{2, 2}, one}}}, "want 4 elements for shape [2 2], got 1"},
		{"elements in a scalar", &File{Tensors: []Tensor{{"a", nil, []float32{1, 2}}}}, "want 1 elements for shape [], got 2"},
		{"negative", &File{Tensors: []Tensor{{"a", []int{-1, -1}, one}}}, "want dimensions >= 0"},
		{"overflow", &File{Tensors: []Tensor{{"a", []int{math.MaxInt, 4}, one}}}, "overflows"},
		{"duplicate", &File{Tensors: []Tensor{{"a", nil, one}, {"a", nil, one}}}, `tensor "a": more than one`},
		{"reserved", &File{Tensors: []Tensor{{"__metadata__", nil, one}}}, "reserved"},
		{"name not UTF-8", &File{Tensors: []Tensor{{"\xff", nil, one}}}, "UTF-8"},
		{"metadata not UTF-8", &File{Metadata: map[string]string{"k": "\xff"}}, "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			err := Encode(&b, c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if b.Len() != 0 {
				t.Errorf("%d bytes written before the error", b.Len())
			}
		})
	}
}

func TestFailedWriteFileKeepsOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.safetensors")
	old := sample()
	if err := WriteFile(path, old); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, &File{Tensors: []Tensor{{"a", []int{2}, []float32{1}}}}); err == nil {
		t.Fatal("no error")
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, old) {
		t.Error("the old file changed")
	}
}

// limitedWriter fails after n bytes, as a full disk does.
type limitedWriter struct{ n int }

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > w.n {
		return w.n, io.ErrShortWrite
	}
	w.n -= len(p)
	return len(p), nil
}

func TestEncodeReportsWriteErrors(t *testing.T) {
	size := len(encode(t, sample()))
	for _, n := range []int{0, 9, size / 2, size - 1} {
		if err := Encode(&limitedWriter{n}, sample()); err == nil {
			t.Errorf("no error from a writer that fails after %d of %d bytes", n, size)
		}
	}
}

// FuzzDecode checks that no input makes Decode panic, and that what it
// accepts survives being written and read again.
func FuzzDecode(f *testing.F) {
	f.Add(encode(f, sample()))
	f.Add(encode(f, &File{}))
	f.Add(raw(`{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I32","shape":[],"data_offsets":[2,6]}}  `, 6))
	f.Add(raw(`{"__metadata__":{"k":"v"},"a":{"dtype":"F64","shape":[0,9],"data_offsets":[0,0]}}`, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Decode(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		once := encode(t, file)
		again, err := Decode(bytes.NewReader(once), int64(len(once)))
		if err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		if twice := encode(t, again); !bytes.Equal(once, twice) {
			t.Errorf("not the same after writing and reading:\n%q\n%q", once, twice)
		}
	})
}

func ExampleEncode() {
	var b bytes.Buffer
	err := Encode(&b, &File{Tensors: []Tensor{{Name: "D", Shape: []int{2}, Data: []float32{1, 2}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d bytes of header, then %q...\n", b.Bytes()[0], b.Bytes()[8:14])
	// Output: 56 bytes of header, then "{\"D\":{"...
}

// Tensor by tensor a file is what it is as a whole; errors of the caller come back as
// they are, and those of the file name it.
func TestReadEach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	want := sample()
	if err := WriteFile(path, want); err != nil {
		t.Fatal(err)
	}
	all, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begun := false
	var got []Tensor
	err = ReadEach(path, func(f *File) error {
		begun = true
		for i, o := range f.Tensors {
			if o.Name != all.Tensors[i].Name || reflect.TypeOf(o.Data) != reflect.TypeOf(all.Tensors[i].Data) || reflect.ValueOf(o.Data).Len() != 0 || !slices.Equal(o.Shape, all.Tensors[i].Shape) {
				t.Errorf("got %+v of %+v", o, all.Tensors[i])
			}
		}
		if !reflect.DeepEqual(f.Metadata, all.Metadata) {
			t.Errorf("got %v", f.Metadata)
		}
		return nil
	}, func(t Tensor) error { got = append(got, t); return nil })
	if err != nil || !begun || !reflect.DeepEqual(got, all.Tensors) {
		t.Errorf("got %+v, error %v, want %+v", got, err, all.Tensors)
	}
	own := errors.New("enough")
	for range 2 {
		if err := ReadEach(path, func(*File) error { return own }, nil); err != own {
			t.Errorf("got error %v", err)
		}
		if err := ReadEach(path, func(*File) error { return nil }, func(Tensor) error { return own }); err != own {
			t.Errorf("got error %v", err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ReadEach(path, func(*File) error { return nil }, func(Tensor) error { return nil }); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got error %v", err)
	}
}
