package imdb_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/imdb"
)

// Texts of one's own, presented as the reviews are, and the reviews of a folder.
func ExampleNew() {
	ctx, cfg, room := context.Background(), imdb.Config{MinFreq: 1, LMax: 20}, data.Room{}
	if err := cfg.Validate(); err != nil {
		log.Fatal(err)
	}
	d, err := imdb.New(ctx,
		[]imdb.Review{{Text: "a good film", Label: 1, Name: "1"}, {Text: "a bad one", Label: 0, Name: "2"}},
		[]imdb.Review{{Text: "good", Label: 1, Name: "3"}, {Text: "bad", Label: 0, Name: "4"}}, cfg, room)
	if err != nil {
		log.Fatal(err)
	}
	var training *imdb.Dataset = d.Train
	fmt.Println(training.Text(0), "-", imdb.ClassNames[training.Label(0)], training.ClassCounts(), training.Origin(0))

	dir, err := os.MkdirTemp("", "imdb")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"train/pos/0_9.txt", "train/neg/0_2.txt", "test/pos/0_8.txt", "test/neg/0_1.txt"} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("a film of "+name), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	var read *imdb.Data
	if read, err = imdb.Load(ctx, dir, cfg, room); err != nil {
		log.Fatal(err)
	}
	fmt.Println(read.Train.Len(), read.Test.Len(), read.Vocabulary.Size() > 3, imdb.Classes, "classes")
	// Output:
	// a bad one - negative [1 1] 2
	// 2 2 true 2 classes
}
