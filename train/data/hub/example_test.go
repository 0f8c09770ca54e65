package hub_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"

	"github.com/gorgonia-s4/s4/train/data/hub"
)

// The Parquet files of a split, as hubs of data sets have them: of each row the columns
// that are wanted, by any of the names that they may have.
func ExampleRead() {
	files, err := hub.Find("testdata/imdb", "train")
	if err != nil {
		log.Fatal(err)
	}
	columns := []hub.Column{{Names: []string{"review", "text"}, Kind: hub.Text}, {Names: []string{"label"}, Kind: hub.Int}}
	for _, file := range files {
		err := hub.Read(context.Background(), file, columns, func(row int64, v []hub.Value) error {
			var label hub.Value = v[1]
			fmt.Println(row, len(v[0].Bytes) > 0, label.Int, label.Null)
			if row == 1 {
				return fs.SkipAll // enough
			}
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 0 true 0 false
	// 1 true 1 false
}
