package recipes

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/strictjson"
)

//go:embed *.json
var files embed.FS

// Recipe is a group of runs that are compared with each other.
type Recipe struct {
	// Name is that of the file.
	Name string `json:"-"`
	// Title is a line about it, Group the part of the table that it is in.
	Title string `json:"title"`
	Group Group  `json:"group"`
	// Priority says when it is run where all are: those of 1 first.
	Priority int `json:"priority"`
	// Program is a directory of examples, Task one of its tasks.
	Program string `json:"program"`
	Task    string `json:"task"`
	// Data is the file in the directory of data that the task wants; "" is none.
	Data string `json:"data,omitempty"`
	// Args are options of the program that all variants have, between blanks.
	Args string `json:"args"`
	// Variants are what is compared.
	Variants []Variant `json:"variants"`
	// Seeds are those that are run.
	Seeds []uint64 `json:"seeds"`
	// Goals are what a run has to reach; nil: there is no bar.
	Goals *Goals `json:"goals,omitempty"`
	// Published are numbers to compare with.
	Published []Published `json:"published,omitempty"`
	// Notes are sentences below the table: how the task differs from the published one.
	Notes []string `json:"notes,omitempty"`
}

// Group is a part of the table.
type Group string

// The groups of recipes.
const (
	Short    Group = "short"
	Long     Group = "long"
	Ablation Group = "ablation"
)

// Groups lists all groups in the order of the table.
func Groups() []Group { return []Group{Long, Short, Ablation} }

// Variant is a model, or a choice about one.
type Variant struct {
	Name string `json:"name"`
	// Args are options beside those of the recipe, which they may replace.
	Args string `json:"args"`
}

// Goals are what a run has to reach on the test data.
type Goals struct {
	Accuracy float64 `json:"accuracy"`
	// HalfRate is that at half the sampling rate, without training; 0: none.
	HalfRate float64 `json:"half_rate,omitempty"`
}

// Published is a number of a paper.
type Published struct {
	// Model is what the paper calls it, Of the variant that it is of; "" is of none.
	Model string `json:"model"`
	Of    string `json:"of,omitempty"`
	// Accuracy is in [0, 1], At when in the training that was; "" is its end. HalfRate is
	// that at half the sampling rate; 0: not given.
	Accuracy float64 `json:"accuracy"`
	HalfRate float64 `json:"half_rate,omitempty"`
	At       string  `json:"at,omitempty"`
	Source   string  `json:"source"`
}

// All returns the recipes of this package by priority, then by name.
func All() ([]*Recipe, error) { return Read(files) }

// Read reads the recipes of a directory.
func Read(dir fs.FS) ([]*Recipe, error) {
	names, err := fs.Glob(dir, "*.json")
	if err != nil {
		return nil, err
	}
	var all []*Recipe
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		r := &Recipe{Name: strings.TrimSuffix(path.Base(name), ".json")}
		if err := strictjson.Decode(text, r); err != nil {
			return nil, fmt.Errorf("recipes: %s: %w", name, err)
		}
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("recipes: %s: %w", name, err)
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b *Recipe) int { return a.Priority - b.Priority })
	return all, nil
}

// word is a name of a recipe or of a variant, which are parts of names of files.
var word = regexp.MustCompile(`^[a-z0-9]+([-.][a-z0-9]+)*$`)

// taken are the options that a runner sets.
var taken = []string{"task", "data", "out", "seed", "resume", "overwrite", "max-time", "print-config", "config"}

// Validate reports the first field that is out of range.
func (r *Recipe) Validate() error {
	switch {
	case !word.MatchString(r.Name):
		return fmt.Errorf("want a name of small letters, digits and hyphens, got %q", r.Name)
	case r.Title == "" || r.Program == "" || r.Task == "":
		return fmt.Errorf("want title, program and task, got %q, %q and %q", r.Title, r.Program, r.Task)
	case !slices.Contains(Groups(), r.Group):
		return fmt.Errorf("group: want one of %v, got %q", Groups(), r.Group)
	case len(r.Variants) == 0 || len(r.Seeds) == 0:
		return fmt.Errorf("want variants and seeds, got %d and %d", len(r.Variants), len(r.Seeds))
	}
	seen := map[string]bool{}
	for _, v := range r.Variants {
		if !word.MatchString(v.Name) || seen[v.Name] {
			return fmt.Errorf("variant %q: want another name than the others, of small letters, digits and hyphens", v.Name)
		}
		seen[v.Name] = true
		if err := r.checkArgs(v); err != nil {
			return fmt.Errorf("variant %q: %w", v.Name, err)
		}
	}
	if g := r.Goals; g != nil && (!share(g.Accuracy) || !share(g.HalfRate)) {
		return fmt.Errorf("goals: want numbers in [0, 1], got %v and %v", g.Accuracy, g.HalfRate)
	}
	for _, p := range r.Published {
		if p.Of != "" && !seen[p.Of] {
			return fmt.Errorf("published %q: want the name of a variant, got %q", p.Model, p.Of)
		}
		if p.Model == "" || p.Source == "" || !share(p.Accuracy) || !share(p.HalfRate) {
			return fmt.Errorf("published %q: want a model, its source and numbers in [0, 1], got %q, %v and %v", p.Model, p.Source, p.Accuracy, p.HalfRate)
		}
	}
	return nil
}

// share says whether a number is one of a whole.
func share(x float64) bool { return 0 <= x && x <= 1 }

// checkArgs reports options that are the runner's, and a run whose end is not fixed.
func (r *Recipe) checkArgs(v Variant) error {
	ends := false
	for _, a := range strings.Fields(r.Args + " " + v.Args) {
		if !strings.HasPrefix(a, "-") {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if slices.Contains(taken, name) {
			return fmt.Errorf("args: -%s is set for every run: want none", name)
		}
		ends = ends || name == "steps" || name == "epochs"
	}
	if !ends {
		return fmt.Errorf("args: want -steps or -epochs, got %q and %q", r.Args, v.Args)
	}
	return nil
}
