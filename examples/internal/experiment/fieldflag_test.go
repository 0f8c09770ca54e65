package experiment

import (
	"slices"
	"strings"
	"testing"
)

// What help says of a field is of one that a kind of layer has, and it says something of
// all that an echo state network has.
func TestUsages(t *testing.T) {
	for _, u := range usages {
		has := func(kind string) bool { m, err := newMixer(kind); return err == nil && m.has(u.key) }
		if !slices.ContainsFunc(kindNames(), has) {
			t.Errorf("no kind of layer has the field %q", u.key)
		}
	}
	m, err := newMixer("esn")
	if err != nil {
		t.Fatal(err)
	}
	all, err := fieldFlags(&m, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if m.has(f.key) && strings.HasSuffix(f.usage, "of the layer's configuration") {
			t.Errorf("-%s: help says no more than %q", f.flag, f.usage)
		}
	}
}
