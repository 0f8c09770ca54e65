package generate_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
)

// letters is a tokenizer for tests: a token for each of its pieces of text, of which
// the longest that fits is taken.
type letters struct {
	pieces []string
	eos    int
}

func (l letters) Vocab() int { return len(l.pieces) }
func (l letters) EOS() int   { return l.eos }

func (l letters) Encode(dst []int, text []byte) ([]int, error) {
	for len(text) > 0 {
		best := -1
		for id, p := range l.pieces {
			if strings.HasPrefix(string(text), p) && p != "" && (best < 0 || len(p) > len(l.pieces[best])) {
				best = id
			}
		}
		if best < 0 {
			return nil, errUnknown
		}
		dst, text = append(dst, best), text[len(l.pieces[best]):]
	}
	return dst, nil
}

func (l letters) Decode(dst []byte, ids ...int) []byte {
	for _, id := range ids {
		dst = append(dst, l.pieces[id]...)
	}
	return dst
}

var errUnknown = generateError("no such letter")

type generateError string

func (e generateError) Error() string { return string(e) }

// alphabet has a letter for each token, pieces of several, halves of a character, and
// an end of text.
func alphabet() letters {
	l := letters{pieces: []string{"", " ", "ab", "abc", "\xc3", "\xa9", "\xe2\x82", "\xac", ".", "\n"}}
	for c := 'a'; c <= 'z'; c++ {
		l.pieces = append(l.pieces, string(c))
	}
	return l
}

// newModel returns a small model of random parameters.
func newModel(t testing.TB, dt tensor.Dtype, vocab int, mixer layers.MixerConfig) *models.LanguageModel {
	t.Helper()
	if mixer == nil {
		mixer = layers.S4DConfig{DModel: 8, DState: 4}
	}
	m, err := models.NewLanguageModel(G.NewGraph(), dt, models.LanguageModelConfig{
		Vocab: vocab,
		Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{{Mixer: mixer, PreNorm: true}}},
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	sharpen(t, m)
	return m
}

// sharpen makes the scores of a model differ more than those of one just made, so that
// texts depend on what has been read.
func sharpen(t testing.TB, m *models.LanguageModel) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, p := range m.Params() {
		if strings.HasPrefix(p.Name, "encoder.") || strings.HasPrefix(p.Name, "decoder.") {
			v := testutil.Normal(rng, p.Name, p.Node.Shape()...)
			if err := G.Let(p.Node, testutil.Dense(p.Node.Dtype(), v.F, p.Node.Shape()...)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func newGenerator(t testing.TB, m generate.Model, tok generate.Tokenizer, opts ...generate.Option) *generate.Generator {
	t.Helper()
	g, err := generate.New(m, tok, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// retrain gives a model of float32 another embedding.
func retrain(t *testing.T, m *models.LanguageModel) {
	t.Helper()
	for _, p := range m.Params() {
		if p.Name == "encoder.weight" {
			v, err := p.Value()
			if err != nil {
				t.Fatal(err)
			}
			slices.Reverse(v.Float32s())
		}
	}
}
