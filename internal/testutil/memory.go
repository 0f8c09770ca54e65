package testutil

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// SharedMemory lists the memory that can be written through both a and b, as
// "path in a = path in b": what pointers, slices and maps in them lead to,
// unexported fields included. It does not look into values of Gorgonia (nodes,
// graphs, tensors), which layers share on purpose, nor into functions.
func SharedMemory(a, b any) []string {
	var shared []string
	in := reachable(a)
	for _, y := range reachable(b) {
		for _, x := range in {
			if x.lo < y.hi && y.lo < x.hi {
				shared = append(shared, fmt.Sprintf("a%s = b%s", x.path, y.path))
			}
		}
	}
	return shared
}

// References returns the paths of the pointers, slices and maps of a value: the
// exported fields of structs, and what they lead to.
func References(v any) []string {
	var paths []string
	for _, r := range reachable(v) {
		paths = append(paths, r.path)
	}
	return paths
}

// region is memory [lo, hi) that a pointer, a slice or a map leads to.
type region struct {
	lo, hi uintptr
	path   string
}

func reachable(v any) []region {
	w := walk{seen: make(map[visit]bool)}
	w.value("", reflect.ValueOf(v))
	return w.found
}

// visit is a place that a walk has been to.
type visit struct {
	at uintptr
	t  reflect.Type
}

type walk struct {
	seen  map[visit]bool
	found []region
}

func (w *walk) value(path string, v reflect.Value) {
	if !v.IsValid() || isGorgonia(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			w.value(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Array:
		w.elements(path, v)
	case reflect.Interface:
		w.value(path, v.Elem())
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if !v.IsNil() && !isGorgonia(v.Type().Elem()) {
			w.reference(path, v)
		}
	}
}

// reference notes where v leads to, and goes there unless it has been there.
func (w *walk) reference(path string, v reflect.Value) {
	at, size := v.Pointer(), unsafe.Sizeof(uintptr(0))
	switch v.Kind() {
	case reflect.Pointer:
		size = v.Type().Elem().Size()
	case reflect.Slice:
		size = uintptr(v.Cap()) * v.Type().Elem().Size()
	}
	if size > 0 {
		w.found = append(w.found, region{at, at + size, path})
	}
	if w.seen[visit{at, v.Type()}] {
		return
	}
	w.seen[visit{at, v.Type()}] = true
	switch v.Kind() {
	case reflect.Pointer:
		w.value(path, v.Elem())
	case reflect.Slice:
		w.elements(path, v)
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			w.value(fmt.Sprintf("%s[%v]", path, it.Key()), it.Value())
		}
	}
}

func (w *walk) elements(path string, v reflect.Value) {
	switch v.Type().Elem().Kind() {
	case reflect.Struct, reflect.Array, reflect.Interface, reflect.Pointer, reflect.Slice, reflect.Map:
	default:
		return
	}
	for i := range v.Len() {
		w.value(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
	}
}

func isGorgonia(t reflect.Type) bool { return strings.HasPrefix(t.PkgPath(), "gorgonia.org/") }

// isInterface reports whether a type is an interface.
func isInterface(t ast.Expr) bool {
	_, ok := t.(*ast.InterfaceType)
	return ok
}

// CheckConfigs fails the test unless keepers has a maker for every exported type
// of the package in the current directory whose name ends in "Config", but for
// interfaces, by that
// name, and no maker leads to shared memory.
//
// A maker builds what keeps a configuration and returns the configuration that
// the caller gave, the keeper, and the configurations that it hands out, or
// nothing where it hands out none. Between them the makers of a type must set
// every pointer, slice and map that its exported fields lead to.
func CheckConfigs(t *testing.T, keepers map[string][]func() (given, keeper any, out []any)) {
	t.Helper()
	for _, name := range configTypes(t, ".") {
		if len(keepers[name]) == 0 {
			t.Errorf("%s: want a maker of it among those that the test lists, got none", name)
			continue
		}
		fields, set := make(map[string]bool), make(map[string]bool)
		for _, f := range keepers[name] {
			given, keeper, out := f()
			for _, p := range References(given) {
				set[p] = true
			}
			for _, p := range referenceFields("", reflect.TypeOf(given)) {
				fields[p] = true
			}
			checkApart(t, name+": given and kept", given, keeper)
			for i, o := range out {
				checkApart(t, name+": given and handed out", given, o)
				checkApart(t, name+": kept and handed out", keeper, o)
				for _, other := range out[:i] {
					checkApart(t, name+": handed out twice", other, o)
				}
			}
		}
		for p := range fields {
			if !set[p] {
				t.Errorf("%s%s is not tested", name, p)
			}
		}
	}
}

func checkApart(t *testing.T, what string, a, b any) {
	t.Helper()
	if shared := SharedMemory(a, b); len(shared) > 0 {
		t.Errorf("%s share memory: %q", what, shared)
	}
}

// referenceFields lists the paths of the fields of a type that are pointers,
// slices or maps, as References does for values.
func referenceFields(path string, t reflect.Type) []string {
	var paths []string
	switch t.Kind() {
	case reflect.Pointer:
		return append(referenceFields(path, t.Elem()), path)
	case reflect.Slice, reflect.Map:
		return []string{path}
	case reflect.Struct:
		for i := range t.NumField() {
			paths = append(paths, referenceFields(path+"."+t.Field(i).Name, t.Field(i).Type)...)
		}
	}
	return paths
}

// configTypes lists the exported configurations that a package declares.
func configTypes(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			d, ok := n.(*ast.TypeSpec)
			if ok && d.Name.IsExported() && strings.HasSuffix(d.Name.Name, "Config") && !isInterface(d.Type) {
				names = append(names, d.Name.Name)
			}
			return true
		})
	}
	return names
}
