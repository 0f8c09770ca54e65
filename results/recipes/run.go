package recipes

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Run is a variant of a recipe with a seed.
type Run struct {
	Recipe  *Recipe
	Variant Variant
	Seed    uint64
}

// Name returns what a command line calls it: RECIPE/VARIANT/SEED.
func (r Run) Name() string { return fmt.Sprintf("%s/%s/%d", r.Recipe.Name, r.Variant.Name, r.Seed) }

// File returns its name as part of the name of a file.
func (r Run) File() string { return strings.ReplaceAll(r.Name(), "/", "-") }

// Args returns the options that the program is started with, but for those that say
// where files are.
func (r Run) Args() []string {
	args := []string{"-task", r.Recipe.Task}
	args = append(args, strings.Fields(r.Recipe.Args)...)
	args = append(args, strings.Fields(r.Variant.Args)...)
	return append(args, "-max-time", "0s", "-seed", strconv.FormatUint(r.Seed, 10))
}

// Runs returns all runs of recipes in the order in which they are to be run: by
// priority, then the first seed of all variants before the second.
func Runs(all []*Recipe) []Run {
	var runs []Run
	for _, r := range all {
		for i := range r.Seeds {
			for _, v := range r.Variants {
				runs = append(runs, Run{r, v, r.Seeds[i]})
			}
		}
	}
	slices.SortStableFunc(runs, func(a, b Run) int {
		return cmp.Or(a.Recipe.Priority-b.Recipe.Priority, a.round()-b.round())
	})
	return runs
}

// round is the place of a seed in those of its recipe.
func (r Run) round() int { return slices.Index(r.Recipe.Seeds, r.Seed) }

// Select returns the runs that a name names: "all", RECIPE, RECIPE/VARIANT, or
// RECIPE/VARIANT/SEED, whose seed can be one that the recipe has not.
func Select(all []*Recipe, name string) ([]Run, error) {
	if name == "all" {
		return Runs(all), nil
	}
	parts := strings.Split(name, "/")
	i := slices.IndexFunc(all, func(r *Recipe) bool { return r.Name == parts[0] })
	if i < 0 {
		return nil, fmt.Errorf("want a recipe, one of %s, or all, got %q", strings.Join(namesOf(all), ", "), name)
	}
	r := all[i]
	runs := Runs([]*Recipe{r})
	if len(parts) == 1 {
		return runs, nil
	}
	runs = slices.DeleteFunc(runs, func(r Run) bool { return r.Variant.Name != parts[1] })
	if len(runs) == 0 {
		return nil, fmt.Errorf("%s: want a variant, one of %s, got %q", r.Name, strings.Join(r.variantNames(), ", "), parts[1])
	}
	if len(parts) == 2 {
		return runs, nil
	}
	seed, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil || len(parts) > 3 {
		return nil, fmt.Errorf("want RECIPE/VARIANT/SEED, got %q", name)
	}
	return []Run{{r, runs[0].Variant, seed}}, nil
}

func namesOf(all []*Recipe) []string {
	var names []string
	for _, r := range all {
		names = append(names, r.Name)
	}
	return names
}

func (r *Recipe) variantNames() []string {
	var names []string
	for _, v := range r.Variants {
		names = append(names, v.Name)
	}
	return names
}
