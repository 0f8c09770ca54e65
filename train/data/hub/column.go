package hub

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/parquet-go/parquet-go/format"
)

// Kind is what is wanted of a column.
type Kind int

// The kinds.
const (
	Text  Kind = iota // a string of bytes, in Value.Bytes; whether it is UTF-8 is not looked at
	Bytes             // the same, also of a fixed length
	Int               // an integer of 32 or 64 bits, or a truth value as 0 or 1, in Value.Int
	Float             // a number, integers too, in Value.Float
)

// String returns "text", "bytes", "an integer" or "a number".
func (k Kind) String() string {
	switch k {
	case Text:
		return "text"
	case Bytes:
		return "bytes"
	case Int:
		return "an integer"
	case Float:
		return "a number"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// takes says whether a column of a physical type can be read as the kind.
func (k Kind) takes(t format.Type) bool {
	switch t {
	case format.ByteArray:
		return k == Text || k == Bytes
	case format.FixedLenByteArray:
		return k == Bytes
	case format.Boolean:
		return k == Int
	case format.Int32, format.Int64:
		return k == Int || k == Float
	case format.Float, format.Double:
		return k == Float
	}
	return false
}

// Column says which column is wanted.
type Column struct {
	// Names are those that it may have: it is the first that is there. What is in
	// a struct has a dotted name: "image.bytes".
	Names []string
	// Kind is what its values are read as.
	Kind Kind
}

// Value is a value of a column. It is valid until the function that got it returns.
type Value struct {
	Bytes []byte
	Int   int64
	Float float64
	// Null says that there is none: the other fields are zero.
	Null bool
}

// leaf is a column that has values.
type leaf struct {
	name     string // dotted
	kind     format.Type
	size     int // bytes of a value of a fixed length
	levels   int // largest definition level
	repeated bool
	index    int // among the leaves
}

// maxDepth is the most structs that a column may be in.
const maxDepth = 32

// leaves returns the columns of a schema that have values.
func leaves(schema []format.SchemaElement) ([]leaf, error) {
	t := tree{rest: schema}
	root, err := t.take()
	if err != nil {
		return nil, err
	}
	if err := t.children(root, leaf{}, nil); err != nil {
		return nil, err
	}
	if len(t.rest) > 0 {
		return nil, fmt.Errorf("schema: %d elements that no struct has", len(t.rest))
	}
	return t.leaves, nil
}

// tree is a schema, whose elements are in the order of a depth-first walk.
type tree struct {
	rest   []format.SchemaElement
	leaves []leaf
}

func (t *tree) take() (format.SchemaElement, error) {
	if len(t.rest) == 0 {
		return format.SchemaElement{}, fmt.Errorf("schema: an element is missing")
	}
	e := t.rest[0]
	t.rest = t.rest[1:]
	return e, nil
}

// children takes the elements of a struct; l is what they have in common.
func (t *tree) children(parent format.SchemaElement, l leaf, path []string) error {
	if len(path) > maxDepth {
		return fmt.Errorf("schema: want at most %d structs in each other, got more", maxDepth)
	}
	for range parent.NumChildren.V {
		e, err := t.take()
		if err != nil {
			return err
		}
		if err := t.element(e, l, append(path[:len(path):len(path)], e.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) element(e format.SchemaElement, l leaf, path []string) error {
	switch e.RepetitionType.V {
	case format.Optional:
		l.levels++
	case format.Repeated:
		l.levels++
		l.repeated = true
	}
	if !e.Type.Valid {
		return t.children(e, l, path)
	}
	l.name, l.kind, l.index = strings.Join(path, "."), e.Type.V, len(t.leaves)
	switch l.kind {
	case format.Int32, format.Float:
		l.size = 4
	case format.Int64, format.Double:
		l.size = 8
	case format.FixedLenByteArray:
		l.size = int(e.TypeLength.V)
		if l.size < 1 || l.size > maxPage {
			return fmt.Errorf("column %q: want values of 1 to %d bytes, got %d", l.name, maxPage, l.size)
		}
	}
	t.leaves = append(t.leaves, l)
	return nil
}

// find returns the leaf of a column.
func find(all []leaf, c Column) (leaf, error) {
	for _, name := range c.Names {
		for _, l := range all {
			switch {
			case l.name != name:
			case l.repeated:
				return leaf{}, fmt.Errorf("column %q: want one value a row, got a list", name)
			case !c.Kind.takes(l.kind):
				return leaf{}, fmt.Errorf("column %q: want %v, got %v", name, c.Kind, l.kind)
			default:
				return l, nil
			}
		}
	}
	return leaf{}, fmt.Errorf("want a column %s, got %s", either(c.Names), listed(all))
}

// either writes `"a" or "b"`.
func either(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(quoted, " or ")
}

// listed names columns, for errors.
func listed(all []leaf) string {
	const most = 20
	names := make([]string, 0, most)
	for _, l := range all[:min(len(all), most)] {
		names = append(names, fmt.Sprintf("%.40q", l.name))
	}
	if len(all) > most {
		names = append(names, fmt.Sprintf("and %d more", len(all)-most))
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// width returns the bits that numbers up to most take.
func width(most int) int { return bits.Len(uint(most)) }
