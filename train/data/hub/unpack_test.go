package hub

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// packed returns b packed by each codec.
func packed(t *testing.T, b []byte) map[format.CompressionCodec][]byte {
	t.Helper()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return map[format.CompressionCodec][]byte{
		format.Uncompressed: b, format.Snappy: snappy.Encode(nil, b), format.Gzip: z.Bytes(), format.Zstd: e.EncodeAll(b, nil),
	}
}

// What is unpacked is what a page says, or an error.
func TestUnpack(t *testing.T) {
	want := []byte(strings.Repeat("some text ", 500))
	for codec, src := range packed(t, want) {
		u := unpacker{codec: codec}
		defer u.close()
		if err := u.check(); err != nil {
			t.Error(err)
		}
		var dst []byte
		for range 2 { // the second time in the memory of the first
			got, err := u.unpack(dst, src, len(want))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v: got %d bytes, %v", codec, len(got), err)
			}
			dst = bytes.Clone(got)
		}
		for _, size := range []int{0, 1, len(want) - 1, len(want) + 1, 2 * len(want), freePage, maxPage} {
			if got, err := u.unpack(dst, src, size); err == nil {
				t.Errorf("%v: %d bytes that are %d: no error", codec, len(got), size)
			}
		}
		for i := range src {
			if codec == format.Uncompressed {
				break
			}
			if got, err := u.unpack(dst, src[:i], len(want)); err == nil {
				t.Errorf("%v: cut to %d bytes: got %d", codec, i, len(got))
			}
		}
		if got, err := u.unpack(dst, nil, 0); err != nil || len(got) != 0 {
			t.Errorf("%v: of nothing: got %d bytes, %v", codec, len(got), err)
		}
	}
	for _, codec := range []format.CompressionCodec{format.Brotli, format.Lz4Raw, format.LZO, -1, 99} {
		if err := (&unpacker{codec: codec}).check(); err == nil {
			t.Errorf("%v: no error", codec)
		}
	}
}

// pack returns runs of numbers: count equal ones, or eights of packed ones.
func pack(width int, equal uint32, count int, eights ...uint32) []byte {
	b := binary.AppendUvarint(nil, uint64(count)<<1)
	b = append(b, binary.LittleEndian.AppendUint32(nil, equal)[:(width+7)/8]...)
	if len(eights) == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(eights)/8)<<1|1)
	bits := make([]byte, len(eights)/8*width)
	for i, v := range eights {
		for j := range width {
			if v>>j&1 == 1 {
				bits[(i*width+j)/8] |= 1 << ((i*width + j) % 8)
			}
		}
	}
	return append(b, bits...)
}

func TestRuns(t *testing.T) {
	for width := 0; width <= 32; width++ {
		most := uint32(1)<<width - 1
		if width == 32 {
			most = 1<<32 - 1
		}
		want := []uint32{most, most, most}
		var eights []uint32
		for i := range uint32(24) {
			eights = append(eights, i*2654435761&most)
		}
		r := runs{src: pack(width, most, 3, eights...), width: width}
		for i, v := range append(want, eights...) {
			if got, err := r.next(); err != nil || got != v {
				t.Errorf("width %d, number %d: got %d, %v, want %d", width, i, got, err, v)
			}
		}
		if v, err := r.next(); err == nil {
			t.Errorf("width %d: got %d behind the end", width, v)
		}
	}
}

// A run of very many numbers takes no memory, and no run is longer than what is there.
func TestRunsHostile(t *testing.T) {
	r := runs{src: pack(4, 7, 1<<40), width: 4}
	for range 1000 {
		if v, err := r.next(); v != 7 || err != nil {
			t.Fatalf("got %d, %v", v, err)
		}
	}
	for name, src := range map[string][]byte{
		"nothing": nil, "no value": {4}, "half a head": {0x80}, "a head of 11 bytes": bytes.Repeat([]byte{0xff}, 11),
		"more than 2^40": binary.AppendUvarint(nil, 1<<50), "runs of nothing": bytes.Repeat([]byte{0, 0}, 1000),
	} {
		r := runs{src: src, width: 4}
		if v, err := r.next(); err == nil {
			t.Errorf("%s: got %d", name, v)
		}
	}
	r = runs{src: []byte{0xff, 0xff, 0xff, 0x0f, 0x21, 0x43}, width: 4} // says 2^23 eights, has four numbers
	for i := uint32(1); i <= 4; i++ {
		if v, err := r.next(); v != i || err != nil {
			t.Errorf("got %d, %v, want %d", v, err, i)
		}
	}
	if v, err := r.next(); err == nil {
		t.Errorf("got %d behind the end", v)
	}
}

func TestDictionary(t *testing.T) {
	strings := &leaf{kind: format.ByteArray}
	src := []byte("\x01\x00\x00\x00a\x00\x00\x00\x00\x02\x00\x00\x00bc")
	d, err := newDictionary(strings, src, 3)
	if err != nil || string(d.at(0)) != "a" || string(d.at(1)) != "" || string(d.at(2)) != "bc" {
		t.Errorf("got %+v, %v", d, err)
	}
	for _, n := range []int{4, 5, 1 << 30} {
		if _, err := newDictionary(strings, src, n); err == nil {
			t.Errorf("%d values in %d bytes: no error", n, len(src))
		}
	}
	if _, err := newDictionary(&leaf{kind: format.Int64, size: 8}, src, 3); err == nil {
		t.Error("3 numbers of 8 bytes in 15: no error")
	}
	if _, err := newDictionary(&leaf{kind: format.Boolean}, src, 1); err == nil {
		t.Error("a dictionary of truth values: no error")
	}
	if _, err := newIndexed(nil, src); err == nil {
		t.Error("indices without a dictionary: no error")
	}
	if _, err := newIndexed(d, []byte{33}); err == nil {
		t.Error("indices of 33 bits: no error")
	}
	x, err := newIndexed(d, append([]byte{2}, pack(2, 3, 1)...))
	if err != nil {
		t.Fatal(err)
	}
	var v Value
	if err := x.next(&v); err == nil || err.Error() != "want an index of a dictionary below 3, got 3" {
		t.Errorf("got error %v", err)
	}
	if err := (&plain{leaf: strings, src: []byte("\xff\xff\xff\xffa")}).next(&v); err == nil {
		t.Error("a string of 2^32 bytes: no error")
	}
	if err := (&truths{}).next(&v); err != io.ErrUnexpectedEOF {
		t.Errorf("got error %v", err)
	}
}
