package param

import (
	"errors"
	"fmt"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/weights"
)

// Source is what has parameters and buffers: a layer, a model.
type Source interface {
	// Params returns the parameters, frozen ones included.
	Params() []Param
	// Buffers returns the state that is saved but not learned.
	Buffers() []Buffer
}

// varsOf lists the values of all parameters and buffers. Two of
// one name are an error.
func varsOf(of ...Source) ([]weights.Var, error) {
	var vars []weights.Var
	taken := map[string]bool{}
	for _, s := range of {
		if s == nil {
			return nil, errors.New("want a layer or model, got nil")
		}
		own, err := varsOfOne(s)
		if err != nil {
			return nil, err
		}
		for _, v := range own {
			if taken[v.Name] {
				return nil, fmt.Errorf("want parameters and buffers of different names, got %q twice: give the layers names of their own", v.Name)
			}
			taken[v.Name] = true
		}
		vars = append(vars, own...)
	}
	return vars, nil
}

// varsOfOne lists the values of the parameters and buffers of one source.
func varsOfOne(s Source) ([]weights.Var, error) {
	var vars []weights.Var
	for _, p := range s.Params() {
		v, err := p.Value()
		if err != nil {
			return nil, err
		}
		vars = append(vars, weights.Var{Name: p.Name, Value: v})
	}
	for _, b := range s.Buffers() {
		vars = append(vars, weights.Var{Name: b.Name, Value: b.Value})
	}
	return vars, nil
}

// Save writes the parameters and buffers of layers or models to a safetensors file,
// under their own names. It is written to a temporary file and renamed.
func Save(path string, of ...Source) error {
	vars, err := varsOf(of...)
	if err != nil {
		return fmt.Errorf("param: save %s: %w", path, err)
	}
	ts, err := weights.Tensors(vars)
	if err != nil {
		return fmt.Errorf("param: save %s: %w", path, err)
	}
	if err := safetensors.WriteFile(path, &safetensors.File{Tensors: ts}); err != nil {
		return fmt.Errorf("param: save: %w", err)
	}
	return nil
}

// Load reads what Save wrote, or any safetensors file with the same names, into
// layers or models: all of their parameters and buffers, and nothing is left over.
// It is [Loader.Load] of the zero Loader.
func Load(path string, into ...Source) error {
	_, err := Loader{}.Load(path, into...)
	return err
}

// Loader reads weights files that are not quite those of a model. The zero value is
// strict.
type Loader struct {
	// Rename gives tensors of the file other names: new ones by those in the file.
	Rename map[string]string
	// Prefix is put in front of the names of all others, such as "lstm." for the weights
	// of a layer of that name that were saved without it.
	Prefix string
	// Partial allows tensors to be missing or left over: the Report lists them. But
	// kernel.C of an S4 layer and the length that it is tuned to, kernel.l_kernel,
	// are read both or neither.
	Partial bool
}

// Report is what a Loader found.
type Report struct {
	// Loaded is the number of parameters and buffers that were read.
	Loaded int
	// Missing are the parameters and buffers that the file does not have, which
	// keep their values; Left the tensors of the file, by their names there, that
	// nothing was read from. Both are empty unless Loader.Partial is set.
	Missing, Left []string
}

// Load copies the tensors of a safetensors file into layers or models, and settles
// those that have a method Settle, as S4 does. Floats are
// converted to the type of the parameter, F16 and BF16 too. If a tensor is missing
// or left over (but see Loader.Partial), misshapen, named twice, or has a number that
// is no parameter of a working model (a NaN, an infinity, one that overflows the
// type, a negative variance), nothing is copied, and the error says which and what was
// wanted.
func (l Loader) Load(path string, into ...Source) (*Report, error) {
	r, err := l.load(path, into)
	if err != nil {
		return nil, fmt.Errorf("param: load %s: %w", path, err)
	}
	return r, nil
}

func (l Loader) load(path string, into []Source) (*Report, error) {
	vars, err := varsOf(into...)
	if err != nil {
		return nil, err
	}
	f, err := safetensors.ReadFile(path)
	if err != nil {
		return nil, err
	}
	original, err := l.rename(f.Tensors)
	if err != nil {
		return nil, err
	}
	m, err := weights.Compare(f.Tensors, vars)
	if err == nil {
		check := m.Err
		if l.Partial {
			check = m.Torn
		}
		err = check()
	}
	if err == nil {
		err = weights.OrAsBefore(vars, func() error { return copyAndSettle(m, into) })
	}
	if err != nil {
		return nil, err
	}
	r := &Report{Loaded: len(vars) - len(m.Missing), Missing: m.Missing}
	for _, name := range m.Left {
		r.Left = append(r.Left, original[name])
	}
	return r, nil
}

// copyAndSettle copies the tensors, and makes the layers consistent that have
// something to settle.
func copyAndSettle(m *weights.Match, into []Source) error {
	if err := m.Copy(); err != nil {
		return err
	}
	for _, s := range into {
		if s, ok := s.(interface{ Settle() error }); ok {
			if err := s.Settle(); err != nil {
				return err
			}
		}
	}
	return nil
}

// rename renames the tensors of a file and returns their old names by the new ones.
func (l Loader) rename(ts []safetensors.Tensor) (map[string]string, error) {
	original := make(map[string]string, len(ts))
	for i, t := range ts {
		name, ok := l.Rename[t.Name]
		if !ok {
			name = l.Prefix + t.Name
		}
		if other, taken := original[name]; taken {
			return nil, fmt.Errorf("want tensors of different names, got %q and %q both named %q", other, t.Name, name)
		}
		original[name], ts[i].Name = t.Name, name
	}
	for from, to := range l.Rename {
		if original[to] != from {
			return nil, fmt.Errorf("want Rename to name tensors of the file, got %q", from)
		}
	}
	return original, nil
}
