package statespaces

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/torch"
)

// maxHyper is the number of values that hyper parameters may have: what is more is
// left out.
const maxHyper = 1 << 14

// simple returns what hyper parameters hold as nested maps, slices, numbers, strings
// and bools, nil for anything else. budget is the number of values that may be
// returned.
func simple(v any, budget *int) any {
	if *budget--; *budget < 0 {
		return nil
	}
	switch v := v.(type) {
	case bool, int, float64, string:
		return v
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	case []any:
		s := make([]any, 0, len(v))
		for _, x := range v {
			s = append(s, simple(x, budget))
			if *budget < 0 {
				return s
			}
		}
		return s
	case torch.Dict:
		return simpleDict(v, budget)
	case *torch.Object:
		return simpleObject(v, budget)
	}
	return nil
}

func simpleDict(d torch.Dict, budget *int) map[string]any {
	m := make(map[string]any)
	for _, e := range d {
		if k, ok := e.Key.(string); ok {
			m[k] = simple(e.Value, budget)
		}
		if *budget < 0 {
			break
		}
	}
	return m
}

// simpleObject is simple of an object: of omegaconf its content, of others what was
// set by key and its attributes.
func simpleObject(o *torch.Object, budget *int) any {
	state, _ := o.State.(torch.Dict)
	for _, key := range []string{"_content", "_val"} {
		if v, ok := state.Get(key); ok {
			return simple(v, budget)
		}
	}
	if len(o.Items) == 0 && len(state) == 0 {
		return nil
	}
	m := simpleDict(o.Items, budget)
	maps.Copy(m, simpleDict(state, budget))
	return m
}

// The names of the options of the public code that matter here.
var hyperNames = []string{
	"prenorm", "norm", "residual", "pool",
	"disc", "dt_transform", "real_transform", "real_type", "imag_transform", "dt_fast", "bandlimit", "l_max", "version", "max_kernel_length",
	"activation", "final_act", "postact", "dropout", "tie_dropout",
}

// Option says what names and shapes of a checkpoint do not, and how it is loaded.
type Option func(*options)

type options struct {
	set     map[string]any
	partial bool
	without []string
	err     error
}

// With sets options of the training script, which come before the hyper parameters of
// the checkpoint:
//
//	prenorm         bool: blocks normalise before their layer
//	disc            "zoh" or "bilinear": discretisation of S4D
//	dt_transform    "exp" or "softplus"
//	real_transform  "exp", "softplus", "relu", "sigmoid" or "none": of Re A (real_type in version 3)
//	bandlimit       number: S4D and S4 without states of a higher frequency
//	l_max           number of steps that C of S4 is tuned to if it is not yet
//	version         of DSS: "softmax", "exp", "exp-no-scale", "clip", "clip-no-scale"
//	max_kernel_length  number of steps that a kernel of DSS reaches back
//	activation      after the state space model: "gelu", "relu", "tanh", "silu", "sigmoid", "id"
//	final_act       after output_linear where it is no GLU: "id" (postact in version 3)
//	norm            "layer", "batch" or "none"
//	residual        "R", or nil for none
//	pool            "mean", "last", "first" or "sum" (mode of a decoder: "pool" is "mean")
//	dropout         number
//	tie_dropout     bool
//
// Another name is an error.
func With(hyper map[string]any) Option {
	return func(o *options) {
		for k, v := range hyper {
			if !slices.Contains(hyperNames, k) && o.err == nil {
				o.err = fmt.Errorf("want options among %s, got %q", strings.Join(hyperNames, ", "), k)
			}
			o.set[k] = v
		}
	}
}

// PreNorm says whether blocks normalise before their layer.
func PreNorm(yes bool) Option { return With(map[string]any{"prenorm": yes}) }

// Partial lets Load leave parameters of the model as they are that the checkpoint
// does not have, and tensors of the checkpoint that the model does not have.
func Partial() Option { return func(o *options) { o.partial = true } }

// Without leaves the parameters of the model as they are whose names begin with one of
// prefixes, such as "decoder." of a model with other classes. The report has them among
// those that are missing, and the tensors of the checkpoint for them among those left.
func Without(prefixes ...string) Option {
	return func(o *options) { o.without = append(o.without, prefixes...) }
}

