package pathfinder_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/pathfinder"
)

// Pictures of snakes, of which two are joined or not: drawn, written in the layout of
// the published ones, and read again.
func ExampleGenerate() {
	ctx, room := context.Background(), data.Room{}
	cfg := pathfinder.Config{Resolution: pathfinder.Resolutions[0], Difficulty: pathfinder.Easy, Encoding: pathfinder.Centred, Pictures: 20, Seed: 1}
	if err := cfg.Validate(); err != nil {
		log.Fatal(err)
	}
	d, err := pathfinder.Generate(ctx, cfg, room)
	if err != nil {
		log.Fatal(err)
	}
	var training *pathfinder.Dataset = d.Train
	fmt.Println(training.Len(), "of", cfg.Length(), "steps,", training.ClassCounts(), training.Picture(0).Bounds().Dx(), "pixels wide")

	dir, err := os.MkdirTemp("", "pathfinder")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := pathfinder.Write(ctx, dir, cfg, room); err != nil {
		log.Fatal(err)
	}
	var read *pathfinder.Data
	if read, err = pathfinder.Load(ctx, dir, cfg, room); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same:", read.Test.Label(0) == d.Test.Label(0), read.Test.Origin(0) != "", len(training.Describe()) > 0)
	fmt.Println(pathfinder.ClassNames, pathfinder.Difficulties, pathfinder.VocabSize, "tokens", pathfinder.Classes, "classes")
	// Output:
	// 16 of 1024 steps, [4 12] 32 pixels wide
	// the same: true true true
	// [apart joined] [easy intermediate hard] 256 tokens 2 classes
}
