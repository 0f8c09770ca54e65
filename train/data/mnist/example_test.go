package mnist_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/mnist"
)

// Digits to learn where there are no data, read in an order that is drawn.
func ExampleDraw() {
	cfg := mnist.Config{Order: mnist.Random, OrderSeed: 1, ValFraction: 0.2}
	if err := cfg.Validate(); err != nil {
		log.Fatal(err)
	}
	d, err := mnist.Draw(cfg, 50, 10)
	if err != nil {
		log.Fatal(err)
	}
	var training *mnist.Dataset = d.Train
	fmt.Println(training.Len(), "sequences of", mnist.Length, "steps, validated on", d.Val.Len())
	fmt.Println(training.ClassCounts(), training.Describe()["order"])
	fmt.Printf("%q, or in the other data set %q\n", mnist.DigitNames[training.Label(0)], mnist.ClothesNames[0])
	fmt.Println(training.Picture(0).Bounds(), training.Origin(0))
	fmt.Println(len(cfg.Permutation()), "pixels,", mnist.Classes, "classes")
	// Output:
	// 40 sequences of 784 steps, validated on 10
	// [5 4 5 4 3 4 4 4 3 4] random
	// "0", or in the other data set "T-shirt/top"
	// (0,0)-(28,28) drawn: training image 0
	// 784 pixels, 10 classes
}

// idx returns n numbers, or images of them, in the format of the published files.
func idx(n int, shape ...uint32) []byte {
	b := []byte{0, 0, 8, byte(1 + len(shape))}
	size := n
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	for _, s := range shape {
		b = binary.BigEndian.AppendUint32(b, s)
		size *= int(s)
	}
	return append(b, bytes.Repeat([]byte{7}, size)...)
}

// The published files, or others of their format.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "mnist")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for name, content := range map[string][]byte{
		"train-images-idx3-ubyte": idx(20, mnist.Side, mnist.Side), "train-labels-idx1-ubyte": idx(20),
		"t10k-images-idx3-ubyte": idx(5, mnist.Side, mnist.Side), "t10k-labels-idx1-ubyte": idx(5),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			log.Fatal(err)
		}
	}
	var d *mnist.Data
	d, err = mnist.Load(context.Background(), dir, mnist.Config{}, data.Room{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Train.Len(), d.Val.Len(), d.Test.Len(), d.Train.Label(0))

	n := 0
	err = mnist.ReadImages(bytes.NewReader(idx(5, mnist.Side, mnist.Side)), func(i int, pixels []uint8) error {
		n += len(pixels)
		return nil
	})
	fmt.Println(n, err)
	// Output:
	// 18 2 5 7
	// 3920 <nil>
}
