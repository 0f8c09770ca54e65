package models

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/safetensors"
)

// The files of a saved model.
const (
	configFile = "config.json"
	tensorFile = "model.safetensors"
)

// savedConfig is what config.json holds.
type savedConfig struct {
	Model  string           `json:"model"`
	Dtype  string           `json:"dtype"`
	Config ClassifierConfig `json:"config"`
}

const classifierName = "classifier"

// Save writes the model to a directory, which is made if need be: config.json
// and model.safetensors, each written to a temporary file and renamed.
func (m *Classifier) Save(dir string) error {
	f := &safetensors.File{Metadata: map[string]string{"format": "pt"}}
	ts, err := m.tensors()
	if err != nil {
		return fmt.Errorf("models: save %s: %w", dir, err)
	}
	for _, t := range ts {
		x, err := safetensors.FromDense(t.name, t.value)
		if err != nil {
			return fmt.Errorf("models: save %s: %w", dir, err)
		}
		f.Tensors = append(f.Tensors, x)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("models: save: %w", err)
	}
	if err := safetensors.WriteFile(filepath.Join(dir, tensorFile), f); err != nil {
		return fmt.Errorf("models: save: %w", err)
	}
	err = atomicfile.Write(filepath.Join(dir, configFile), 0o666, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(savedConfig{Model: classifierName, Dtype: m.dt.String(), Config: m.cfg})
	})
	if err != nil {
		return fmt.Errorf("models: save: %w", err)
	}
	return nil
}

// LoadClassifier reads a model that Save wrote and puts it on graph g. A file
// that is missing, truncated or of another model is an error.
func LoadClassifier(g *G.ExprGraph, dir string) (*Classifier, error) {
	m, err := loadClassifier(g, dir)
	if err != nil {
		return nil, fmt.Errorf("models: load %s: %w", dir, err)
	}
	return m, nil
}

func loadClassifier(g *G.ExprGraph, dir string) (*Classifier, error) {
	b, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		return nil, err
	}
	var c savedConfig
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	if c.Model != classifierName {
		return nil, fmt.Errorf("%s: want model %q, got %q", configFile, classifierName, c.Model)
	}
	var dt tensor.Dtype
	switch c.Dtype {
	case tensor.Float32.String():
		dt = tensor.Float32
	case tensor.Float64.String():
		dt = tensor.Float64
	default:
		return nil, fmt.Errorf("%s: want dtype float32 or float64, got %q", configFile, c.Dtype)
	}
	f, err := safetensors.ReadFile(filepath.Join(dir, tensorFile))
	if err != nil {
		return nil, err
	}
	m, err := NewClassifier(g, dt, c.Config, 0)
	if err != nil {
		return nil, err
	}
	return m, m.restore(f)
}

// restore copies the tensors of a file into the model. The file must hold
// exactly the model's tensors.
func (m *Classifier) restore(f *safetensors.File) error {
	ts, err := m.tensors()
	if err != nil {
		return err
	}
	for _, t := range ts {
		x, ok := f.Lookup(t.name)
		if !ok {
			return fmt.Errorf("%s: want a tensor %q, got none: it is of another model", tensorFile, t.name)
		}
		if err := x.CopyTo(t.value); err != nil {
			return fmt.Errorf("%s: %w", tensorFile, err)
		}
	}
	if len(f.Tensors) != len(ts) {
		return fmt.Errorf("%s: want %d tensors, got %d: it is of another model", tensorFile, len(ts), len(f.Tensors))
	}
	return nil
}

type namedTensor struct {
	name  string
	value *tensor.Dense
}

// tensors lists the parameters and buffers.
func (m *Classifier) tensors() ([]namedTensor, error) {
	var ts []namedTensor
	for _, p := range m.Params() {
		v, err := p.Value()
		if err != nil {
			return nil, err
		}
		ts = append(ts, namedTensor{p.Name, v})
	}
	for _, b := range m.Buffers() {
		ts = append(ts, namedTensor{b.Name, b.Value})
	}
	return ts, nil
}
