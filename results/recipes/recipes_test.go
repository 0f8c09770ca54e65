package recipes

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// good is a recipe that has all fields.
const good = `{"title": "t", "group": "short", "priority": 1, "program": "lra", "task": "image", "data": "d.tgz", "args": "-steps 3",
	"variants": [{"name": "s4d", "args": "-model s4d"}, {"name": "s4", "args": "-model s4 -lr 0.1"}], "seeds": [5, 3],
	"goals": {"accuracy": 0.8, "half_rate": 0.7}, "published": [{"model": "S4", "of": "s4", "accuracy": 0.9, "half_rate": 0.8, "at": "epoch 1", "source": "s"}], "notes": ["n"]}`

func read(name, text string) ([]*Recipe, error) {
	return Read(fstest.MapFS{name + ".json": {Data: []byte(text)}})
}

func TestRecipesAreStrict(t *testing.T) {
	if _, err := read("good", good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"a", `"title"`, `"titel"`, "unknown field"},
		{"a", `"title": "t"`, `"title": ""`, "want title"},
		{"A", "", "", "want a name"},
		{"a", `"short"`, `"brief"`, "group: want one of"},
		{"a", `[5, 3]`, `[]`, "want variants and seeds"},
		{"a", `"name": "s4"`, `"name": "s4d"`, `variant "s4d": want another name`},
		{"a", `"name": "s4"`, `"name": "S/4"`, "want another name"},
		{"a", `-steps 3`, `-batch 3`, "want -steps or -epochs"},
		{"a", `-steps 3`, `-steps 3 -max-time 1m`, "-max-time is set for every run"},
		{"a", `-lr 0.1`, `-seed=1`, "-seed is set for every run"},
		{"a", `-lr 0.1`, `--out x`, "-out is set for every run"},
		{"a", `"accuracy": 0.8`, `"accuracy": 80`, "goals: want numbers in [0, 1]"},
		{"a", `"accuracy": 0.9`, `"accuracy": 90`, `published "S4": want`},
		{"a", `"of": "s4"`, `"of": "s5"`, `want the name of a variant, got "s5"`},
		{"a", `"source": "s"`, `"source": ""`, `published "S4": want`},
	} {
		_, err := read(c.name, strings.Replace(good, c.old, c.new, 1))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.name+".json") {
			t.Errorf("%q in the place of %q: got %v, want %q", c.new, c.old, err, c.want)
		}
	}
}

func TestRunsAndTheirNames(t *testing.T) {
	rs, err := Read(fstest.MapFS{"a.json": {Data: []byte(strings.Replace(good, `"priority": 1`, `"priority": 2`, 1))}, "b.json": {Data: []byte(good)}})
	if err != nil {
		t.Fatal(err)
	}
	names := func(runs []Run) (names []string) {
		for _, r := range runs {
			names = append(names, r.Name())
		}
		return names
	}
	for name, want := range map[string]string{
		"all":     "b/s4d/5 b/s4/5 b/s4d/3 b/s4/3 a/s4d/5 a/s4/5 a/s4d/3 a/s4/3",
		"b":       "b/s4d/5 b/s4/5 b/s4d/3 b/s4/3",
		"a/s4":    "a/s4/5 a/s4/3",
		"a/s4/3":  "a/s4/3",
		"a/s4/11": "a/s4/11",
	} {
		if runs, err := Select(rs, name); err != nil || !slices.Equal(names(runs), strings.Fields(want)) {
			t.Errorf("%s: got %v %v, want %s", name, names(runs), err, want)
		}
	}
	for name, want := range map[string]string{
		"c": "want a recipe, one of b, a, or all", "a/s5": "want a variant, one of s4d, s4", "a/s4/x": "want RECIPE/VARIANT/SEED", "a/s4/1/2": "want RECIPE/VARIANT/SEED", "": "want a recipe",
	} {
		if _, err := Select(rs, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", name, err, want)
		}
	}
	runs, _ := Select(rs, "a/s4/3")
	if got, want := strings.Join(runs[0].Args(), " "), "-task image -steps 3 -model s4 -lr 0.1 -max-time 0s -seed 3"; got != want || runs[0].File() != "a-s4-3" {
		t.Errorf("got %q in %s, want %q", got, runs[0].File(), want)
	}
}

// No two runs have one directory.
func TestRecipesOfThisPackage(t *testing.T) {
	all, err := All()
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	seen := map[string]string{}
	for _, r := range Runs(all) {
		if other, ok := seen[r.File()]; ok {
			t.Errorf("%s and %s have one directory", r.Name(), other)
		}
		seen[r.File()] = r.Name()
	}
}
