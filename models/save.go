package models

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
)

// The files of a saved model.
const (
	configFile = "config.json"
	tensorFile = "model.safetensors"
)

// saved is what config.json holds of a model of configuration C.
type saved[C any] struct {
	Model  string `json:"model"` // its kind
	Dtype  string `json:"dtype"`
	Config C      `json:"config"`
	// Saved is the digest of the configuration that was saved with the tensors,
	// which have it too. It tells files of two models apart.
	Saved string `json:"saved,omitempty"`
}

// savedKey is the digest in the metadata of the tensor file.
const savedKey = "config"

// digest identifies a configuration.
func digest(c any) (string, error) {
	b, err := json.Marshal(c)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), err
}

// Save writes the model to a directory, which is made if need be: config.json
// and model.safetensors, each written to a temporary file and renamed. Where it
// replaces a model of another configuration and is interrupted between the two,
// what is left is refused by LoadClassifier.
func (m *Classifier) Save(dir string) error { return m.save(dir, m.cfg) }

// save is Save of a model of configuration cfg.
func (m *model) save(dir string, cfg any) error {
	vars, err := m.vars()
	if err != nil {
		return fmt.Errorf("models: save %s: %w", dir, err)
	}
	ts, err := weights.Tensors(vars)
	if err != nil {
		return fmt.Errorf("models: save %s: %w", dir, err)
	}
	sum, err := digest(cfg)
	if err != nil {
		return fmt.Errorf("models: save %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("models: save: %w", err)
	}
	f := &safetensors.File{Tensors: ts, Metadata: map[string]string{savedKey: sum}}
	if err := safetensors.WriteFile(filepath.Join(dir, tensorFile), f); err != nil {
		return fmt.Errorf("models: save: %w", err)
	}
	err = atomicfile.Write(filepath.Join(dir, configFile), 0o666, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(saved[any]{Model: m.kind.name, Dtype: m.dt.String(), Config: cfg, Saved: sum})
	})
	if err != nil {
		return fmt.Errorf("models: save: %w", err)
	}
	return nil
}

// A LoadOption changes how a saved model is read.
type LoadOption func(*loading)

type loading struct {
	dt    tensor.Dtype
	files fs.FS // nil: those of the operating system
}

// loadingBy is what options say.
func loadingBy(opts []LoadOption) (l loading) {
	for _, o := range opts {
		o(&l)
	}
	return l
}

// As makes the parameters of the model that is read dt, tensor.Float32 or
// tensor.Float64, whatever they were when it was saved.
func As(dt tensor.Dtype) LoadOption { return func(l *loading) { l.dt = dt } }

// From reads the model from a directory of files, as of an embed.FS, and not from one of
// the operating system: a program in a browser has no other.
func From(files fs.FS) LoadOption { return func(l *loading) { l.files = files } }

// config returns what the file of the configuration in a directory holds.
func (l loading) config(dir string) ([]byte, error) {
	if l.files != nil {
		return fs.ReadFile(l.files, path.Join(dir, configFile))
	}
	return os.ReadFile(filepath.Join(dir, configFile))
}

// tensors reads the file of the tensors in a directory, one at a time.
func (l loading) tensors(dir string, begin func(*safetensors.File) error, each func(safetensors.Tensor) error) error {
	if l.files != nil {
		return safetensors.ReadEachOf(l.files, path.Join(dir, tensorFile), begin, each)
	}
	return safetensors.ReadEach(filepath.Join(dir, tensorFile), begin, each)
}

// LoadClassifier reads a model that Save wrote and puts it on graph g. Its
// tensors may be F64, F32, F16 or BF16, which are converted to the type of the
// model: that of config.json, or of [As]. A file that is missing, truncated or
// of another model is an error, and so is a number in it that is no parameter
// of a working model: a NaN, an infinity, one that overflows the type, a
// negative variance. A configuration of many more parameters than the tensors have
// elements is one before there is memory for them. S4 layers of a file where kernel.C is not tuned are tuned:
// see Classifier.Settle.
func LoadClassifier(g *G.ExprGraph, dir string, opts ...LoadOption) (*Classifier, error) {
	return load(classifier, dir, opts, func(dt tensor.Dtype, cfg ClassifierConfig, limit layers.Option) (*Classifier, error) {
		return makeClassifier(g, dt, cfg, 0, limit)
	})
}

// kinds are the functions that load a model of each kind.
var kinds = map[string]func(g *G.ExprGraph, dir string, opts []LoadOption) (Model, error){
	classifier.name: func(g *G.ExprGraph, dir string, opts []LoadOption) (Model, error) {
		return asModel(LoadClassifier(g, dir, opts...))
	},
	languageModel.name: func(g *G.ExprGraph, dir string, opts []LoadOption) (Model, error) {
		return asModel(LoadLanguageModel(g, dir, opts...))
	},
	retrieval.name: func(g *G.ExprGraph, dir string, opts []LoadOption) (Model, error) {
		return asModel(LoadRetrieval(g, dir, opts...))
	},
	forecaster.name: func(g *G.ExprGraph, dir string, opts []LoadOption) (Model, error) {
		return asModel(LoadForecaster(g, dir, opts...))
	},
}

