// Package book is a text to train a language model on where there is no other: the
// novels Emma (1815) and Persuasion (1817) of Jane Austen, one after the other, 1.35 MB
// of ASCII in lines of a book's width. They are in the public domain; there is nothing
// in the text but the novels.
package book

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"sync"
)

// Title says what the text is.
const Title = "Emma and Persuasion, Jane Austen"

//go:embed austen.txt.gz
var packed []byte

// Text returns the text, of which each caller gets a copy.
func Text() []byte { return bytes.Clone(unpacked()) }

// unpacked unpacks the text once.
var unpacked = sync.OnceValue(func() []byte {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	var text []byte
	if err == nil {
		text, err = io.ReadAll(r)
	}
	if err != nil { // the test reads it: it cannot be of another build
		panic(fmt.Sprintf("book: the embedded text: %v", err))
	}
	return text
})
