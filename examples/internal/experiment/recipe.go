package experiment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/train"
)

// Recipe is everything that a run is made from, but for where its files are: a
// preset, or what -config names, with the command line's changes.
type Recipe struct {
	// Task is the name of the task, Preset that of the preset that the recipe began
	// with.
	Task   string `json:"task"`
	Preset string `json:"preset,omitempty"`
	// Path is what -data names, Limit what -limit does.
	Path  string `json:"path,omitempty"`
	Limit int    `json:"limit,omitempty"`
	// InitFrom is the model that the parameters start from.
	InitFrom string `json:"init_from,omitempty"`
	// Data are the options of the task.
	Data  Options      `json:"data"`
	Model Model        `json:"model"`
	Train train.Config `json:"train"`
}

// Model is a stack of equal layers, each in a residual block unless it has residuals
// of its own, with what is before and behind it.
type Model struct {
	Layers  int             `json:"layers"` // number of blocks
	Norm    layers.NormKind `json:"norm,omitempty"`
	PreNorm bool            `json:"prenorm,omitempty"`
	// LastNorm is after the last block; "" means Norm if PreNorm, and otherwise none.
	LastNorm layers.NormKind `json:"last_norm,omitempty"`
	Dropout  float64         `json:"dropout,omitempty"` // of the blocks
	Pool     ops.PoolMode    `json:"pool,omitempty"`
	// FeedForward is the width of a feed-forward network in a block of its own behind
	// every Mixers layers; 0 means that there are none. Mixers is the number of layers
	// of one of Layers; 0 means 1. Layers with residuals of their own have neither.
	FeedForward int   `json:"feed_forward,omitempty"`
	Mixers      int   `json:"mixers,omitempty"`
	Mixer       Mixer `json:"mixer"` // the layer
}

// Width returns the number of features of a step.
func (m *Model) Width() int { return m.Mixer.features() }

// Grows says whether what the layers remember grows with the steps that they have
// read: that of an attention that sees all of them.
func (m *Model) Grows() bool {
	return m.Mixer.has("window") && m.Mixer.integer("window") == 0 && m.Mixer.text("form") != string(attention.Linear)
}

// recipeJSON is a Recipe whose task is not known yet.
type recipeJSON struct {
	Task     string          `json:"task"`
	Preset   string          `json:"preset"`
	Path     string          `json:"path"`
	Limit    int             `json:"limit"`
	InitFrom string          `json:"init_from"`
	Data     json.RawMessage `json:"data"`
	Model    json.RawMessage `json:"model"`
	Train    json.RawMessage `json:"train"`
}

// decode reads a recipe.
func (p *Program) decode(text []byte) (*Recipe, error) {
	var v recipeJSON
	if err := strictjson.Decode(text, &v); err != nil {
		return nil, err
	}
	t, err := p.find(v.Task)
	if err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	r := &Recipe{Task: v.Task, Preset: v.Preset, Path: v.Path, Limit: v.Limit, InitFrom: v.InitFrom, Data: t.Options()}
	for _, part := range []struct {
		name string
		text json.RawMessage
		into any
	}{{"data", v.Data, r.Data}, {"model", v.Model, &r.Model}, {"train", v.Train, &r.Train}} {
		switch {
		case len(part.text) > 0:
			if err := strictjson.Decode(part.text, part.into); err != nil {
				return nil, fmt.Errorf("%s: %w", part.name, err)
			}
		case part.name != "data":
			return nil, fmt.Errorf("want an object %q, got none", part.name)
		}
	}
	if r.Model.Mixer.kind == "" {
		return nil, errors.New("model: want an object \"mixer\", got none")
	}
	return r, nil
}

// presetFile returns the name of a preset's file.
func presetFile(task, preset string) string { return "presets/" + task + "-" + preset + ".json" }

// presets lists the presets of a task: those of a program's in the usual order.
func (p *Program) presets(task string) []string {
	files, _ := fs.Glob(p.Presets, presetFile(task, "*")) // the pattern is a good one
	var names []string
	for _, f := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(f, "presets/"+task+"-"), ".json")
		names = append(names, name)
	}
	order := []string{"quick", "small", "paper", "smoke"}
	at := func(name string) int {
		if i := slices.Index(order, name); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(names, func(a, b string) int { return at(a) - at(b) })
	return names
}

// preset reads a preset.
func (p *Program) preset(task, preset string) (*Recipe, error) {
	if _, err := p.find(task); err != nil {
		return nil, fmt.Errorf("-task: %w", err)
	}
	if names := p.presets(task); !slices.Contains(names, preset) {
		return nil, fmt.Errorf("-preset: want one of %s, got %q", strings.Join(names, ", "), preset)
	}
	text, err := fs.ReadFile(p.Presets, presetFile(task, preset))
	if err != nil {
		return nil, err
	}
	r, err := p.decode(text)
	if err == nil && r.Task != task {
		err = fmt.Errorf("want the task %q, got %q", task, r.Task)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", presetFile(task, preset), err)
	}
	r.Preset = preset
	return r, nil
}

// readRecipe reads what -config names.
func (p *Program) readRecipe(path string) (*Recipe, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("-config: %w", err)
	}
	r, err := p.decode(text)
	if err != nil {
		return nil, fmt.Errorf("-config: %s: %w", path, err)
	}
	return r, nil
}

// find returns a task by name.
func (p *Program) find(name string) (*Task, error) {
	for i := range p.Tasks {
		if p.Tasks[i].Name == name {
			return &p.Tasks[i], nil
		}
	}
	return nil, fmt.Errorf("want one of %s, got %q", strings.Join(p.taskNames(), ", "), name)
}

func (p *Program) taskNames() []string {
	var names []string
	for _, t := range p.Tasks {
		names = append(names, t.Name)
	}
	return names
}

// text returns the recipe as JSON that readRecipe reads, without what says where
// the files of a run are.
func (r *Recipe) text() ([]byte, error) {
	c := *r
	c.Train.CheckpointDir, c.Train.Overwrite = "", false
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(c)
	return b.Bytes(), err
}

// longest is the length of the longest batch, as far as it is known before the data
// are.
func (r *Recipe) longest(s Shape) int {
	if n := len(r.Train.Buckets); n > 0 {
		return r.Train.Buckets[n-1]
	}
	if s.Length > 0 {
		return s.Length
	}
	return 1024
}

// steps returns the number of steps of the run with so many examples.
func (r *Recipe) steps(examples int) int {
	t := r.Train
	n := t.Epochs * ((examples + t.BatchSize - 1) / t.BatchSize)
	if t.Steps > 0 && (n == 0 || t.Steps < n) {
		n = t.Steps
	}
	return n
}
