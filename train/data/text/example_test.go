package text_test

import (
	"fmt"
	"log"

	"github.com/gorgonia-s4/s4/train/data/text"
)

// Texts become tokens: characters that are frequent enough, or bytes.
func ExampleVocabulary() {
	var counts, more text.Counts
	for _, t := range []string{"abba", "a café\r\n"} {
		counts.Add(text.Clean([]byte(t)), 1)
	}
	more.Add([]byte("bb"), 1)
	counts.Merge(&more)
	chars, err := text.New(text.Char, &counts, 2, 10, false) // of those that are there twice
	if err != nil {
		log.Fatal(err)
	}
	var v *text.Vocabulary = chars
	ids := v.Encode("abc")
	for _, id := range ids {
		fmt.Print(v.Token(id), " ")
	}
	fmt.Println(ids, v.Size(), "tokens")
	fmt.Println(v.Token(text.Pad), v.Length([]byte("ab")), v.Append([]int{-1}, []byte("ab")))

	bytes, err := text.New(text.Byte, nil, 0, 10, true)
	if err != nil {
		log.Fatal(err)
	}
	var level text.Level = bytes.Level
	fmt.Println(text.Level("word").Validate())
	fmt.Printf("%s: %q, at most %d ids\n", level, bytes.Pieces(bytes.Encode("é!")), text.Bytes)
	// Output:
	// a b <unk> <eos> [3 4 1 2] 5 tokens
	// <pad> 3 [-1 3 4 2]
	// want "char" or "byte", got "word"
	// byte: ["é" "" "!"], at most 258 ids
}

// Many texts in memory, kept in the cache of a data set.
func ExampleTexts() {
	var ts text.Texts
	ts.Grow(100)
	for _, t := range []string{"one", "two three"} {
		ts.Add(text.Prefix([]byte(t), 5))
	}
	again, err := text.Restore(ts.Tensors("texts"), "texts")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d texts of %d bytes, %q\n", again.Len(), again.Size(), again.At(1))
	// Output: 2 texts of 8 bytes, "two t"
}
