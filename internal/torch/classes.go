package torch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/types"
)

// Object is an instance of a class that is kept as it is, such as the options of a
// training script. Nothing of it was run.
type Object struct {
	Class string // module and name
	Args  []any  // what its constructor was given
	Items Dict   // what was set by key, of one that is like a dict
	List  []any  // what was appended
	State any    // its attributes, as a rule a Dict
}

// inertModules are the modules, and those in them, whose classes and functions may be
// named in a file: an Object takes the place of what they make.
var inertModules = []string{
	"argparse", "omegaconf", "typing", "pathlib", "datetime", "enum", "numbers", "decimal",
	"pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities", "torchmetrics",
}

// inertNames are others that may be named.
var inertNames = []string{
	"collections.defaultdict", "collections.Counter", "collections.deque",
	"builtins.set", "builtins.frozenset", "builtins.tuple", "builtins.object", "builtins.bytearray", "builtins.complex", "builtins.slice", "builtins.range",
	"builtins.dict", "builtins.list", "builtins.int", "builtins.float", "builtins.bool", "builtins.str", "builtins.bytes",
	"__builtin__.set", "__builtin__.dict", "__builtin__.list", "__builtin__.int", "__builtin__.float", "__builtin__.bool", "__builtin__.str", "__builtin__.unicode", "__builtin__.long",
	"_codecs.encode", "numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
	"torch.device", "torch.Tensor", "torch.nn.Parameter", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer",
	"torch.serialization._get_layout", "torch.strided", "torch.preserve_format", "torch.contiguous_format",
}

// findClass returns what stands for a class or function of a file.
func findClass(module, name string) (any, error) {
	full := module + "." + name
	if d, ok := storageTypes[full]; ok {
		return storageClass{d}, nil
	}
	if f, ok := functions[full]; ok {
		return f, nil
	}
	if dt, ok := strings.CutPrefix(full, "torch."); ok && dtypes[dt] != nil {
		return dtypes[dt], nil
	}
	if slices.Contains(inertNames, full) || slices.ContainsFunc(inertModules, func(m string) bool { return module == m || strings.HasPrefix(module, m+".") }) {
		return &inert{full}, nil
	}
	hint := ""
	switch {
	case module == "torch.storage" || strings.HasPrefix(module, "torch._"):
		hint = ": tensors of this kind are not supported, want dense ones"
	case strings.HasPrefix(module, "torch.nn.") || module == "__main__" || strings.HasPrefix(module, "src.") || strings.HasPrefix(module, "models."):
		hint = ": it holds a module, want its state dict, as torch.save(module.state_dict(), path) writes"
	}
	return nil, fmt.Errorf("the pickle names the class %s, which is not one of those that are read%s", full, hint)
}

// inert stands for a class or function that makes an Object.
type inert struct{ name string }

func (c *inert) Call(args ...any) (any, error)  { return &object{class: c.name, args: args}, nil }
func (c *inert) PyNew(args ...any) (any, error) { return c.Call(args...) }

// object is an Object as it is built.
type object struct {
	class string
	args  []any
	items types.Dict
	list  []any
	state any
}

func (o *object) Set(key, value any)              { o.items.Set(key, value) }
func (o *object) Append(v any)                    { o.list = append(o.list, v) }
func (o *object) Add(v any)                       { o.list = append(o.list, v) }
func (o *object) PySetState(state any) error      { o.state = state; return nil }
func (o *object) PyDictSet(key, value any) error  { o.items.Set(key, value); return nil }
func (o *object) Call(args ...any) (any, error)   { return &object{class: o.class, args: args}, nil }
func (o *object) PyNew(args ...any) (any, error)  { return o.Call(args...) }
func (o *object) PySetAttr(k string, v any) error { o.items.Set(k, v); return nil }

// function is a function of PyTorch that makes a tensor.
type function func(args []any) (any, error)

func (f function) Call(args ...any) (any, error) { return f(args) }

// functions are those that a file may call, by module and name.
var functions = map[string]function{
	"torch._utils._rebuild_tensor":               func(a []any) (any, error) { return rebuild(a, 4, -1) },
	"torch._utils._rebuild_tensor_v2":            func(a []any) (any, error) { return rebuild(a, 6, -1) },
	"torch._utils._rebuild_tensor_v3":            func(a []any) (any, error) { return rebuild(a, 7, 6) },
	"torch._utils._rebuild_parameter":            first,
	"torch._utils._rebuild_parameter_with_state": first,
	"torch._tensor._rebuild_from_type_v2":        rebuildFromType,
	"torch.Size":                                 first,
}

// first returns the first argument: what a parameter is made of.
func first(args []any) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("want arguments, got none")
	}
	return args[0], nil
}

// rebuildFromType calls the function that is the first argument with those that are
// the third: it makes a tensor that has attributes.
func rebuildFromType(args []any) (any, error) {
	if len(args) < 3 {
		return nil, fmt.Errorf("_rebuild_from_type_v2: want 4 arguments, got %d", len(args))
	}
	f, ok1 := args[0].(function)
	a, ok2 := args[2].(*types.Tuple)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("_rebuild_from_type_v2: want a function and a tuple, got %T and %T", args[0], args[2])
	}
	return f(*a)
}

// rebuild makes a tensor of at least n arguments: storage, offset, sizes, strides.
// That at index dtype, if not -1, is its type; one after the first n is a dict of
// what is lazily done to its elements.
func rebuild(args []any, n, dtype int) (any, error) {
	if len(args) < n {
		return nil, fmt.Errorf("tensor: want %d arguments, got %d", n, len(args))
	}
	s, ok1 := args[0].(*storage)
	offset, ok2 := args[1].(int)
	sizes, err1 := ints(args[2])
	strides, err2 := ints(args[3])
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("tensor: want a storage and an offset, got %T and %T", args[0], args[1])
	}
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	t := &Tensor{storage: s, dtype: s.dtype, offset: offset, sizes: sizes, strides: strides}
	if dtype >= 0 {
		if t.dtype, ok1 = args[dtype].(*elements); !ok1 {
			return nil, fmt.Errorf("tensor: want a type of its elements, got %T", args[dtype])
		}
	}
	if len(args) > n {
		t.conj, t.neg = flagged(args[n], "conj"), flagged(args[n], "neg")
	}
	return t, t.check()
}

// flagged says whether a dict has a key with the value true.
func flagged(dict any, key string) bool {
	d, ok := dict.(*types.Dict)
	if !ok {
		return false
	}
	for _, e := range *d {
		if k, ok := e.Key.(string); ok && k == key {
			v, _ := e.Value.(bool)
			return v
		}
	}
	return false
}

// ints returns the elements of a tuple or list of integers.
func ints(v any) ([]int, error) {
	var items []any
	switch v := v.(type) {
	case *types.Tuple:
		items = *v
	case *types.List:
		items = *v
	default:
		return nil, fmt.Errorf("tensor: want a tuple of integers, got %T", v)
	}
	if len(items) > maxDims {
		return nil, fmt.Errorf("tensor: want at most %d axes, got %d", maxDims, len(items))
	}
	is := make([]int, len(items))
	for i, v := range items {
		n, ok := v.(int)
		if !ok {
			return nil, fmt.Errorf("tensor: want integers, got a %T", v)
		}
		is[i] = n
	}
	return is, nil
}
