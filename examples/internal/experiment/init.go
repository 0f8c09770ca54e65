package experiment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/models/statespaces"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/train"
)

// headName begins the names of the parameters that depend on what is learnt: those of
// the last layer.
const headName = "decoder."

// headless is a model without its last layer.
type headless struct{ models.Model }

// Params implements param.Source.
func (m headless) Params() []param.Param {
	return slices.DeleteFunc(m.Model.Params(), func(p param.Param) bool { return strings.HasPrefix(p.Name, headName) })
}

// findStart finds what -init-from names: its codec, and its parameters, unless -resume
// goes on with those of a checkpoint, when it may be gone.
func (r *training) findStart() (err error) {
	from := r.InitFrom
	switch {
	case from == "":
		return nil
	case r.from != nil:
		from = r.options.out
	default:
		if r.weights, err = weightsOf(from); err != nil {
			return err
		}
		r.initial = true
	}
	r.starts = true
	r.codec, err = r.codecOf(from)
	return err
}

// initialise puts the parameters of -init-from into the model, for sequences of up to
// so many steps. Ranks but the first, which has them, are sent them when the training
// begins.
func (r *training) initialise(longest int) error {
	if !r.initial {
		return nil
	}
	if r.weights != nil {
		if err := r.loadWeights(); err != nil {
			return err
		}
	}
	var err error // what they were made for may be shorter
	r.model, err = models.Clone(r.model, G.NewGraph(), layers.ForLength(longest))
	return err
}

// codecOf returns the codec of a model, of a run, or of a file in the directory of one;
// nil if there is none, or if it is of another task.
func (o *options) codecOf(path string) (Codec, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		path = filepath.Dir(path)
	}
	for _, at := range []string{path, filepath.Join(path, modelDir), filepath.Join(path, startDir)} {
		switch t, err := readSavedTask(at); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case t.Task != o.Task:
			return nil, nil
		default:
			return o.t.codec(at, t)
		}
	}
	return nil, nil
}

// loadWeights loads the parameters of -init-from: all of them, or all but those of the
// last layer if that is another.
func (r *training) loadWeights() error {
	whole := r.weights(r.model, false)
	if whole == nil {
		fmt.Fprintf(r.out, "parameters from %s\n", r.InitFrom)
		return nil
	}
	if r.weights(headless{r.model}, true) != nil {
		return fmt.Errorf("-init-from: %w", whole)
	}
	fmt.Fprintf(r.out, "parameters from %s, but for the last layer, %s*, which is of another size there and starts anew\n", r.InitFrom, headName)
	return nil
}

// loadInto loads weights into a model, or into one without its last layer.
type loadInto func(m param.Source, without bool) error

// weightsOf finds what -init-from names: a model, that of a run, a checkpoint of this
// library, or one of PyTorch.
func weightsOf(path string) (loadInto, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return weightsIn(path)
	}
	tried := []string{"model.safetensors", filepath.Join(modelDir, "model.safetensors"), train.BestCheckpoint, train.LastCheckpoint}
	for _, name := range tried {
		at := filepath.Join(path, name)
		if _, err := os.Stat(at); err == nil {
			return weightsIn(at)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("want a saved model, a checkpoint or the directory of a run, got %s, which has none of %q", path, tried)
}

// weightsIn reads a file.
func weightsIn(path string) (loadInto, error) {
	if filepath.Ext(path) == ".json" {
		c, err := train.ReadCheckpoint(path)
		if err != nil {
			return nil, err
		}
		return ours(filepath.Join(filepath.Dir(path), c.Tensors)), nil
	}
	if f, err := safetensors.ReadFile(path); err == nil {
		if slices.ContainsFunc(f.Tensors, func(t safetensors.Tensor) bool { return strings.HasPrefix(t.Name, "blocks.") }) {
			return ours(path), nil
		}
	} else if filepath.Ext(path) == ".safetensors" {
		return nil, err
	}
	c, err := statespaces.Read(path)
	if err != nil {
		return nil, err
	}
	return theirs(c), nil
}

// ours loads a file with the names of this library. The random states of dropouts,
// and what is of a run, do not count.
func ours(path string) loadInto {
	return func(m param.Source, without bool) error {
		report, err := param.Loader{Partial: true}.Load(path, m)
		if err != nil {
			return err
		}
		counts := func(name string) bool {
			return !strings.HasSuffix(name, ".rng") && !strings.HasPrefix(name, "train:") && !(without && strings.HasPrefix(name, headName))
		}
		return wrong(path, report, counts)
	}
}

// theirs loads a checkpoint of PyTorch.
func theirs(c *statespaces.Checkpoint) loadInto {
	return func(m param.Source, without bool) error {
		var opts []statespaces.Option
		if without {
			opts = append(opts, statespaces.Without(headName))
		}
		_, err := c.Load(m, opts...)
		return err
	}
}

// wrong lists what a file does not have, and what it has besides, of the names that
// count.
func wrong(path string, r *param.Report, counts func(name string) bool) error {
	var all []string
	for _, name := range r.Missing {
		if counts(name) {
			all = append(all, name+" is missing")
		}
	}
	for _, name := range r.Left {
		if counts(name) {
			all = append(all, name+" is not in the model")
		}
	}
	const most = 12
	if more := len(all) - most; more > 0 {
		all = append(all[:most], fmt.Sprintf("and %d more", more))
	}
	if all == nil {
		return nil
	}
	return fmt.Errorf("%s is of another model: %s", path, strings.Join(all, "; "))
}
