package experiment

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What help says of a field is of one that a kind of layer has, and it says something of
// all fields of the library's layers.
func TestUsages(t *testing.T) {
	for _, u := range usages {
		has := func(kind string) bool { m, err := newMixer(kind); return err == nil && m.has(u.key) }
		if !slices.ContainsFunc(kindNames(), has) {
			t.Errorf("no kind of layer has the field %q", u.key)
		}
	}
	m, err := newMixer("s4")
	if err != nil {
		t.Fatal(err)
	}
	all, err := fieldFlags(&m, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	outside := 0
	for _, f := range all {
		switch {
		case f.usage != fmt.Sprintf(unknown, f.key):
		case slices.Equal(f.takers, []string{"gain"}): // of these tests
			outside++
		default:
			t.Errorf("-%s: help says no more than %q", f.flag, f.usage)
		}
	}
	if outside != 1 {
		t.Errorf("got %d options of a layer from outside the library, want 1", outside)
	}
}

// The choices of an option are all that the layer takes.
func TestChoices(t *testing.T) {
	for _, c := range []struct{ kind, key, value string }{
		{"s4d", "mixing", "half_glu1"}, {"s5", "mixing", "half_glu2"}, {"s5", "output_init", "complex_normal"},
		{"dss", "version", "clip-no-scale"}, {"attention", "form", "linear"}, {"hippo-rnn", "update_order", "paper"},
	} {
		m, err := newMixer(c.kind)
		if err != nil {
			t.Fatal(err)
		}
		all, err := fieldFlags(&m, func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(f *fieldFlag) bool { return f.key == c.key })
		if err := all[i].Set(c.value); err != nil {
			t.Errorf("%s: -%s %s: %v", c.kind, all[i].flag, c.value, err)
		}
		if got := m.text(c.key); got != c.value {
			t.Errorf("%s: -%s %s: got %q", c.kind, all[i].flag, c.value, got)
		}
		if err := all[i].Set(""); err != nil || m.has(c.key) && m.text(c.key) != "" {
			t.Errorf("%s: -%s '': got %q and error %v, want the default of the layer", c.kind, all[i].flag, m.text(c.key), err)
		}
		if err := all[i].Set("other"); err == nil || !strings.HasPrefix(err.Error(), "want one of ") {
			t.Errorf("%s: -%s other: got error %v", c.kind, all[i].flag, err)
		}
	}
}
