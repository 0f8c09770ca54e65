package torch

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Limits of a pickle. A state dict has about thirty instructions for each tensor.
const (
	maxPickle  = 16 << 20 // bytes
	maxOps     = 1 << 19  // instructions
	maxObjects = 1 << 17  // instructions that make an object, which takes up to 400 bytes of memory; a tensor has six
	maxMarks   = 1 << 10  // marks that are open at the same time
	maxLine    = 1 << 12  // bytes of an argument that ends with its line
	maxInteger = 64       // bytes of a long integer
)

// argument is what follows an instruction in a pickle.
type argument int

const (
	unknown argument = iota
	none
	bytes1 // so many bytes
	bytes2
	bytes4
	bytes8
	line  // a line
	lines // two lines
	len1  // a length of 1 byte, and so many bytes
	len4  // of 4 bytes
	len8  // of 8 bytes
	int1  // as len1, of an integer
	int4  // as len4, of an integer
	frame // a length of 8 bytes, of the instructions that follow
)

// arguments are the instructions that a pickle may have. Left out are those that
// refer to what is outside the file: the registry of extensions and out-of-band
// buffers.
var arguments = makeArguments()

func makeArguments() (t [256]argument) {
	for a, ops := range map[argument]string{
		none:   "(.012NQR)]}abdelostu\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94",
		bytes1: "Khq\x80",
		bytes2: "M",
		bytes4: "Jjr",
		bytes8: "G",
		line:   "FILPSVgp",
		lines:  "ci",
		len1:   "UC\x8c",
		len4:   "TXB",
		len8:   "\x8d\x8e\x96",
		int1:   "\x8a",
		int4:   "\x8b",
		frame:  "\x95",
	} {
		for i := range len(ops) {
			t[ops[i]] = a
		}
	}
	return t
}

// makesObject are the instructions that make a container or an object.
var makesObject = func() (t [256]bool) {
	for _, op := range []byte("])}tldRoi\x81\x85\x86\x87\x8f\x91\x92") {
		t[op] = true
	}
	return t
}()

// scan returns the length of the pickle that p begins with. It is an error if p ends
// before it does, or if it has an instruction that is not known or is beyond the
// limits. at is where p begins in its file, for the errors.
func scan(p []byte, at int64) (int, error) {
	marks, objects := 0, 0
	for pos, ops := 0, 0; pos < len(p); ops++ {
		op := p[pos]
		fail := func(format string, args ...any) error {
			return fmt.Errorf("pickle: byte %d: instruction %q: %s", at+int64(pos), op, fmt.Sprintf(format, args...))
		}
		if ops == maxOps {
			return 0, fail("want a pickle of at most %d instructions, got more", maxOps)
		}
		n, err := argumentLength(arguments[op], p[pos+1:])
		if err != nil {
			return 0, fail("%v", err)
		}
		switch op {
		case '.':
			return pos + 1, nil
		case '(':
			marks++
		case 't', 'l', 'd', 'u', 'e', 'o', 'i', '1', 0x90, 0x91:
			marks--
		}
		if makesObject[op] {
			objects++
		}
		if marks > maxMarks || objects > maxObjects {
			return 0, fail("want at most %d open marks and %d objects, got more", maxMarks, maxObjects)
		}
		pos += 1 + n
	}
	return 0, fmt.Errorf("pickle: byte %d: the file ends before the pickle does: truncated", at+int64(len(p)))
}

// argumentLength returns the number of bytes of the argument that p begins with.
func argumentLength(a argument, p []byte) (int, error) {
	switch a {
	case none:
		return 0, nil
	case bytes1, bytes2, bytes4, bytes8:
		return within(p, 0, 1<<(a-bytes1))
	case line:
		return lineLength(p)
	case lines:
		n, err := lineLength(p)
		if err != nil {
			return 0, err
		}
		m, err := lineLength(p[n:])
		return n + m, err
	case len1, int1:
		return counted(a, p, 1)
	case len4, int4:
		return counted(a, p, 4)
	case len8:
		return counted(a, p, 8)
	case frame:
		if _, err := counted(len8, p, 8); err != nil {
			return 0, err
		}
		return 8, nil
	}
	return 0, fmt.Errorf("not one of a pickle")
}

// counted is argumentLength of a length of size bytes and as many bytes as it says.
func counted(a argument, p []byte, size int) (int, error) {
	if _, err := within(p, 0, uint64(size)); err != nil {
		return 0, err
	}
	var b [8]byte
	copy(b[:], p[:size])
	n := binary.LittleEndian.Uint64(b[:])
	if (a == int1 || a == int4) && (n == 0 || n > maxInteger) {
		return 0, fmt.Errorf("want an integer of 1 to %d bytes, got %d", maxInteger, n)
	}
	return within(p, size, n)
}

// within returns skip+n, which may not be beyond the end of p.
func within(p []byte, skip int, n uint64) (int, error) {
	if n > uint64(len(p)-skip) {
		return 0, fmt.Errorf("want %d bytes, got the last %d of the file: truncated", n, len(p)-skip)
	}
	return skip + int(n), nil
}

// lineLength returns the length of the line that p begins with, and of its end.
func lineLength(p []byte) (int, error) {
	i := bytes.IndexByte(p[:min(len(p), maxLine)], '\n')
	if i < 0 {
		return 0, fmt.Errorf("want a line of at most %d bytes", maxLine)
	}
	return i + 1, nil
}
