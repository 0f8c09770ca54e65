package hub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"

	"github.com/gorgonia-s4/s4/internal/guard"
)

// Limits on what is decoded.
const (
	maxElements = 1 << 17 // of the lists of a footer or a page header, all together
	maxNesting  = 32
)

// decode decodes a Thrift struct of the compact protocol at the start of b into v, and
// returns how many bytes it takes. It is scanned before that: the decoder allocates
// what the struct states.
func decode(b []byte, v any) (n int, err error) {
	defer guard.Panic(&err)
	s := scanner{b: b}
	if err := s.structure(0); err != nil {
		return 0, err
	}
	n = len(b) - len(s.b)
	var p thrift.CompactProtocol
	return n, thrift.NewDecoder(p.NewReaderFromBytes(b[:n:n])).Decode(v)
}

// scanner walks through Thrift in the compact protocol and keeps nothing.
type scanner struct {
	b        []byte // what is left
	elements int    // of lists so far
}

// Types of the compact protocol.
const (
	thriftStop   = 0
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftStruct = 12
)

func (s *scanner) structure(depth int) error {
	for {
		field, err := s.byte()
		if err != nil {
			return err
		}
		kind := field & 0xf
		switch {
		case field == thriftStop:
			return nil
		case field>>4 == 0: // the number of the field is written out
			if _, err := s.uvarint(); err != nil {
				return err
			}
		}
		if kind == thriftTrue || kind == thriftFalse {
			continue // the type is the value
		}
		if err := s.value(kind, depth); err != nil {
			return err
		}
	}
}

// value passes over a value of a type.
func (s *scanner) value(kind byte, depth int) error {
	if depth >= maxNesting {
		return fmt.Errorf("want at most %d structs and lists in each other, got more", maxNesting)
	}
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		return s.skip(1)
	case thriftI16, thriftI32, thriftI64:
		_, err := s.uvarint()
		return err
	case thriftDouble:
		return s.skip(8)
	case thriftBinary:
		n, err := s.uvarint()
		if err != nil {
			return err
		}
		return s.skip(n)
	case thriftList, thriftSet:
		return s.list(depth)
	case thriftStruct:
		return s.structure(depth + 1)
	}
	return fmt.Errorf("want a Thrift type 1 to 10 or 12, got %d", kind)
}

// list passes over a list, whose elements take at least a byte each.
func (s *scanner) list(depth int) error {
	head, err := s.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = s.uvarint(); err != nil {
			return err
		}
	}
	if n > uint64(len(s.b)) {
		return fmt.Errorf("a list of %d elements in %d bytes", n, len(s.b))
	}
	if s.elements += int(n); s.elements > maxElements {
		return fmt.Errorf("want at most %d elements of lists, got more", maxElements)
	}
	for range n {
		if err := s.value(head&0xf, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) byte() (byte, error) {
	if len(s.b) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c, nil
}

func (s *scanner) skip(n uint64) error {
	if n > uint64(len(s.b)) {
		return io.ErrUnexpectedEOF
	}
	s.b = s.b[n:]
	return nil
}

func (s *scanner) uvarint() (uint64, error) {
	v, n := binary.Uvarint(s.b)
	switch {
	case n == 0:
		return 0, io.ErrUnexpectedEOF
	case n < 0:
		return 0, errors.New("want a number of at most 64 bits, got more")
	}
	s.b = s.b[n:]
	return v, nil
}
