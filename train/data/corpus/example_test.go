package corpus_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/corpus"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// A text of any length becomes tokens, which a language model reads in windows, or in
// streams whose state it carries.
func ExampleFromText() {
	ctx := context.Background()
	fmt.Println(corpus.Config{Tokenizer: "syllable"}.Validate())
	line := "the cat sat on the mat .\n"
	d, err := corpus.FromText(ctx, "cats", []byte(strings.Repeat(line, 100)), corpus.Config{ValFraction: 0.1, TestFraction: 0.1}, data.Room{})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	var test *corpus.Tokens = d.Test
	fmt.Println(test.Len(), "tokens,", test.Words(), "words,", test.Bytes(), "bytes;", test.Name(), "unknown:", test.Unknown(), len(d.Notes))
	some := make([]int, 3)
	n := test.Read(some, 0)
	fmt.Printf("%q\n", d.Tokenizer.Decode(nil, some[:n]...))
	var part corpus.Count = test.Count(0, 8) // for a perplexity per word of them
	fmt.Println(part.Tokens, part.Words, part.Bytes, test.Place(0, 8) != "")

	head := d.Train.Head(100)
	windows, err1 := head.Windows(20)
	sliding, err2 := head.Sliding(20, 10)
	streams, err3 := head.Streams(4, 5)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(windows.Len(), sliding.Len(), streams.Rows())
	if err := test.Close(); err != nil { // of one split alone
		log.Fatal(err)
	}
	// Output:
	// corpus: Config: want the Tokenizer "word", "byte", "char" or "bpe", got "syllable"
	// 80 tokens, 80 words, 250 bytes; cats unknown: 0 0
	// " the cat sat"
	// 8 8 25 true
	// 5 9 4
}

// A file, and the tokenizer of a model that it is read for. What is made of it is kept.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "corpus")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("On and on.\n", 50)), 0o644); err != nil {
		log.Fatal(err)
	}
	var d *corpus.Data
	d, err = corpus.Load(context.Background(), file, corpus.Config{Given: tokenizer.Bytes()}, data.Room{Cache: filepath.Join(dir, "cache")})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	fmt.Println(d.Train.Len()+d.Val.Len()+d.Test.Len(), "bytes")
	// Output: 550 bytes
}
