package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
)

// DataID says which data a run was trained or validated on: two data sets with
// the same examples in the same order have the same one, wherever they lie.
type DataID struct {
	Examples int `json:"examples"`
	// Shortest and Longest are the smallest and the largest number of steps.
	Shortest int `json:"shortest"`
	Longest  int `json:"longest"`
	// Contents is a hash of all examples.
	Contents string `json:"contents"`
	// Chosen is what a Described data set says of itself. It explains a
	// difference and is none itself.
	Chosen map[string]string `json:"chosen,omitempty"`
}

// same says whether two data sets are the same.
func (id DataID) same(other DataID) bool {
	return id.Examples == other.Examples && id.Contents == other.Contents
}

// identify reads a data set once. An example that cannot be read is taken as it
// is, for it is an error where a batch needs it.
func identify(ds Dataset) DataID {
	id := DataID{Examples: ds.Len(), Shortest: math.MaxInt}
	if d, ok := ds.(Described); ok {
		id.Chosen = d.Describe()
	}
	f := fingerprint{hash: sha256.New()}
	for i := range id.Examples {
		n := ds.Length(i)
		id.Shortest, id.Longest = min(id.Shortest, n), max(id.Longest, n)
		f.add(ds.Example(i))
	}
	id.Contents = hex.EncodeToString(f.hash.Sum(nil)[:16])
	return id
}

// fingerprint hashes examples one after the other.
type fingerprint struct {
	hash hash.Hash
	buf  []byte
}

// add hashes an example, or that it cannot be read. Numbers are written as
// varints, which are short for token ids, and each list after its length, so
// that no two examples are written alike.
func (f *fingerprint) add(e Example, err error) {
	b := f.buf[:0]
	if err != nil {
		b = append(b, 'E')
	} else {
		b = appendInts(append(b, 'T'), e.Tokens)
		b = binary.AppendUvarint(append(b, 'F'), uint64(len(e.Features)))
		for _, x := range e.Features {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
		b = binary.AppendVarint(append(b, 'L'), int64(e.Label))
		b = appendInts(b, e.Labels)
	}
	f.buf = b
	f.hash.Write(b) // never fails
}

func appendInts(b []byte, s []int) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	for _, v := range s {
		b = binary.AppendVarint(b, int64(v))
	}
	return b
}
