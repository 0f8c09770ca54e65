// Package golden reads the golden cases: exact float64 inputs, outputs and
// gradients of the public S4 implementations.
//
// A set is a directory with one directory per case, or a gzipped tar of one.
// A case is meta.json (kind, sizes, convention) and one NAME.npy per array:
// NPY version 1, little endian, C order, float64 or int64; complex arrays have
// a trailing axis of 2. Gradients are named g_NAME and belong to the loss
// sum(output * W).
package golden

import (
	"archive/tar"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// defaultSet is in several files, one for each family of kinds.
//
//go:embed testdata/*.tar.gz
var defaultSet embed.FS

// Array is one array of a case. Exactly one of F and I is set.
type Array struct {
	Shape []int
	F     []float64
	I     []int
}

// Case is one golden case.
type Case struct {
	Name   string
	Kind   string
	Meta   map[string]any // meta.json
	Arrays map[string]Array
}

var loadDefault = sync.OnceValues(func() ([]*Case, error) {
	return readDefault(defaultSet)
})

// readDefault reads the cases of all files of the default set.
func readDefault(fsys fs.FS) ([]*Case, error) {
	names, err := fs.Glob(fsys, "testdata/*.tar.gz")
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	b := builder{}
	for _, name := range names {
		f, err := fsys.Open(name)
		if err == nil {
			err = b.addTar(f)
			_ = f.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("golden: %s: %w", name, err)
		}
	}
	return b.cases()
}

// Default returns the cases that come with the module.
func Default() ([]*Case, error) { return loadDefault() }

// Open reads the cases of a set: a directory, or a .tar.gz file.
func Open(name string) ([]*Case, error) {
	// Tests run in the directory of their package: an error shows what a
	// relative name came to mean there.
	name, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	st, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	if st.IsDir() {
		return readDir(os.DirFS(name))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	defer f.Close()
	return readTar(f)
}

// Cases returns the default cases of one kind, and fails the test if there are
// none.
func Cases(tb testing.TB, kind string) []*Case {
	tb.Helper()
	all, err := Default()
	if err != nil {
		tb.Fatal(err)
	}
	var cs []*Case
	for _, c := range all {
		if c.Kind == kind {
			cs = append(cs, c)
		}
	}
	if len(cs) == 0 {
		tb.Fatalf("golden: no case of kind %q", kind)
	}
	return cs
}

// Has reports whether the case has an array of that name.
func (c *Case) Has(name string) bool {
	_, ok := c.Arrays[name]
	return ok
}

// Array returns an array of the case.
func (c *Case) Array(name string) (Array, error) {
	a, ok := c.Arrays[name]
	if !ok {
		return Array{}, fmt.Errorf("golden: case %s has no array %q", c.Name, name)
	}
	return a, nil
}

// F returns a float array of the case, and fails the test if there is none.
func (c *Case) F(tb testing.TB, name string) []float64 {
	tb.Helper()
	a, err := c.Array(name)
	if err != nil {
		tb.Fatal(err)
	}
	if a.F == nil {
		tb.Fatalf("golden: case %s: array %q holds integers", c.Name, name)
	}
	return a.F
}

// Integer returns an integer of meta.json. The error names the key that is
// absent, or another type.
func (c *Case) Integer(key string) (int, error) {
	v, ok := c.Meta[key].(float64)
	if !ok || v != math.Trunc(v) || math.Abs(v) > 1<<53 {
		return 0, c.wrongMeta(key, "an integer")
	}
	return int(v), nil
}

// Number is Integer for any number.
func (c *Case) Number(key string) (float64, error) {
	v, ok := c.Meta[key].(float64)
	if !ok {
		return 0, c.wrongMeta(key, "a number")
	}
	return v, nil
}

// Text is Integer for a string.
func (c *Case) Text(key string) (string, error) {
	v, ok := c.Meta[key].(string)
	if !ok {
		return "", c.wrongMeta(key, "a string")
	}
	return v, nil
}

func (c *Case) wrongMeta(key, want string) error {
	v, ok := c.Meta[key]
	if !ok {
		return fmt.Errorf("golden: case %s: meta.json: want %q %s, got none", c.Name, key, want)
	}
	got, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("golden: case %s: meta.json: key %q: %w", c.Name, key, err)
	}
	return fmt.Errorf("golden: case %s: meta.json: want %q %s, got %s", c.Name, key, want, got)
}

// Int is Integer, but def where that is an error.
func (c *Case) Int(key string, def int) int {
	if v, err := c.Integer(key); err == nil {
		return v
	}
	return def
}

// Float is Number, but def where that is an error.
func (c *Case) Float(key string, def float64) float64 {
	if v, err := c.Number(key); err == nil {
		return v
	}
	return def
}

// String returns a string of meta.json, or "".
func (c *Case) String(key string) string {
	s, _ := c.Meta[key].(string)
	return s
}

func readDir(fsys fs.FS) ([]*Case, error) {
	b := builder{}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return b.add(p, func() ([]byte, error) { return fs.ReadFile(fsys, p) })
	})
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	return b.cases()
}

