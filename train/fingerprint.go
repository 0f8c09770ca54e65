package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/task"
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
	// Chosen is what a task.Described data set says of itself. It explains a
	// difference and is none itself.
	Chosen map[string]string `json:"chosen,omitempty"`
}

// same says whether two data sets are the same.
func (id DataID) same(other DataID) bool {
	return id.Examples == other.Examples && id.Contents == other.Contents
}

// identify reads a data set once, one that is another in each epoch as it is in the
// first. An example that cannot be read is taken as it
// is, for it is an error where a batch needs it.
func identify(ds task.Dataset) DataID {
	id := DataID{Examples: ds.Len(), Shortest: math.MaxInt}
	if d, ok := ds.(task.Described); ok {
		id.Chosen = d.Describe()
	}
	if first, err := epochOf(ds, 0); err == nil {
		ds = first
	}
	f := fingerprint{hash: sha256.New(), batch: task.NewBatch(ds)}
	f.declare(ds.Fields())
	for i := range id.Examples {
		n := ds.Length(i)
		id.Shortest, id.Longest = min(id.Shortest, n), max(id.Longest, n)
		f.add(i, n)
	}
	id.Contents = hex.EncodeToString(f.hash.Sum(nil)[:16])
	return id
}

// fingerprint hashes examples one after the other.
type fingerprint struct {
	hash   hash.Hash
	fields []task.Field
	batch  *task.Batch // of one example
	buf    []byte
}

// declare hashes what an example consists of.
func (f *fingerprint) declare(fields []task.Field) {
	f.fields = fields
	for _, d := range fields {
		fmt.Fprintf(f.hash, "%q %v %v %v %v %q\n", d.Name, d.Dtype, d.PerStep, d.Shape, d.Pad, d.Lengths)
	}
}

// add hashes example i, of n steps, or that it cannot be read. Numbers are
// written as varints, which are short for token ids, and each field after its
// length, so that no two examples are written alike.
func (f *fingerprint) add(i, n int) {
	b := f.buf[:0]
	if n < 1 || f.batch.Load([]int{i}, 1, n) != nil {
		b = append(b, 'E')
	} else {
		b = append(b, 'F')
		for _, d := range f.fields {
			b = f.append(b, d.Name)
			if d.Lengths != "" {
				b = f.append(b, d.Lengths)
			}
		}
	}
	f.buf = b
	f.hash.Write(b) // never fails
}

// append writes a field of the batch.
func (f *fingerprint) append(b []byte, name string) []byte {
	a, err := f.batch.Array(name)
	if err != nil {
		return append(b, 'E')
	}
	b = binary.AppendUvarint(b, uint64(a.Len()))
	switch a.Dtype() {
	case tensor.Int:
		for _, v := range a.Ints {
			if z := uint64(v)<<1 ^ uint64(v>>63); z < 1<<7 { // as AppendVarint
				b = append(b, byte(z))
			} else {
				b = binary.AppendUvarint(b, z)
			}
		}
	case tensor.Float32:
		for _, x := range a.Float32s {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	default:
		for _, x := range a.Float64s {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
	}
	return b
}
