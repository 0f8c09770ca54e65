package layers

import (
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Head is a layer that ends a language model: it maps hidden vectors to the
// probabilities of classes, of which there are Vocab, one for each token id. Softmax and
// AdaptiveSoftmax are the heads of this package.
type Head interface {
	Mixer
	Stepper
	// Vocab returns the number of classes.
	Vocab() int
	// NLL maps hidden (B, H, L) and labels (B, L) of dtype int to the negative
	// log-likelihood of each label, (B, L), without the scores of all classes in
	// memory. It is 0 where a label is ops.IgnoreLabel, or behind the lengths (B) of
	// dtype int, which may be nil: there nothing is computed.
	NLL(hidden, labels, lengths *G.Node) (*G.Node, error)
}

// TiedTo gives a layer whose configuration ties parameters to those of another, on the
// same graph, that other one: a Softmax or an AdaptiveSoftmax with Tie an Embedding or an
// AdaptiveEmbedding. It is an Option, and for a copy of the layer a CloneOption, which has
// to name a copy of the other on the graph of the copy:
//
//	table, err := layers.NewEmbedding(g, dt, layers.EmbeddingConfig{Vocab: v, DModel: h}, layers.WithName("encoder"))
//	head, err := layers.NewSoftmax(g, dt, layers.SoftmaxConfig{DModel: h, Vocab: v, Tie: true}, layers.WithName("decoder"), layers.TiedTo(table))
//
// Nodes that are tied are those of the other layer: gradients of both are added up, and
// they are in the Params of the other layer alone.
func TiedTo(other Layer) func(*Builder) { return func(b *Builder) { b.tied = other } }

// Tied returns the node of a parameter of the layer that TiedTo named, by its name there,
// such as "weight". It fails if there is none of that shape. After an error it returns
// nil.
func (b *Builder) Tied(name string, shape ...int) *G.Node {
	if !b.ready() {
		return nil
	}
	if isNil(b.tied) {
		b.Fail(fmt.Errorf("want the layer whose parameter %q is tied: give TiedTo, for a copy too", name))
		return nil
	}
	full := b.tied.Name() + "." + name
	for _, p := range b.tied.Params() {
		if p.Name != full {
			continue
		}
		switch n := p.Node; {
		case n.Graph() != b.g:
			b.Fail(fmt.Errorf("want the layer that it is tied to on the same graph, got %q on another: make a copy of it there first", b.tied.Name()))
		case n.Dtype() != b.dt || !slices.Equal(n.Shape(), shape):
			b.Fail(fmt.Errorf("want tied parameter %q %v of dtype %v, got %v of dtype %v", full, tensor.Shape(shape), b.dt, n.Shape(), n.Dtype()))
		default:
			return n
		}
		return nil
	}
	var names []string
	for _, p := range b.tied.Params() {
		names = append(names, p.Name)
	}
	b.Fail(fmt.Errorf("want a parameter %q of the layer that it is tied to, which has %s", full, strings.Join(names, ", ")))
	return nil
}

// checkTokens checks the arguments of NLL of a head of hidden vectors of h features.
func (l *Base) checkTokens(hidden *G.Node, h int, labels, lengths *G.Node) error {
	if hidden == nil {
		return l.errorf("NLL", "want hidden (B, %d, L), got nil", h)
	}
	s := hidden.Shape()
	if len(s) != 3 || s[1] != h || slices.Min(s) < 1 || hidden.Dtype() != l.dt {
		return l.errorf("NLL", "want hidden (B, %d, L) of dtype %v, got %v of dtype %v", h, l.dt, s, hidden.Dtype())
	}
	want := tensor.Shape{s[0], s[2]}
	switch {
	case labels == nil:
		return l.errorf("NLL", "want labels %v of dtype int, got nil", want)
	case labels.Dtype() != tensor.Int || !slices.Equal(labels.Shape(), want):
		return l.errorf("NLL", "want labels %v of dtype int, got %v of dtype %v", want, labels.Shape(), labels.Dtype())
	}
	if err := l.checkGraph("hidden", hidden); err != nil {
		return err
	}
	if err := l.checkGraph("labels", labels); err != nil {
		return err
	}
	if err := l.checkSize("hidden", s); err != nil {
		return err
	}
	return l.checkLengths(hidden, lengths)
}

// checkScores checks the arguments of FwdLengths of a head of hidden vectors of h features
// and of so many classes.
func (l *Base) checkScores(x *G.Node, h, vocab int, lengths *G.Node) error {
	if err := l.checkInput(x, h, true); err != nil {
		return err
	}
	out := x.Shape().Clone()
	out[1] = vocab
	if err := l.checkSize("the output (B, Vocab, L)", out); err != nil {
		return err
	}
	return l.checkLengths(x, lengths)
}
