package cifar_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/cifar"
)

// Images to learn where there are no data, as sequences of grey levels, of three
// colours, or of tokens.
func ExampleDraw() {
	fmt.Println(cifar.Config{Encoding: "cmyk"}.Validate())
	for _, e := range []cifar.Encoding{cifar.Gray, cifar.RGB, cifar.Tokens} {
		d, err := cifar.Draw(cifar.Config{Encoding: e, ValFraction: 0.2}, 50, 10)
		if err != nil {
			log.Fatal(err)
		}
		var training *cifar.Dataset = d.Train
		mean, deviation := e.Scale()
		fmt.Println(e, training.Len(), "of", cifar.Length, "steps,", e.Features(), "features", len(mean), len(deviation), training.Fields()[0].Shape)
		if e == cifar.Tokens {
			fmt.Println(cifar.VocabSize, "tokens", cifar.DrawnNames[training.Label(0)] != "", training.ClassCounts())
		}
	}
	// Output:
	// cifar: Config.Encoding: want "gray", "rgb" or "tokens", got "cmyk"
	// gray 40 of 1024 steps, 1 features 1 1 [1]
	// rgb 40 of 1024 steps, 3 features 3 3 [3]
	// tokens 40 of 1024 steps, 0 features 0 0 []
	// 256 tokens true [5 4 5 4 3 4 4 4 3 4]
}

// The published archive, a folder of its files, or, as here, files of a data set hub.
func ExampleLoad() {
	var d *cifar.Data
	d, err := cifar.Load(context.Background(), "../hub/testdata/cifar10", cifar.Config{ValFraction: 0.5}, data.Room{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Train.Len(), d.Val.Len(), d.Test.Len(), "of", cifar.Classes, "classes of", cifar.Side, "by", cifar.Side, "pixels")
	fmt.Println(cifar.ClassNames[d.Test.Label(0)], d.Test.Origin(0))
	// Output:
	// 2 2 2 of 10 classes of 32 by 32 pixels
	// airplane ../hub/testdata/cifar10: row 0 of test
}
