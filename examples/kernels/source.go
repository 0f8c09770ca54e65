package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/portrait"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
)

// subject is a layer to be drawn.
type subject struct {
	name  string // of the picture's file
	title string
	graph *G.ExprGraph         // of the layer
	kind  string               // of the layer
	layer portrait.Convolution // nil if it has no kernels of each feature
}

// kindOf names the kind of a layer, as Summary does.
func kindOf(l layers.Layer) string {
	name := fmt.Sprintf("%T", l)
	return name[strings.LastIndex(name, ".")+1:]
}

// loadModel returns the layers of a trained model, or that of the one block that
// only names, for sequences of the given length. At least one has kernels of each feature.
func loadModel(path string, length int, only *int) ([]subject, error) {
	m, err := findModel(path)
	if err != nil {
		return nil, err
	}
	g := G.NewGraph()
	if m, err = models.Clone(m, g, layers.ForLength(length)); err != nil {
		return nil, err
	}
	if n := len(m.Blocks()); only != nil && *only >= n {
		return nil, fmt.Errorf("-layer: want one of the model's blocks 0 to %d, got %d", n-1, *only)
	}
	var subjects []subject
	var others []string
	for i, b := range m.Blocks() {
		if only != nil && i != *only {
			continue
		}
		s := subject{name: fmt.Sprintf("layer-%d", i), title: fmt.Sprintf("layer %d", i), graph: g, kind: kindOf(b.Mixer())}
		if s.layer, _ = b.Mixer().(portrait.Convolution); s.layer == nil && !slices.Contains(others, s.kind) {
			others = append(others, s.kind)
		}
		subjects = append(subjects, s)
	}
	switch {
	case slices.ContainsFunc(subjects, func(s subject) bool { return s.layer != nil }):
		return subjects, nil
	case only != nil:
		return nil, fmt.Errorf("-layer: want a block around a layer with kernels of each feature, as those of s4d or longconv, got number %d, around %s", *only, others[0])
	}
	return nil, fmt.Errorf("-model: want a layer with kernels of each feature, as those of s4d or longconv, got %s, which has only %s", path, strings.Join(others, ", "))
}

// findModel reads the model or checkpoint at path: a saved model's directory, a
// checkpoint's JSON file, or the directory of a run, which holds a trained model
// or, until it has ended, checkpoints.
func findModel(path string) (models.Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("-model: %w", err)
	}
	if !info.IsDir() {
		return readCheckpoint(path)
	}
	tried := []struct {
		file string
		read func() (models.Model, error)
	}{
		{"config.json", func() (models.Model, error) { return models.Open(G.NewGraph(), path) }},
		{"model/config.json", func() (models.Model, error) {
			return models.Open(G.NewGraph(), filepath.Join(path, "model"))
		}},
		{train.BestCheckpoint, func() (models.Model, error) {
			return readCheckpoint(filepath.Join(path, train.BestCheckpoint))
		}},
		{train.LastCheckpoint, func() (models.Model, error) {
			return readCheckpoint(filepath.Join(path, train.LastCheckpoint))
		}},
	}
	var names []string
	for _, t := range tried {
		_, err := os.Stat(filepath.Join(path, filepath.FromSlash(t.file)))
		if err == nil {
			return t.read()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("-model: %w", err)
		}
		names = append(names, t.file)
	}
	return nil, fmt.Errorf("-model: want a saved model, a checkpoint or the directory of a run, got %s, which has none of %q", path, names)
}

// readCheckpoint returns the model of a checkpoint: of the kind of that which the run
// began with, which is beside it in start, or else a classifier.
func readCheckpoint(path string) (models.Model, error) {
	c, err := train.ReadCheckpoint(path)
	if err != nil {
		return nil, err
	}
	start := filepath.Join(filepath.Dir(path), "start")
	if _, err := os.Stat(filepath.Join(start, "config.json")); err == nil {
		m, err := models.Open(G.NewGraph(), start)
		if err != nil {
			return nil, err
		}
		return m, c.LoadModel(m)
	}
	var cfg models.ClassifierConfig
	d := json.NewDecoder(bytes.NewReader(c.Model))
	d.DisallowUnknownFields()
	if err := d.Decode(&cfg); err != nil {
		return nil, fmt.Errorf("%s: it is not of a classifier: %w", path, err)
	}
	m, err := models.NewClassifier(G.NewGraph(), c.Train.DType.Tensor(), cfg, 0)
	if err != nil {
		return nil, err
	}
	return m, c.LoadModel(m)
}
