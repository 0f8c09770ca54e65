package main

import (
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/corpus"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// metrics are the perplexity for a token, the bits for a byte, and where tokens are
// words or pieces of them the perplexity for a word. The bytes are those of the tokens
// that are to be told, the words as many as so many bytes of the training text have.
func metrics(c *corpus.Data) []train.Metric {
	sizes := sizesOf(c.Tokenizer)
	bytes := func(b *task.Batch) float64 { return sizes.of(b) }
	all := []train.Metric{train.Perplexity(), train.BitsPerByte(bytes)}
	if k := c.Tokenizer.Kind(); k == tokenizer.KindByte || k == tokenizer.KindChar {
		return all
	}
	perByte := float64(c.Train.Words()) / float64(max(1, c.Train.Bytes()))
	words := func(b *task.Batch) float64 { return perByte * sizes.of(b) }
	return append(all, train.WordPerplexity(words))
}

// sizes is the number of bytes of each token.
type sizes []float64

// sizesOf returns the sizes of the tokens of a tokenizer.
func sizesOf(t tokenizer.Tokenizer) sizes {
	s := make(sizes, t.Vocab())
	var text []byte
	for id := range s {
		text = t.Decode(text[:0], id)
		s[id] = float64(len(text))
	}
	return s
}

// of returns the bytes of the targets of a batch.
func (s sizes) of(b *task.Batch) float64 {
	target, err := b.Array(task.Target)
	if err != nil {
		return 0
	}
	n := 0.0
	for _, id := range target.Ints {
		if id >= 0 && id < len(s) {
			n += s[id]
		}
	}
	return n
}