// Open reads a model of any kind that Save wrote and puts it on graph g: config.json
// says which it is. Otherwise it is as LoadClassifier.
func Open(g *G.ExprGraph, dir string, opts ...LoadOption) (Model, error) {
	k, err := loadingBy(opts).kindIn(dir)
	if err != nil {
		return nil, fmt.Errorf("models: load %s: %s: %w", dir, configFile, err)
	}
	return kinds[k](g, dir, opts)
}

// kindIn returns the kind of the model in a directory.
func (l loading) kindIn(dir string) (string, error) {
	text, err := l.config(dir)
	if err != nil {
		return "", err
	}
	var head saved[json.RawMessage]
	if err := strictjson.Decode(text, &head); err != nil {
		return "", err
	}
	if kinds[head.Model] == nil {
		return "", fmt.Errorf("want a model of %q, got %q", slices.Sorted(maps.Keys(kinds)), head.Model)
	}
	return head.Model, nil
}

// loaded is a model that load fills.
type loaded interface {
	vars() ([]weights.Var, error)
	Settle() error
}

// load reads a model M of a kind, whose configuration is a C.
func load[M loaded, C any](k kind, dir string, opts []LoadOption, make func(dt tensor.Dtype, cfg C, limit layers.Option) (M, error)) (M, error) {
	m, err := read(loadingBy(opts), k, dir, make)
	if err != nil {
		var none M
		return none, fmt.Errorf("models: load %s: %w", dir, err)
	}
	return m, nil
}

func read[M loaded, C any](l loading, k kind, dir string, make func(dt tensor.Dtype, cfg C, limit layers.Option) (M, error)) (m M, err error) {
	text, err := l.config(dir)
	if err != nil {
		return m, err
	}
	head, cfg, err := readConfig[C](k, text)
	if err != nil {
		return m, fmt.Errorf("%s: %w", configFile, err)
	}
	var of *weights.Match
	err = l.tensors(dir, func(f *safetensors.File) error {
		if of := f.Metadata[savedKey]; of != head.Saved && of != "" && head.Saved != "" {
			return fmt.Errorf("%s and %s are of two models: a Save was interrupted", configFile, tensorFile)
		}
		if m, err = make(l.dtype(head.Dtype), cfg, layers.WithLimit(atMost(f))); err != nil {
			return err
		}
		of, err = matched(f, m)
		return inFile(err)
	}, func(t safetensors.Tensor) error { return inFile(of.CopyOne(t)) })
	if err == nil {
		err = inFile(m.Settle())
	}
	return m, err
}

// inFile says that an error is of the tensors.
func inFile(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", tensorFile, err)
}

// matched compares the tensors of a file with those of a model.
func matched(f *safetensors.File, m loaded) (*weights.Match, error) {
	vars, err := m.vars()
	if err != nil {
		return nil, err
	}
	of, err := weights.Compare(f.Tensors, vars)
	if err != nil {
		return nil, err
	}
	return of, of.Err()
}

// atMost bounds the number of elements of a model whose tensors a file has. It is well
// above what there is, so that an error says which tensors differ, and well below what
// does harm.
func atMost(f *safetensors.File) int {
	n := 1 << 20
	for _, t := range f.Tensors {
		n += 4 * tensor.Shape(t.Shape).TotalSize()
	}
	return n
}

// readConfig reads the configuration of a model of a kind, which is told before
// what does not fit it.
func readConfig[C any](k kind, text []byte) (head saved[json.RawMessage], cfg C, err error) {
	if err := strictjson.Decode(text, &head); err != nil {
		return head, cfg, err
	}
	if head.Model != k.name {
		return head, cfg, fmt.Errorf("want model %q, got %q", k.name, head.Model)
	}
	if head.Dtype != tensor.Float32.String() && head.Dtype != tensor.Float64.String() {
		return head, cfg, fmt.Errorf("want dtype float32 or float64, got %q", head.Dtype)
	}
	if head.Config == nil {
		return head, cfg, errors.New("want a config, got none")
	}
	return head, cfg, strictjson.Decode(head.Config, &cfg)
}

// dtype returns the type of a model that was saved as the named one.
func (l loading) dtype(name string) tensor.Dtype {
	switch {
	case l.dt != (tensor.Dtype{}):
		return l.dt
	case name == tensor.Float64.String():
		return tensor.Float64
	}
	return tensor.Float32
}

// vars lists the parameters and buffers.
func (m *model) vars() ([]weights.Var, error) {
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
