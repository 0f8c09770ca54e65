package hub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

// maxHeader bounds the bytes of a page header, which may hold the smallest and the
// largest value of its page.
const maxHeader = 1 << 20

// plainDictionary is how older writers say that a dictionary is PLAIN, and that values
// are of a dictionary.
const plainDictionary format.Encoding = 2

// cursor goes through the values of a column in a group of rows.
type cursor struct {
	leaf     leaf
	r        io.ReaderAt
	at, end  int64 // of the next page, of the chunk
	unpacker unpacker
	dict     *dictionary

	left   int   // values of the page, nulls too
	levels *runs // definition levels; nil if nothing can be null
	values values

	head, packed, unpacked []byte // memory of the header and the page
}

// next reads the next value.
func (c *cursor) next(v *Value) error {
	*v = Value{}
	for c.left == 0 {
		if c.at >= c.end {
			return errors.New("want another value, got the end of the column")
		}
		at := c.at
		if err := c.page(); err != nil {
			return fmt.Errorf("page at %d: %w", at, unexpected(err))
		}
	}
	c.left--
	if c.levels != nil {
		level, err := c.levels.next()
		if err != nil {
			return fmt.Errorf("definition level: %w", err)
		}
		if int(level) != c.leaf.levels {
			v.Null = true
			return nil
		}
	}
	return unexpected(c.values.next(v))
}

// page reads the next page: its header, then its content.
func (c *cursor) page() error {
	var h format.PageHeader
	if err := c.header(&h); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	packed, unpacked := int64(h.CompressedPageSize), int(h.UncompressedPageSize)
	switch {
	case packed < 0 || packed > min(maxPage, c.end-c.at):
		return fmt.Errorf("want at most %d bytes, got %d", min(maxPage, c.end-c.at), packed)
	case unpacked < 0 || unpacked > maxPage:
		return fmt.Errorf("want at most %d unpacked bytes, got %d", maxPage, unpacked)
	}
	c.packed = slices.Grow(c.packed[:0], int(packed))[:packed]
	if err := readAt(c.r, c.packed, c.at); err != nil {
		return err
	}
	c.at += packed
	if sum := crc32.ChecksumIEEE(c.packed); h.CRC != 0 && uint32(h.CRC) != sum {
		return fmt.Errorf("want the checksum %08x, got %08x", uint32(h.CRC), sum)
	}
	switch {
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		return c.dictionaryPage(h.DictionaryPageHeader.V, unpacked)
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		return c.pageV1(h.DataPageHeader.V, unpacked)
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		return c.pageV2(h.DataPageHeaderV2.V, unpacked)
	case h.Type == format.IndexPage:
		return nil
	}
	return fmt.Errorf("want a data page or a dictionary with its header, got type %v", h.Type)
}

// header reads the header of the next page and goes behind it.
func (c *cursor) header(h *format.PageHeader) error {
	for size := int64(1 << 10); ; size *= 32 {
		size = min(size, c.end-c.at)
		c.head = slices.Grow(c.head[:0], int(size))[:size]
		if err := readAt(c.r, c.head, c.at); err != nil {
			return err
		}
		n, err := decode(c.head, h)
		if errors.Is(err, io.ErrUnexpectedEOF) && size < min(maxHeader, c.end-c.at) {
			continue // it is longer than what was read
		}
		c.at += int64(n)
		return err
	}
}

func (c *cursor) dictionaryPage(h format.DictionaryPageHeader, size int) error {
	switch {
	case c.dict != nil:
		return errors.New("want one dictionary, got another")
	case h.Encoding != format.Plain && h.Encoding != plainDictionary:
		return fmt.Errorf("want a dictionary encoded as PLAIN, got %v", h.Encoding)
	case h.NumValues < 0:
		return fmt.Errorf("want a number of values >= 0, got %d", h.NumValues)
	}
	src, err := c.unpacker.unpack(nil, c.packed, size)
	if err != nil {
		return err
	}
	// What is not compressed is in memory that the next page gets.
	if c.unpacker.codec == format.Uncompressed {
		c.packed = nil
	}
	c.dict, err = newDictionary(&c.leaf, src, int(h.NumValues))
	return err
}

func (c *cursor) pageV1(h format.DataPageHeader, size int) error {
	src, err := c.unpack(c.packed, size)
	if err != nil {
		return err
	}
	var levels []byte
	if c.leaf.levels > 0 {
		if h.DefinitionLevelEncoding != format.RLE {
			return fmt.Errorf("want levels encoded as RLE, got %v", h.DefinitionLevelEncoding)
		}
		if levels, src, err = counted(src); err != nil {
			return fmt.Errorf("definition levels: %w", err)
		}
	}
	return c.data(int(h.NumValues), levels, src, h.Encoding)
}

func (c *cursor) pageV2(h format.DataPageHeaderV2, size int) error {
	repetitions, definitions := int64(h.RepetitionLevelsByteLength), int64(h.DefinitionLevelsByteLength)
	if repetitions < 0 || definitions < 0 || repetitions+definitions > int64(len(c.packed)) || repetitions+definitions > int64(size) {
		return fmt.Errorf("levels of %d and %d bytes in a page of %d", repetitions, definitions, len(c.packed))
	}
	levels, src := c.packed[repetitions:repetitions+definitions], c.packed[repetitions+definitions:]
	if packed := !h.IsCompressed.Valid || h.IsCompressed.V; packed {
		var err error
		if src, err = c.unpack(src, size-int(repetitions+definitions)); err != nil {
			return err
		}
	}
	return c.data(int(h.NumValues), levels, src, h.Encoding)
}

// unpack returns src unpacked to size bytes, in memory that the next page gets.
func (c *cursor) unpack(src []byte, size int) ([]byte, error) {
	out, err := c.unpacker.unpack(c.unpacked, src, size)
	if err == nil && c.unpacker.codec != format.Uncompressed {
		c.unpacked = out
	}
	return out, err
}

// data begins a page of n values.
func (c *cursor) data(n int, levels, src []byte, e format.Encoding) error {
	if n < 0 {
		return fmt.Errorf("want a number of values >= 0, got %d", n)
	}
	c.left, c.levels = n, nil
	if c.leaf.levels > 0 {
		c.levels = &runs{src: levels, width: width(c.leaf.levels)}
	}
	var err error
	switch {
	case e == plainDictionary || e == format.RLEDictionary:
		c.values, err = newIndexed(c.dict, src)
	case e == format.Plain && c.leaf.kind == format.Boolean:
		c.values = &truths{src: src}
	case e == format.Plain:
		c.values = &plain{leaf: &c.leaf, src: src}
	case e == format.RLE && c.leaf.kind == format.Boolean:
		if src, _, err = counted(src); err == nil {
			c.values = &truthRuns{runs{src: src, width: 1}}
		}
	default:
		err = fmt.Errorf("want values encoded as PLAIN or by a dictionary, got %v", e)
	}
	return err
}

// counted cuts b behind the bytes that its first four count.
func counted(b []byte) (head, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n := binary.LittleEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return nil, nil, fmt.Errorf("%d bytes in %d: %w", n, len(b), io.ErrUnexpectedEOF)
	}
	return b[:n], b[n:], nil
}

// readAt fills b.
func readAt(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	return unexpected(err)
}

// unexpected makes the end of what is read an error that says so.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
