package experiment

import (
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/layers"
)

// A layer for images has those of squares, or what -shape says.
func TestShapeOfImages(t *testing.T) {
	for _, c := range []struct {
		kind, given string
		steps       int
		want        []int
		err         string
	}{
		{"s4nd", "", 1024, []int{32, 32}, ""},
		{"s4nd", "16x64", 1024, []int{16, 64}, ""},
		{"s4nd", "4, 16,16", 1024, []int{4, 16, 16}, ""},
		{"s4nd", "", 60, nil, "-model s4nd reads images: want sequences that are squares of pixels, or -shape to say what else, got 60 steps"},
		{"s4nd", "16x16", 1024, nil, "-model s4nd reads images: want -shape of as many pixels as the 1024 steps of a sequence, got 16x16"},
		{"s4d", "", 60, nil, ""},
	} {
		m, err := newMixer(c.kind)
		if err != nil {
			t.Fatal(err)
		}
		m.setFeatures(4)
		if f := m.find("shape"); c.given != "" {
			if err := (&fieldFlag{field: *f, mixer: &m}).Set(c.given); err != nil {
				t.Fatal(err)
			}
		}
		r := Recipe{}
		r.Model.Mixer, r.Model.Layers = m, 1
		stack, err := r.Stack(c.steps)
		if err != nil || c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%+v: got error %v", c, err)
			}
			continue
		}
		if cfg, ok := stack.Blocks[0].Mixer.(layers.S4NDConfig); ok && !slices.Equal(cfg.Shape, c.want) {
			t.Errorf("%+v: got shape %v", c, cfg.Shape)
		}
	}
	m, _ := newMixer("s4nd")
	if err := (&fieldFlag{field: *m.find("shape"), mixer: &m}).Set("32by32"); err == nil || !strings.Contains(err.Error(), `want whole numbers, got "32by32"`) {
		t.Errorf("got error %v", err)
	}
}

// A layer for images is told before its training that sequences are shorter, a layer for
// sequences is not.
func TestImagesOfOneLength(t *testing.T) {
	args := func(kind string) []string {
		return []string{"-task", "real", "-model", kind, "-buckets", "9", "-out", t.TempDir() + "/run"}
	}
	want := "-model s4nd reads images: want only sequences of 9 steps, as long as the longest, got one of "
	if out, err := try(t, "", args("s4nd")...); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(out, "parameters:") {
		t.Errorf("got error %v, want %q, and\n%s", err, want, out)
	}
	must(t, args("s4d")...)
}
