package hub

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/parquet-go/parquet-go/format"

	"github.com/gorgonia-s4/s4/internal/guard"
)

// The ends of a file: a magic word, and at the end the size of the footer before it.
const (
	magic     = "PAR1"
	tailSize  = 4 + len(magic)
	maxFooter = 16 << 20
)

// Read calls f with the values of columns in each row of a Parquet file, rows
// counted from 0, in order. If f returns fs.SkipAll, Read ends without an error. An
// error names the file, and the column and the place of a page, or the row for which
// f has returned it. What is read is bounded as the package says, whatever the file
// says.
func Read(ctx context.Context, file string, columns []Column, f func(row int64, v []Value) error) error {
	err := read(ctx, file, columns, f)
	if err == nil || errors.Is(err, fs.SkipAll) {
		return nil
	}
	return fmt.Errorf("hub: %s: %w", file, err)
}

func read(ctx context.Context, file string, columns []Column, f func(row int64, v []Value) error) (err error) {
	defer guard.Panic(&err) // of a decoder of compressed pages
	if len(columns) == 0 {
		return errors.New("want at least one column, got none")
	}
	p, err := open(file)
	if err != nil {
		return err
	}
	defer p.file.Close()
	wanted := make([]leaf, len(columns))
	for i, c := range columns {
		if wanted[i], err = find(p.leaves, c); err != nil {
			return err
		}
	}
	row := int64(0)
	for g := range p.meta.RowGroups {
		if err := p.group(ctx, g, wanted, &row, f); err != nil {
			return err
		}
	}
	return nil
}

// parquet is an open file.
type parquet struct {
	file   *os.File
	size   int64 // of what is before the footer
	meta   format.FileMetaData
	leaves []leaf
}

// open opens a file and reads its footer.
func open(name string) (*parquet, error) {
	info, err := os.Stat(name) // before it is opened: for a pipe that may take for ever
	if err != nil {
		return nil, unnamed(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, unnamed(err)
	}
	p := &parquet{file: file}
	if err := p.footer(info.Size()); err != nil {
		file.Close()
		return nil, err
	}
	return p, nil
}

// unnamed takes from an error the name of the file, which is said by Read.
func unnamed(err error) error {
	if at := new(fs.PathError); errors.As(err, &at) {
		return at.Err
	}
	return err
}

// footer reads the footer of a file of so many bytes.
func (p *parquet) footer(size int64) (err error) {
	if size < int64(len(magic)+tailSize) {
		return fmt.Errorf("want a Parquet file, got %d bytes", size)
	}
	var tail [tailSize]byte
	if err := readAt(p.file, tail[:], size-int64(tailSize)); err != nil {
		return err
	}
	if got := string(tail[4:]); got != magic {
		return fmt.Errorf("want a Parquet file, which ends in %q, got %q", magic, got)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if most := min(maxFooter, size-int64(len(magic)+tailSize)); n > most {
		return fmt.Errorf("footer: want at most %d bytes, got %d", most, n)
	}
	p.size = size - int64(tailSize) - n
	b := make([]byte, n)
	if err := readAt(p.file, b, p.size); err != nil {
		return err
	}
	if _, err := decode(b, &p.meta); err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	if p.leaves, err = leaves(p.meta.Schema); err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	return nil
}

// group reads the rows of a group; row counts those of the file.
func (p *parquet) group(ctx context.Context, g int, wanted []leaf, row *int64, f func(row int64, v []Value) error) error {
	group := &p.meta.RowGroups[g]
	if len(group.Columns) != len(p.leaves) || group.NumRows < 0 {
		return fmt.Errorf("row group %d: want %d columns and rows >= 0, got %d and %d", g, len(p.leaves), len(group.Columns), group.NumRows)
	}
	if group.NumRows == 0 {
		return nil // and there need be no pages
	}
	cursors := make([]cursor, len(wanted))
	for i, l := range wanted {
		c := &cursors[i]
		defer func() { c.unpacker.close() }()
		if err := p.cursor(c, l, &group.Columns[l.index]); err != nil {
			return fmt.Errorf("row group %d, column %q: %w", g, l.name, err)
		}
	}
	v := make([]Value, len(wanted))
	for range group.NumRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range cursors {
			if err := cursors[i].next(&v[i]); err != nil {
				return fmt.Errorf("row %d, column %q: %w", *row, wanted[i].name, err)
			}
		}
		if err := f(*row, v); err != nil {
			return fmt.Errorf("row %d: %w", *row, err)
		}
		*row++
	}
	return nil
}

// cursor sets c to the start of a column in a group.
func (p *parquet) cursor(c *cursor, l leaf, chunk *format.ColumnChunk) error {
	m := &chunk.MetaData
	begin := m.DataPageOffset
	if d := m.DictionaryPageOffset; d > 0 {
		begin = min(begin, d)
	}
	switch {
	case chunk.FilePath != "":
		return fmt.Errorf("want the data in this file, got them in %q", chunk.FilePath)
	case m.Type != l.kind:
		return fmt.Errorf("want the type %v, as in the schema, got %v", l.kind, m.Type)
	case begin < int64(len(magic)) || begin > p.size || m.TotalCompressedSize < 0 || m.TotalCompressedSize > p.size-begin:
		return fmt.Errorf("want data within bytes %d to %d, got %d bytes at %d", len(magic), p.size, m.TotalCompressedSize, begin)
	}
	*c = cursor{leaf: l, r: io.NewSectionReader(p.file, 0, p.size), at: begin, end: begin + m.TotalCompressedSize, unpacker: unpacker{codec: m.Codec}}
	return c.unpacker.check()
}
