package listops

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/train/data"
)

// load loads small from dir and says whether it was drawn anew and what was
// warned about.
func load(t *testing.T, cfg Config, dir string) (d *Data, drawn bool, warnings []string) {
	t.Helper()
	d, err := Load(context.Background(), cfg, dir, Report{
		Progress: func(int, int) { drawn = true },
		Warn:     func(err error) { warnings = append(warnings, err.Error()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := generate(t, cfg)
	for i, s := range d.All() {
		if !s.equal(want.All()[i]) {
			t.Errorf("%s: not the examples that Generate draws", data.SplitNames[i])
		}
	}
	return d, drawn, warnings
}

// cacheFile returns the one file in dir.
func cacheFile(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Fatalf("cache holds %v, want one file", entries)
	}
	return filepath.Join(dir, entries[0].Name())
}

func TestLoadCaches(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "Load")
	if _, drawn, w := load(t, small, dir); !drawn || w != nil {
		t.Errorf("first: drawn %v, warnings %v, want true and none", drawn, w)
	}
	if name := filepath.Base(cacheFile(t, dir)); !strings.HasSuffix(name, "-seed7.safetensors") {
		t.Errorf("cache file is called %s", name)
	}
	if _, drawn, w := load(t, small, dir); drawn || w != nil {
		t.Errorf("second: drawn %v, warnings %v, want false and none", drawn, w)
	}
	spelled := small // the same data set with the defaults written out
	spelled.MaxArgs, spelled.OperatorP = 10, 0.25
	if _, drawn, _ := load(t, spelled, dir); drawn {
		t.Error("defaults written out: drawn anew")
	}
	for _, cfg := range []Config{
		{Train: 300, Val: 40, Test: 60, MinLength: 10, MaxLength: 120, Seed: 8},
		{Train: 301, Val: 40, Test: 60, MinLength: 10, MaxLength: 120, Seed: 7},
	} {
		if _, drawn, _ := load(t, cfg, dir); !drawn {
			t.Errorf("%+v was taken from the cache of another", cfg)
		}
	}
}

func TestLoadWithoutCache(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, drawn, w := load(t, small, ""); !drawn || w != nil {
		t.Errorf("drawn %v, warnings %v, want true and none", drawn, w)
	}
	if entries, err := os.ReadDir("."); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestLoadReplacesDamagedCache(t *testing.T) {
	dir := t.TempDir()
	load(t, small, dir)
	path := cacheFile(t, dir)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), whole...)
	flipped[len(flipped)-5] ^= 1
	for name, content := range map[string][]byte{
		"empty":     {},
		"truncated": whole[:len(whole)/2],
		"longer":    append(whole[:len(whole):len(whole)], 0),
		"one bit":   flipped,
		"garbage":   []byte("not a cache file at all"),
	} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		_, drawn, w := load(t, small, dir)
		if !drawn || len(w) != 1 || !strings.Contains(w[0], "cannot use the cache") || !strings.Contains(w[0], path) {
			t.Errorf("%s: drawn %v, warnings %q, want true and one about %s", name, drawn, w, path)
		}
		if _, drawn, w := load(t, small, dir); drawn || w != nil {
			t.Errorf("%s: not repaired: drawn %v, warnings %q", name, drawn, w)
		}
	}
}

// keep puts d in the cache as what cfg describes.
func keep(t *testing.T, cfg Config, dir string, d *Data) {
	t.Helper()
	c := cfg.cache()
	c.Dir, c.Warn = dir, func(err error) { t.Error(err) }
	if _, err := data.Load(c, data.Kept[*Data]{Make: func() (*Data, error) { return d, nil }, Save: (*Data).tensors}); err != nil {
		t.Fatal(err)
	}
}

// A file may be whole and have contents that no data set has.
func TestLoadDistrustsTheCache(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(d *Data)
	}{
		{"target", "want a target < 10, got 10", func(d *Data) { d.Val.targets[3] = 10 }},
		{"token", "want the token of a symbol, got 200", func(d *Data) { d.Val.tokens[3] = 200 }},
		{"expression", "example 39: expression is cut off", func(d *Data) { d.Val.tokens[len(d.Val.tokens)-1] = digit0 }},
		{"lengths", "want a length in [1,", func(d *Data) { d.Val.ends[0] = 0 }},
		{"too long", "want a length in [1,", func(d *Data) { d.Val.ends[39]++ }},
		{"too short", "lists are not closed", func(d *Data) { d.Val.ends[39]-- }},
		{"targets", "want as many targets as lengths, got 41 and 40", func(d *Data) { d.Val.targets = append(d.Val.targets, 1) }},
		{"one token more", "tokens, got", func(d *Data) { d.Val.tokens = append(d.Val.tokens, digit0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, dir := generate(t, small), t.TempDir()
			c.change(d)
			keep(t, small, dir, d)
			path := cacheFile(t, dir)
			_, drawn, w := load(t, small, dir)
			if !drawn || len(w) != 1 || !strings.Contains(w[0], c.want) || !strings.Contains(w[0], path+": val: ") {
				t.Errorf("drawn %v, warnings %q, want true and one with %q", drawn, w, c.want)
			}
		})
	}
}

func TestLoadWarnsWhenItCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, drawn, w := load(t, small, filepath.Join(file, "below"))
	if !drawn || len(w) == 0 || !strings.Contains(w[len(w)-1], "cannot cache") {
		t.Errorf("drawn %v, warnings %q, want a warning that there is no cache", drawn, w)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(context.Background(), Config{Train: -1}, dir, Report{}); err == nil {
		t.Error("bad Config: no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Load(ctx, small, dir, Report{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}
