package tokenizer_test

import (
	"context"
	"testing"

	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// BenchmarkEncode encodes the novels, on one core.
func BenchmarkEncode(b *testing.B) {
	text := novels(b)
	for _, kind := range []string{tokenizer.KindByte, tokenizer.KindChar, tokenizer.KindWord, tokenizer.KindBPE} {
		b.Run(kind, func(b *testing.B) {
			tok := tokenizer.Bytes()
			if kind != tokenizer.KindByte {
				c, err := tokenizer.NewCounts(kind)
				if err == nil {
					err = c.Add(text)
				}
				if err == nil {
					tok, err = map[string]func() (tokenizer.Tokenizer, error){
						tokenizer.KindWord: func() (tokenizer.Tokenizer, error) { return tokenizer.Words(c, tokenizer.VocabConfig{}) },
						tokenizer.KindChar: func() (tokenizer.Tokenizer, error) { return tokenizer.Chars(c, tokenizer.VocabConfig{}) },
						tokenizer.KindBPE: func() (tokenizer.Tokenizer, error) {
							return tokenizer.TrainBPE(context.Background(), c, tokenizer.VocabConfig{Size: 8192})
						},
					}[kind]()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(text)))
			var ids []int
			for b.Loop() {
				var err error
				if ids, err = tok.Encode(ids[:0], text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