func readTar(r io.Reader) ([]*Case, error) {
	b := builder{}
	if err := b.addTar(r); err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	return b.cases()
}

// builder collects files into cases.
type builder map[string]*Case

// addTar adds the files of a gzipped tar.
func (b builder) addTar(r io.Reader) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := b.add(path.Clean(h.Name), func() ([]byte, error) { return io.ReadAll(t) }); err != nil {
			return err
		}
	}
}

func (b builder) add(p string, read func() ([]byte, error)) error {
	dir, file := path.Split(p)
	dir = path.Base(path.Clean(dir))
	name, isArray := strings.CutSuffix(file, ".npy")
	if dir == "." || (!isArray && file != "meta.json") {
		return nil
	}
	d, err := read()
	if err != nil {
		return err
	}
	c := b[dir]
	if c == nil {
		c = &Case{Name: dir, Arrays: map[string]Array{}}
		b[dir] = c
	}
	if isArray {
		a, err := ParseNPY(d)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		c.Arrays[name] = a
		return nil
	}
	if err := json.Unmarshal(d, &c.Meta); err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	c.Kind = c.String("kind")
	return nil
}

func (b builder) cases() ([]*Case, error) {
	cs := make([]*Case, 0, len(b))
	for _, c := range b {
		if c.Meta == nil {
			return nil, fmt.Errorf("golden: case %s has no meta.json", c.Name)
		}
		cs = append(cs, c)
	}
	if len(cs) == 0 {
		return nil, errors.New("golden: the set has no case")
	}
	sort.Slice(cs, func(i, j int) bool { return cs[i].Name < cs[j].Name })
	return cs, nil
}

var npyHeader = regexp.MustCompile(`^\{'descr': '(<f8|<i8)', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \}\s*$`)

// ParseNPY decodes an NPY version 1 file of little-endian float64 or int64 in
// C order.
func ParseNPY(d []byte) (Array, error) {
	const magic = "\x93NUMPY\x01\x00"
	if len(d) < 10 || string(d[:8]) != magic {
		return Array{}, errors.New("want an NPY version 1 file")
	}
	n := int(binary.LittleEndian.Uint16(d[8:]))
	if len(d) < 10+n {
		return Array{}, fmt.Errorf("want a header of %d bytes, got %d", n, len(d)-10)
	}
	m := npyHeader.FindSubmatch(d[10 : 10+n])
	if m == nil {
		return Array{}, fmt.Errorf("want <f8 or <i8 in C order, got header %q", d[10:10+n])
	}
	body := d[10+n:]
	a := Array{Shape: []int{}}
	size := 1
	for _, s := range strings.Split(string(m[2]), ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		k, err := strconv.Atoi(s)
		if err != nil || k < 0 || (k > 0 && size > len(body)/k) {
			return Array{}, fmt.Errorf("shape (%s) does not fit %d bytes", m[2], len(body))
		}
		a.Shape = append(a.Shape, k)
		size *= k
	}
	if len(body) != 8*size {
		return Array{}, fmt.Errorf("shape (%s): want %d bytes, got %d", m[2], 8*size, len(body))
	}
	isInt := string(m[1]) == "<i8"
	if isInt {
		a.I = make([]int, size)
	} else {
		a.F = make([]float64, size)
	}
	for i := range size {
		u := binary.LittleEndian.Uint64(body[8*i:])
		if isInt {
			a.I[i] = int(int64(u))
		} else {
			a.F[i] = math.Float64frombits(u)
		}
	}
	return a, nil
}