// leaves says whether a parameter is left out.
func (o *options) leaves(ours string) bool {
	return slices.ContainsFunc(o.without, func(p string) bool { return strings.HasPrefix(ours, p) })
}

func newOptions(opts []Option) (*options, error) {
	o := &options{set: map[string]any{}}
	for _, opt := range opts {
		opt(o)
	}
	return o, o.err
}

// hyper is how the options of a training script are looked up.
type hyper struct {
	set, file map[string]any
	assumed   []string // what was not said, and what it is taken to be
}

// get returns an option and whether there is one: what is set, or the one of the file
// that lies nearest to the layer: deepest under a key "layer", or else nearest to
// the root. A text that refers to another option is none.
func (h *hyper) get(keys ...string) (any, bool) {
	for _, k := range keys {
		if v, ok := h.set[k]; ok {
			return v, true
		}
	}
	type found struct {
		value    any
		inLayer  bool
		depth    int
		path, at string
	}
	var all []found
	var walk func(m map[string]any, path string, depth int)
	walk = func(m map[string]any, path string, depth int) {
		for k, v := range m {
			if sub, ok := v.(map[string]any); ok {
				walk(sub, path+k+".", depth+1)
				continue
			}
			if s, ok := v.(string); ok && strings.Contains(s, "${") || v == nil || !slices.Contains(keys, k) {
				continue
			}
			all = append(all, found{v, strings.Contains("."+path, ".layer."), depth, path + k, path})
		}
	}
	walk(h.file, "", 0)
	if len(all) == 0 {
		return nil, false
	}
	return slices.MinFunc(all, func(a, b found) int {
		switch {
		case a.inLayer && !b.inLayer:
			return -1
		case b.inLayer && !a.inLayer:
			return 1
		}
		return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.path, b.path))
	}).value, true
}

// under returns the value of a key that lies directly in a map of the given name in the
// file.
func (h *hyper) under(name, key string) (any, bool) {
	m, ok := h.file[name].(map[string]any)
	if !ok {
		return nil, false
	}
	v, ok := m[key]
	return v, ok && v != nil
}

// assume notes that an option was not said.
func (h *hyper) assume(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(h.assumed, s) {
		h.assumed = append(h.assumed, s)
	}
}

// text returns an option that is a text; def, which is noted, where it is not said.
func (h *hyper) text(def string, keys ...string) (string, error) {
	v, ok := h.get(keys...)
	if !ok {
		h.assume("%s: %s", keys[0], def)
		return def, nil
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("option %s: want a text, got %v", keys[0], v)
	}
	return s, nil
}

// number returns an option that is a number, and whether it is said.
func (h *hyper) number(key string) (float64, bool, error) {
	v, ok := h.get(key)
	if !ok {
		return 0, false, nil
	}
	switch v := v.(type) {
	case nil:
		return 0, false, nil
	case int:
		return float64(v), true, nil
	case float64:
		return v, true, nil
	}
	return 0, false, fmt.Errorf("option %s: want a number, got %v", key, v)
}

// flag returns an option that is a bool, and whether it is said.
func (h *hyper) flag(key string) (yes, said bool, err error) {
	v, ok := h.get(key)
	if !ok || v == nil {
		return false, false, nil
	}
	if yes, ok = v.(bool); !ok {
		return false, false, fmt.Errorf("option %s: want true or false, got %v", key, v)
	}
	return yes, true, nil
}

// Options returns those of the options of a training that With takes, at any depth of m,
// nearest to the layer where there are several.
func Options(m map[string]any) map[string]any {
	h := &hyper{file: m}
	out := map[string]any{}
	for _, k := range hyperNames {
		if k == "pool" {
			if v, ok := h.under("decoder", "mode"); ok {
				out[k] = v
			}
			continue
		}
		v, ok := h.get(k)
		if f, isNumber := v.(float64); isNumber && f == float64(int(f)) {
			v = int(f)
		}
		if ok {
			out[k] = v
		}
	}
	return out
}
