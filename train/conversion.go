package train

import (
	"github.com/gorgonia-s4/s4/internal/bfloat16"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// conversion is a loop between numbers and bfloat16 on all workers. It is made once
// and makes no garbage.
type conversion[T num.Float] struct {
	loop    *par.Loop
	bytes   []byte
	numbers []T
	rest    []T
	keep    T
}

// newConversion returns the loop over f, which works on the elements [lo, hi).
func newConversion[T num.Float](f func(c *conversion[T], lo, hi int)) *conversion[T] {
	c := &conversion[T]{}
	c.loop = par.NewLoop(func(_, i int) {
		f(c, i*pieceSize, min((i+1)*pieceSize, len(c.numbers)))
	})
	return c
}

// run makes the loop over all numbers.
func (c *conversion[T]) run(bytes []byte, numbers, rest []T) {
	c.bytes, c.numbers, c.rest = bytes, numbers, rest
	c.loop.Run((len(numbers) + pieceSize - 1) / pieceSize)
}

// roundTo writes the numbers to bytes and keeps the rests.
func roundTo[T num.Float](c *conversion[T], lo, hi int) {
	bfloat16.Split(c.bytes[bfloat16.Size*lo:bfloat16.Size*hi], c.rest[lo:hi], c.keep, c.numbers[lo:hi])
}

// readFrom reads the numbers from bytes.
func readFrom[T num.Float](c *conversion[T], lo, hi int) {
	bfloat16.Read(c.numbers[lo:hi], c.bytes[bfloat16.Size*lo:bfloat16.Size*hi])
}

// addFrom makes the numbers the sum of those in bytes, where as many follow one another
// as there are ranks.
func addFrom[T num.Float](c *conversion[T], lo, hi int) {
	clear(c.numbers[lo:hi])
	n := len(c.numbers)
	for b := c.bytes; len(b) > 0; b = b[bfloat16.Size*n:] {
		bfloat16.Add(c.numbers[lo:hi], b[bfloat16.Size*lo:bfloat16.Size*hi])
	}
}
