package models

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/internal/weights"
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
	// Saved is the digest of the configuration that was saved with the tensors,
	// which have it too. It tells files of two models apart.
	Saved string `json:"saved,omitempty"`
}

// savedKey is the digest in the metadata of the tensor file.
const savedKey = "config"

// digest identifies a configuration.
func digest(c ClassifierConfig) (string, error) {
	b, err := json.Marshal(c)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), err
}

const classifierName = "classifier"

// Save writes the model to a directory, which is made if need be: config.json
// and model.safetensors, each written to a temporary file and renamed. Where it
// replaces a model of another configuration and is interrupted between the two,
// what is left is refused by LoadClassifier.
func (m *Classifier) Save(dir string) error {
	vars, err := m.vars()
	if err != nil {
		return fmt.Errorf("models: save %s: %w", dir, err)
	}
	ts, err := weights.Tensors(vars)
	if err != nil {
		return fmt.Errorf("models: save %s: %w", dir, err)
	}
	saved, err := digest(m.cfg)
	if err != nil {
		return fmt.Errorf("models: save %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("models: save: %w", err)
	}
	f := &safetensors.File{Tensors: ts, Metadata: map[string]string{savedKey: saved}}
	if err := safetensors.WriteFile(filepath.Join(dir, tensorFile), f); err != nil {
		return fmt.Errorf("models: save: %w", err)
	}
	err = atomicfile.Write(filepath.Join(dir, configFile), 0o666, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(savedConfig{Model: classifierName, Dtype: m.dt.String(), Config: m.cfg, Saved: saved})
	})
	if err != nil {
		return fmt.Errorf("models: save: %w", err)
	}
	return nil
}

// A LoadOption changes how a saved model is read.
type LoadOption func(*loading)

type loading struct{ dt tensor.Dtype }

// As makes the parameters of the model that is read dt, tensor.Float32 or
// tensor.Float64, whatever they were when it was saved.
func As(dt tensor.Dtype) LoadOption { return func(l *loading) { l.dt = dt } }

// LoadClassifier reads a model that Save wrote and puts it on graph g. Its
// tensors may be F64, F32, F16 or BF16, which are converted to the type of the
// model: that of config.json, or of [As]. A file that is missing, truncated or
// of another model is an error, and so is a number in it that is no parameter
// of a working model: a NaN, an infinity, one that overflows the type, a
// negative variance. S4 layers of a file where kernel.C is not tuned are tuned:
// see Classifier.Settle.
func LoadClassifier(g *G.ExprGraph, dir string, opts ...LoadOption) (*Classifier, error) {
	var l loading
	for _, o := range opts {
		o(&l)
	}
	m, err := l.classifier(g, dir)
	if err != nil {
		return nil, fmt.Errorf("models: load %s: %w", dir, err)
	}
	return m, nil
}

func (l loading) classifier(g *G.ExprGraph, dir string) (*Classifier, error) {
	b, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		return nil, err
	}
	var c savedConfig
	if err := strictjson.Decode(b, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	if c.Model != classifierName {
		return nil, fmt.Errorf("%s: want model %q, got %q", configFile, classifierName, c.Model)
	}
	if c.Dtype != tensor.Float32.String() && c.Dtype != tensor.Float64.String() {
		return nil, fmt.Errorf("%s: want dtype float32 or float64, got %q", configFile, c.Dtype)
	}
	dt := l.dt
	switch {
	case dt != (tensor.Dtype{}):
	case c.Dtype == tensor.Float64.String():
		dt = tensor.Float64
	default:
		dt = tensor.Float32
	}
	f, err := safetensors.ReadFile(filepath.Join(dir, tensorFile))
	if err != nil {
		return nil, err
	}
	if of := f.Metadata[savedKey]; of != c.Saved && of != "" && c.Saved != "" {
		return nil, fmt.Errorf("%s and %s are of two models: a Save was interrupted", configFile, tensorFile)
	}
	m, err := NewClassifier(g, dt, c.Config, 0)
	if err != nil {
		return nil, err
	}
	vars, err := m.vars()
	if err != nil {
		return nil, err
	}
	if err := weights.LoadAndSettle(f.Tensors, vars, m.Settle); err != nil {
		return nil, fmt.Errorf("%s: %w", tensorFile, err)
	}
	return m, nil
}

// vars lists the parameters and buffers.
func (m *Classifier) vars() ([]weights.Var, error) {
	var vs []weights.Var
	for _, p := range m.Params() {
		v, err := p.Value()
		if err != nil {
			return nil, err
		}
		vs = append(vs, weights.Var{Name: p.Name, Value: v})
	}
	for _, b := range m.Buffers() {
		vs = append(vs, weights.Var{Name: b.Name, Value: b.Value})
	}
	return vs, nil
}
