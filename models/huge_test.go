package models_test

import (
	"math"
	"testing"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
)

// Sizes that no graph can have are errors, of every kind of model.
func TestHugeBatchesAreRefused(t *testing.T) {
	for _, m := range ofKinds(t) {
		for _, size := range [][2]int{{1 << 40, 1}, {1, 1 << 40}, {math.MaxInt, 1}, {math.MaxInt/2 + 1, 3}, {math.MaxInt, math.MaxInt}, {1 << 31, 1 << 31}, {-1, 5}} {
			if gr, err := m.Build(task.Training, size[0], size[1]); err == nil {
				t.Errorf("%s: a graph of batches %v: %v", m.Kind(), size, gr)
			}
			if s, err := models.NewSaliency(m, size[0], size[1]); err == nil {
				t.Errorf("%s: a saliency of batches %v: %v", m.Kind(), size, s)
			}
		}
	}
	var none *models.Saliency
	if err := none.Close(); err != nil {
		t.Error(err)
	}
	if _, err := none.Run(nil, nil); err == nil {
		t.Error("no saliency was run")
	}
	if _, err := models.NewSaliency(nil, 1, 1); err == nil {
		t.Error("no model was accepted")
	}
	if _, err := models.Open(nil, t.TempDir()); err == nil {
		t.Error("no graph was accepted")
	}
}
