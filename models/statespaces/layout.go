package statespaces

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/internal/safetensors"
)

// Layout says how a module of the public code names what a model here has, and what
// it has besides.
type Layout struct {
	Names []Name
	// Extra are tensors that have nothing to do with what the module computes, such
	// as the number of batches that a batch normalisation has seen. They are part of
	// its state dict.
	Extra []Tensor
}

// Name is a parameter or buffer of a model here with the tensors of the module that
// hold it.
type Name struct {
	Ours  string `json:"ours"`
	Shape []int  `json:"shape"` // of ours
	// Theirs is one tensor, which differs from ours in axes of length 1, or those
	// of the real and the imaginary parts, without our last axis.
	Theirs  []Part `json:"theirs"`
	Negated bool   `json:"negated,omitempty"` // they store the negative
}

// Part is a tensor of a module.
type Part struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
}

// layoutJSON is a Layout in JSON: the extra tensors are a safetensors file.
type layoutJSON struct {
	Names []Name `json:"names"`
	Extra []byte `json:"extra,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (l Layout) MarshalJSON() ([]byte, error) {
	v := layoutJSON{Names: l.Names}
	if len(l.Extra) > 0 {
		var b bytes.Buffer
		if err := safetensors.Encode(&b, file(l.Extra, nil)); err != nil {
			return nil, err
		}
		v.Extra = b.Bytes()
	}
	return json.Marshal(v)
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *Layout) UnmarshalJSON(text []byte) error {
	var v layoutJSON
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	*l = Layout{Names: v.Names}
	if len(v.Extra) == 0 {
		return nil
	}
	c, err := fromSafetensors(bytes.NewReader(v.Extra), int64(len(v.Extra)))
	if err != nil {
		return err
	}
	l.Extra = c.Tensors
	return nil
}

// file returns tensors as a file.
func file(ts []Tensor, metadata map[string]string) *safetensors.File {
	f := &safetensors.File{Metadata: metadata}
	for _, t := range ts {
		f.Tensors = append(f.Tensors, safetensors.Tensor{Name: t.Name, Shape: t.Shape, Data: t.Data})
	}
	return f
}

// ours returns the tensor of ours that a name stands for, of the tensors of a
// checkpoint by name.
func (n Name) ours(theirs map[string]Tensor) (safetensors.Tensor, error) {
	t := safetensors.Tensor{Name: n.Ours, Shape: n.Shape}
	var err error
	if len(n.Theirs) == 1 {
		t.Data, err = scaled(theirs[n.Theirs[0].Name].Data, n.Negated)
		return t, err
	}
	re, im := theirs[n.Theirs[0].Name].Data, theirs[n.Theirs[1].Name].Data
	switch re := re.(type) {
	case []float32:
		t.Data, err = joined(re, im)
	case []float64:
		t.Data, err = joined(re, im)
	default:
		err = fmt.Errorf("want floats, got a %T", re)
	}
	if err != nil {
		err = fmt.Errorf("%s and %s: %w", n.Theirs[0].Name, n.Theirs[1].Name, err)
	}
	return t, err
}

// theirs returns the tensors of the module that hold ours.
func (n Name) theirs(ours safetensors.Tensor) ([]Tensor, error) {
	if !slices.Equal(ours.Shape, n.Shape) {
		return nil, fmt.Errorf("%s: want shape %v, got %v", n.Ours, n.Shape, ours.Shape)
	}
	data, err := scaled(ours.Data, n.Negated)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Ours, err)
	}
	if len(n.Theirs) == 1 {
		return []Tensor{{n.Theirs[0].Name, torchNames[fmt.Sprintf("%T", data)], n.Theirs[0].Shape, data}}, nil
	}
	re, im := split(data)
	return []Tensor{
		{n.Theirs[0].Name, torchNames[fmt.Sprintf("%T", re)], n.Theirs[0].Shape, re},
		{n.Theirs[1].Name, torchNames[fmt.Sprintf("%T", im)], n.Theirs[1].Shape, im},
	}, nil
}

// scaled returns floats or integers as they are, or copies that are negated.
func scaled(data any, negated bool) (any, error) {
	switch d := data.(type) {
	case []float32:
		return negative(d, negated), nil
	case []float64:
		return negative(d, negated), nil
	case []int64:
		return d, nil
	}
	return nil, fmt.Errorf("want floats, got a %T", data)
}

func negative[T float32 | float64](d []T, yes bool) []T {
	if !yes {
		return d
	}
	out := make([]T, len(d))
	for i := range out {
		out[i] = -d[i]
	}
	return out
}

// joined returns pairs of the numbers of re and im.
func joined[T float32 | float64](re []T, imaginary any) ([]T, error) {
	im, ok := imaginary.([]T)
	if !ok || len(im) != len(re) {
		return nil, errors.New("want as many numbers, of one type")
	}
	out := make([]T, 0, 2*len(re))
	for i := range re {
		out = append(out, re[i], im[i])
	}
	return out, nil
}

// split undoes joined.
func split(data any) (re, im any) {
	if d, ok := data.([]float32); ok {
		return halves(d)
	}
	d, _ := data.([]float64)
	return halves(d)
}

func halves[T any](d []T) (re, im []T) {
	for i := 0; i+1 < len(d); i += 2 {
		re, im = append(re, d[i]), append(im, d[i+1])
	}
	return re, im
}
