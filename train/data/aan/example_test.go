package aan_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/aan"
)

// write writes a file for an Example.
func write(dir, name, content string) {
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		log.Fatal(err)
	}
}

// Pairs of one's own, and those of published files.
func ExampleNew() {
	ctx, cfg, room := context.Background(), aan.Config{LMax: 30}, data.Room{}
	if err := cfg.Validate(); err != nil {
		log.Fatal(err)
	}
	pairs := []aan.Pair{{First: "state spaces", Second: "hidden states", Label: 1, Name: "1"}, {First: "cooking", Second: "recurrence", Label: 0, Name: "2"}}
	d, err := aan.New(ctx, data.Splits[[]aan.Pair]{Train: pairs, Val: pairs, Test: pairs}, cfg, room)
	if err != nil {
		log.Fatal(err)
	}
	var training *aan.Dataset = d.Train
	first, second := training.Texts(0)
	fmt.Println(first, "-", second, "-", aan.ClassNames[training.Label(0)], training.ClassCounts(), training.Origin(1))

	dir, err := os.MkdirTemp("", "aan")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, split := range []string{"train", "eval", "test"} {
		write(dir, "new_aan_pairs."+split+".tsv", "1\tP1\tP2\tone text\tanother\n0\tP3\tP4\tone text\tsomething else\n")
	}
	var read *aan.Data
	if read, err = aan.Load(ctx, dir, cfg, room); err != nil {
		log.Fatal(err)
	}
	fmt.Println(read.Train.Len(), read.Vocabulary.Size() > 3, aan.Classes, "classes")
	// Output:
	// state spaces - hidden states - related [1 1] 2
	// 2 true 2 classes
}

// Where there are no published pairs: passages of books, of one or of two.
func ExamplePassages() {
	dir, err := os.MkdirTemp("", "books")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, title := range []string{"a", "b", "c", "d"} {
		write(dir, title+".txt", strings.Repeat("A sentence of book "+title+". ", 400))
	}
	d, err := aan.Passages(context.Background(), dir, aan.PassageConfig{Train: 8, Val: 4, Test: 4, Passage: 100}, data.Room{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Train.Len(), d.Val.ClassCounts())
	// Output: 8 [2 2]
}
