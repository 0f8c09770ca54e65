package generate_test

import (
	"context"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
)

func TestText(t *testing.T) {
	tok := alphabet()
	g := newGenerator(t, newModel(t, tensor.Float32, tok.Vocab(), nil), tok)
	for _, o := range []generate.Options{{MaxTokens: 40}, {MaxTokens: 40, Temperature: 1, Seed: 3}, {MaxTokens: 30, Temperature: 1, Stop: []string{"e"}}} {
		var pieces string
		r, err := g.Text(context.Background(), "the cab", o, func(p generate.Piece) error { pieces += p.Text; return nil })
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%q %+v", r.Text, r)
		if r.Text != pieces || slices.Contains([]string{"", "error"}, r.FinishReason) {
			t.Error(pieces)
		}
	}
}
