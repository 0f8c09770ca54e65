package report

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/param"
)

// The directories of the models in a run's directory: before training and after it.
const (
	StartDir = "start"
	ModelDir = "model"
)

// model is what is shown of a model of any kind.
type model interface {
	Params() []param.Param
	Blocks() []*layers.Block
}

// openModel reads a model of any kind; nil if there is none.
func openModel(dir string) (model, error) {
	if _, err := os.Stat(filepath.Join(dir, "config.json")); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	m, err := models.Open(G.NewGraph(), dir)
	if err != nil {
		return nil, err
	}
	return m, nil
}
