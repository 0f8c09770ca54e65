package tokenizer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// A vocabulary of each kind from one text, which a model saves, and knows again.
func ExampleTrainBPE() {
	line := []byte("the cat sat on the mat . the cat sat .\n")
	count := func(kind string) *tokenizer.Counts {
		c, err1 := tokenizer.NewCounts(kind)
		more, err2 := tokenizer.NewCounts(kind)
		check(err1, err2)
		check(c.Add(line), more.Add(line), c.Merge(more)) // parts of a text, by several goroutines
		return c
	}
	fmt.Println(tokenizer.VocabConfig{Size: -1}.Validate())
	bpe, err1 := tokenizer.TrainBPE(context.Background(), count(tokenizer.KindBPE), tokenizer.VocabConfig{Size: 270})
	words, err2 := tokenizer.Words(count(tokenizer.KindWord), tokenizer.VocabConfig{MinFreq: 4})
	chars, err3 := tokenizer.Chars(count(tokenizer.KindChar), tokenizer.VocabConfig{})
	check(err1, err2, err3)
	for _, t := range []tokenizer.Tokenizer{bpe, words, chars, tokenizer.Bytes()} {
		ids, err := t.Encode(nil, []byte("the cat ran"))
		check(err)
		fmt.Printf("%s: %d of %d ids, the first %q, ends %d, unknown %d: %q\n", t.Kind(), len(ids), t.Vocab(), t.Token(ids[0]), t.EOS(), tokenizer.Unknown(t), t.Decode(nil, ids...))
		if t.Kind() == tokenizer.KindByte {
			continue // nothing to save
		}
		saved, err := tokenizer.Marshal(t)
		check(err)
		again, err := tokenizer.Unmarshal(saved)
		check(err)
		a, err1 := tokenizer.Fingerprint(t)
		b, err2 := tokenizer.Fingerprint(again)
		check(err1, err2)
		if a != b {
			fmt.Println("another one")
		}
	}
	// Output:
	// tokenizer: VocabConfig: want Size in [0, 4194304], got -1
	// bpe: 6 of 269 ids, the first "the", ends -1, unknown -1: "the cat ran"
	// word: 3 of 6 ids, the first "the", ends 0, unknown 1: " the cat <unk>"
	// char: 11 of 13 ids, the first "t", ends -1, unknown 0: "the cat �an"
	// byte: 11 of 256 ids, the first "t", ends -1, unknown -1: "the cat ran"
}

// The tokenizer of a model from elsewhere, and text that is written token by token:
// characters are whole when they come.
func ExampleDecoder() {
	t, err := tokenizer.Open("testdata/tokenizer.json")
	check(err)
	ids, err := t.Encode(nil, []byte("naïve"))
	check(err)
	d := tokenizer.NewDecoder(t)
	var text string
	for _, id := range ids {
		text += d.Next(id)
	}
	fmt.Printf("%s %q\n", text, d.Flush())

	var bytes *tokenizer.Decoder = tokenizer.NewDecoder(tokenizer.Bytes())
	fmt.Printf("%q %q %q %q\n", bytes.Next(0xc3), bytes.Next(0xaf), bytes.Next(0xc3), bytes.Flush())
	// Output:
	// naïve ""
	// "" "ï" "" "�"
}

// A closed vocabulary has no token for what it does not know: the error says where that
// is. Of words the ends in the text are told, and where a long text may be cut.
func ExampleNewWords() {
	words, err := tokenizer.NewWords([]string{"<eos>", "the", "cat"})
	check(err)
	_, err = words.Encode(nil, []byte("the dog"))
	var unknown *tokenizer.UnknownError
	if errors.As(err, &unknown) {
		fmt.Printf("%q at byte %d\n", unknown.Token, unknown.Offset)
	}
	if w, ok := words.(tokenizer.Ends); ok {
		ids, ends, err := w.EncodeEnds(nil, nil, []byte("the  cat"))
		fmt.Println(ids, ends, err)
	}
	fmt.Println(tokenizer.Cut(tokenizer.KindWord, []byte("the cat is")))
	n, inside := tokenizer.CountWords([]byte("the ca"), false)
	more, _ := tokenizer.CountWords([]byte("t is"), inside)
	fmt.Println(n, "and", more, "words, in the middle of one:", inside)
	_, err = tokenizer.NewWords(make([]string, tokenizer.MaxVocab+1))
	fmt.Println(err != nil)

	dir, err := os.MkdirTemp("", "tokenizer")
	check(err)
	defer os.RemoveAll(dir)
	_, err = tokenizer.Open(filepath.Join(dir, "nothing.json"))
	fmt.Println(errors.Is(err, os.ErrNotExist))
	// Output:
	// "dog" at byte 4
	// [1 2] [3 8] <nil>
	// 7
	// 2 and 1 words, in the middle of one: true
	// true
	// true
}
