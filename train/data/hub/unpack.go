package hub

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// Limits on pages.
const (
	maxPage   = 256 << 20 // bytes, packed or unpacked
	freePage  = 16 << 20  // bytes that a page of any packed size may be unpacked to
	maxFactor = 1100      // by which it may grow beyond that; gzip does not exceed 1032
)

// unpacker unpacks pages.
type unpacker struct {
	codec format.CompressionCodec
	gzip  *gzip.Reader
	zstd  *zstd.Decoder
}

// check reports a codec that there is none for.
func (u *unpacker) check() error {
	switch u.codec {
	case format.Uncompressed, format.Snappy, format.Gzip, format.Zstd:
		return nil
	}
	return fmt.Errorf("want the compression UNCOMPRESSED, SNAPPY, GZIP or ZSTD, got %v", u.codec)
}

// close ends what the unpacker holds.
func (u *unpacker) close() {
	if u.zstd != nil {
		u.zstd.Close()
	}
}

// unpack returns src unpacked to exactly size bytes, in the memory of dst if that is
// enough, or src itself if it is not packed.
func (u *unpacker) unpack(dst, src []byte, size int) ([]byte, error) {
	if u.codec == format.Uncompressed || size == 0 && len(src) == 0 {
		if size != len(src) {
			return nil, fmt.Errorf("want %d bytes, as it says it has unpacked, got %d", size, len(src))
		}
		return src, nil
	}
	if size > freePage+maxFactor*len(src) {
		return nil, fmt.Errorf("want a page of at most %d bytes, %d packed, got %d", freePage+maxFactor*len(src), len(src), size)
	}
	out, err := u.into(slices.Grow(dst[:0], size)[:size], src)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", u.codec, err)
	}
	if len(out) != size {
		return nil, fmt.Errorf("%v: want %d bytes, got %d", u.codec, size, len(out))
	}
	return out, nil
}

// into unpacks src into dst, or finds that it is of another size.
func (u *unpacker) into(dst, src []byte) ([]byte, error) {
	switch u.codec {
	case format.Snappy:
		n, err := snappy.DecodedLen(src)
		if err != nil || n != len(dst) {
			return nil, fmt.Errorf("want %d bytes, got %d (%v)", len(dst), n, err)
		}
		return snappy.Decode(dst, src)
	case format.Gzip:
		return dst, u.gunzip(dst, src)
	}
	return u.unzstd(dst, src)
}

// gunzip fills dst.
func (u *unpacker) gunzip(dst, src []byte) (err error) {
	r := bytes.NewReader(src)
	if u.gzip == nil {
		u.gzip, err = gzip.NewReader(r)
	} else {
		err = u.gzip.Reset(r)
	}
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(u.gzip, dst); err != nil {
		return fmt.Errorf("want %d bytes: %w", len(dst), err)
	}
	var more [1]byte
	switch n, err := io.ReadFull(u.gzip, more[:]); {
	case n > 0:
		return fmt.Errorf("want %d bytes, got more", len(dst))
	case err != io.EOF:
		return err // of its checksum
	}
	return nil
}

// unzstd fills dst, or less of it.
func (u *unpacker) unzstd(dst, src []byte) (_ []byte, err error) {
	if u.zstd == nil {
		u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxPage), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return nil, err
		}
	}
	return u.zstd.DecodeAll(src, dst[:0:len(dst)])
}
