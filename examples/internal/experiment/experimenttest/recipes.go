package experimenttest

import (
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/results/recipes"
)

// Recipes checks the command lines of the recipes of package recipes that are of a
// program, as far as they can be without data.
func Recipes(t *testing.T, p experiment.Program) {
	t.Helper()
	all, err := recipes.All()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, r := range recipes.Runs(all) {
		if r.Recipe.Program != p.Name {
			continue
		}
		checked++
		args := r.Args()
		if r.Recipe.Data != "" {
			args = append(args, "-data", r.Recipe.Data)
		}
		const examples, longest = 20000, 500
		recipe, err := p.Check(args, examples, longest)
		if err != nil {
			t.Errorf("%s: %v", r.Name(), err)
			continue
		}
		if recipe.Train.MaxDuration != 0 || recipe.Train.Seed != r.Seed {
			t.Errorf("%s: want no bound of time and seed %d, got %v and %d", r.Name(), r.Seed, recipe.Train.MaxDuration, recipe.Train.Seed)
		}
	}
	if checked == 0 {
		t.Errorf("no recipe is of %s", p.Name)
	}
}
