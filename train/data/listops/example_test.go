package listops_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/listops"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// Expressions are drawn, or taken from a cache; split and encoded; written as the
// published files are, and read again.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "listops")
	check(err)
	defer os.RemoveAll(dir)
	ctx := context.Background()
	cfg := listops.Config{Train: 20, Val: 4, Test: 4, MinLength: 3, MaxLength: 30, Seed: 1}
	check(cfg.Validate())
	d, err := listops.Load(ctx, cfg, filepath.Join(dir, "cache"), listops.Report{Warn: func(err error) { fmt.Println(err) }})
	check(err)
	var training *listops.Dataset
	training, err = d.Train.Dataset(listops.Encoding{LMax: listops.DefaultLMax})
	check(err)
	counts := d.Train.ClassCounts()
	fmt.Println(training.Len(), "expressions,", len(counts) == listops.Classes, d.Train.Symbols(0) > 2)

	published := filepath.Join(dir, "published")
	check(d.WriteDir(published))
	again, err := listops.ReadDir(published)
	check(err)
	limited, err := listops.Read(ctx, published, data.Room{Limit: 2}) // files of either layout
	check(err)
	fmt.Println(again.Test.Source(0) == d.Test.Source(0), filepath.Base(again.Train.Origin(3)), limited.Train.Len())
	fromHub, err := listops.ReadHub(ctx, published) // nil where there are no such files
	check(err)
	fmt.Println(fromHub == nil)

	file := filepath.Join(dir, "one.tsv") // a split by itself
	check(d.Val.WriteTSV(file))
	split, err := listops.ReadTSV(file)
	check(err)
	val, err := split.Dataset(listops.Encoding{})
	check(err)
	fmt.Println(split.Len(), filepath.Base(val.Origin(0)))
	// Output:
	// 20 expressions, true true
	// true basic_train.tsv:5 2
	// true
	// 4 one.tsv:2
}

// An expression as a model reads it.
func ExampleTokens() {
	ids, err := listops.Tokens([]byte("[MAX 2 9 ]"))
	check(err)
	for _, id := range ids {
		fmt.Print(listops.Symbol(id), " ")
	}
	fmt.Println(len(ids), "of", listops.VocabSize, "tokens,", ids[len(ids)-1] == listops.EOS)
	fmt.Println(listops.Symbol(listops.Pad), listops.Symbol(listops.Unk))
	// Output:
	// [MAX 2 9 ] <eos> 5 of 18 tokens, true
	// <pad> <unk>
}
