// Package deepcopy copies configurations, so that one that a caller keeps and
// one that a layer, a model or a run keeps have no memory in common.
package deepcopy

import "reflect"

// Of returns a copy of v that shares no memory with it: what pointers, slices,
// maps and interfaces in exported fields lead to is copied too. nil stays nil.
// It is for trees of plain data, such as configurations: it does not end where
// a pointer leads back to itself, and functions, channels and unexported fields
// are copied as an assignment does. What a pointer leads to that has no exported
// field is shared: it has a life of its own, as the reflect.Type in a
// tensor.Dtype, whose identity is its address.
func Of[T any](v T) T {
	var c T
	copyTo(reflect.ValueOf(&c).Elem(), reflect.ValueOf(&v).Elem())
	return c
}

// copyTo sets dst to a deep copy of src, of the same type.
func copyTo(dst, src reflect.Value) {
	dst.Set(src)
	switch src.Kind() {
	case reflect.Struct:
		for i := range src.NumField() {
			if src.Type().Field(i).IsExported() {
				copyTo(dst.Field(i), src.Field(i))
			}
		}
	case reflect.Array:
		copyElements(dst, src)
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		if !src.IsNil() {
			copyReference(dst, src)
		}
	}
}

// copyReference makes dst refer to a copy of what src refers to.
func copyReference(dst, src reflect.Value) {
	switch src.Kind() {
	case reflect.Pointer:
		if opaque(src.Type().Elem()) {
			return
		}
		dst.Set(reflect.New(src.Type().Elem()))
		copyTo(dst.Elem(), src.Elem())
	case reflect.Interface:
		dst.Set(copied(src.Elem()))
	case reflect.Slice:
		dst.Set(reflect.MakeSlice(src.Type(), src.Len(), src.Len()))
		copyElements(dst, src)
	case reflect.Map:
		dst.Set(reflect.MakeMapWithSize(src.Type(), src.Len()))
		for it := src.MapRange(); it.Next(); {
			dst.SetMapIndex(copied(it.Key()), copied(it.Value()))
		}
	}
}

// copyElements copies the elements of an array or a slice.
// opaque reports whether a type is a struct with fields of which none is exported.
func opaque(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			return false
		}
	}
	return t.NumField() > 0
}

func copyElements(dst, src reflect.Value) {
	switch src.Type().Elem().Kind() {
	case reflect.Struct, reflect.Array, reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
	default:
		reflect.Copy(dst, src)
		return
	}
	for i := range src.Len() {
		copyTo(dst.Index(i), src.Index(i))
	}
}

// copied returns a deep copy of src.
func copied(src reflect.Value) reflect.Value {
	dst := reflect.New(src.Type()).Elem()
	copyTo(dst, src)
	return dst
}
