package torch

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// Entry is a key of a dict with its value.
type Entry struct{ Key, Value any }

// Dict is a dict in the order in which it was filled. A key that was set twice is in
// it twice.
type Dict []Entry

// Get returns the last value of a key, and whether there is one.
func (d Dict) Get(key string) (v any, ok bool) {
	for _, e := range d {
		if k, isString := e.Key.(string); isString && k == key {
			v, ok = e.Value, true
		}
	}
	return v, ok
}

// shown is how a value is called in a text: a container by its type, as what it holds
// may be in many places of it.
func shown(v any) string {
	switch v.(type) {
	case nil, bool, int, float64, string:
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("a %T", v)
}

// unpickle runs a pickle that scan has accepted. persistent returns the storage of
// an identifier.
func unpickle(p []byte, persistent func(id []any) (any, error)) (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, fmt.Errorf("pickle: damaged: %v", r)
		}
	}()
	u := pickle.NewUnpickler(bytes.NewReader(p))
	u.FindClass = findClass
	u.PersistentLoad = func(id any) (any, error) {
		t, ok := id.(*types.Tuple)
		if !ok {
			return nil, fmt.Errorf("want a tuple that says which storage is meant, got a %T", id)
		}
		return persistent(*t)
	}
	root, err := u.Load()
	if err != nil {
		return nil, fmt.Errorf("pickle: %w", short(err))
	}
	return (&plainer{made: map[any]any{}}).plain(root, 0)
}

// maxError is the longest text of an error of gopickle, some of which print what they
// were given.
const maxError = 200

// short cuts an error that is long.
func short(err error) error {
	if s := err.Error(); len(s) > maxError {
		return errors.New(s[:maxError] + "...")
	}
	return err
}

// maxDepth is how deep objects may lie in one another.
const maxDepth = 1000

// plainer turns what gopickle makes into Dict, []any, *Object, *Tensor, int, float64,
// string, bool, []byte, *big.Int and nil. What is in two places is one object in both;
// where an object holds itself there is nil.
type plainer struct {
	made map[any]any // by what it was made of; nil while it is being made
}

func (c *plainer) plain(v any, depth int) (any, error) {
	switch v := v.(type) {
	case nil, bool, int, float64, string, []byte, *big.Int, *Tensor:
		return v, nil
	case *inert:
		return &Object{Class: v.name}, nil
	case *types.Dict, *types.OrderedDict, *types.List, *types.Tuple, *types.Set, *types.FrozenSet, *object:
	default: // a class, a function, a storage: of no use as a value
		return &Object{Class: strings.TrimPrefix(fmt.Sprintf("%T", v), "*")}, nil
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("pickle: want objects in at most %d others, got more", maxDepth)
	}
	if made, ok := c.made[v]; ok {
		return made, nil
	}
	c.made[v] = nil
	made, err := c.container(v, depth+1)
	c.made[v] = made
	return made, err
}

// container is plain of what holds others.
func (c *plainer) container(v any, depth int) (any, error) {
	switch v := v.(type) {
	case *types.Dict:
		return c.dict(*v, depth)
	case *types.OrderedDict:
		var d types.Dict
		for e := v.List.Front(); e != nil; e = e.Next() {
			entry := e.Value.(*types.OrderedDictEntry)
			d.Set(entry.Key, entry.Value)
		}
		return c.dict(d, depth)
	case *types.List:
		return c.list(*v, depth)
	case *types.Tuple:
		return c.list(*v, depth)
	case *object:
		o := &Object{Class: v.class}
		var err1, err2, err3, err4 error
		o.Args, err1 = c.list(v.args, depth)
		o.Items, err2 = c.dict(v.items, depth)
		o.List, err3 = c.list(v.list, depth)
		o.State, err4 = c.plain(v.state, depth)
		return o, errors.Join(err1, err2, err3, err4)
	}
	return []any{}, nil // sets
}

func (c *plainer) dict(d types.Dict, depth int) (Dict, error) {
	out := make(Dict, len(d))
	for i, e := range d {
		var err1, err2 error
		out[i].Key, err1 = c.plain(e.Key, depth)
		out[i].Value, err2 = c.plain(e.Value, depth)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *plainer) list(l []any, depth int) ([]any, error) {
	out := make([]any, len(l))
	for i, v := range l {
		var err error
		if out[i], err = c.plain(v, depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}
