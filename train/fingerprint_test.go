package train

import (
	"errors"
	"maps"
	"slices"
	"testing"
)

// chosen is data that say how they were chosen.
type chosen struct {
	*tokenData
	how map[string]string
}

func (c chosen) Describe() map[string]string { return c.how }

func TestIdentifyTellsDataApart(t *testing.T) {
	of := func(change func(*tokenData)) DataID {
		d := newTokenData(20, 3, 9, tinyVocab, tinyClasses, 1)
		for i := range d.examples {
			d.examples[i].Tokens = slices.Clone(d.examples[i].Tokens)
		}
		change(d)
		return identify(d)
	}
	id := of(func(*tokenData) {})
	if !id.same(of(func(*tokenData) {})) || id.Examples != 20 || id.Shortest < 3 || id.Longest > 9 {
		t.Errorf("got %+v and %+v for the same data", id, of(func(*tokenData) {}))
	}
	for name, change := range map[string]func(*tokenData){
		"a token":           func(d *tokenData) { d.examples[7].Tokens[1] = (d.examples[7].Tokens[1] + 1) % tinyVocab },
		"a label":           func(d *tokenData) { d.examples[19].Label = (d.examples[19].Label + 1) % tinyClasses },
		"the order":         func(d *tokenData) { d.examples[0], d.examples[1] = d.examples[1], d.examples[0] },
		"one less":          func(d *tokenData) { d.examples = d.examples[:19] },
		"one more step":     func(d *tokenData) { d.examples[3].Tokens = append(d.examples[3].Tokens, 0) },
		"a label each":      func(d *tokenData) { d.examples[3].Labels = make([]int, len(d.examples[3].Tokens)) },
		"features":          func(d *tokenData) { d.examples[3].Features = []float32{0} },
		"an unreadable one": func(d *tokenData) { d.fail = map[int]error{4: errors.New("unreadable")} },
		"a step moved over": func(d *tokenData) {
			a, b := &d.examples[3], &d.examples[4]
			a.Tokens, b.Tokens = append(a.Tokens, b.Tokens[0]), b.Tokens[1:]
		},
	} {
		if got := of(change); id.same(got) {
			t.Errorf("%s: the data are taken for the same", name)
		}
	}
	how := map[string]string{"min-length": "3"}
	got := identify(chosen{newTokenData(20, 3, 9, tinyVocab, tinyClasses, 1), how})
	if !id.same(got) || !maps.Equal(got.Chosen, how) {
		t.Errorf("got %+v, want the same data, chosen by %v", got, how)
	}
}

func BenchmarkIdentify(b *testing.B) {
	d := newTokenData(1000, 1000, 1000, tinyVocab, tinyClasses, 1)
	b.SetBytes(1000 * 1000)
	for b.Loop() {
		identify(d)
	}
}
