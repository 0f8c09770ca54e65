package mnist

import (
	"cmp"
	"fmt"
	"math/rand/v2"
)

// Sizes of the data set.
const (
	Side    = 28          // pixels of a row and of a column
	Length  = Side * Side // pixels of an image, steps of a sequence
	Classes = 10
)

// Names of the classes, by label.
var (
	DigitNames   = [Classes]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	ClothesNames = [Classes]string{"T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"}
)

// Order is the order in which the pixels of an image are read.
type Order string

// The orders.
const (
	Rows        Order = "rows"         // row by row
	BitReversal Order = "bit-reversal" // by the bits of their numbers in reverse, as in the recipes of the S4 papers
	Random      Order = "random"       // drawn by Config.OrderSeed
)

// Config says how the data set is presented. A zero field stands for the value of
// the papers.
type Config struct {
	// Order is Rows, BitReversal or Random; "" means Rows.
	Order Order `json:"order"`
	// OrderSeed chooses the order Random.
	OrderSeed uint64 `json:"order_seed"`
	// ValFraction is the share of the published training set that becomes the
	// validation set; 0 means 0.1, which is 6000 of 60000 images.
	ValFraction float64 `json:"val_fraction"`
	// Seed chooses the images of the validation set.
	Seed uint64 `json:"seed"`
}

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	c.Order = cmp.Or(c.Order, Rows)
	c.ValFraction = cmp.Or(c.ValFraction, 0.1)
	return c
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch c.Order {
	case Rows, BitReversal, Random:
	default:
		return fmt.Errorf("mnist: Config.Order: want %q, %q or %q, got %q", Rows, BitReversal, Random, c.Order)
	}
	if !(c.ValFraction > 0 && c.ValFraction < 1) {
		return fmt.Errorf("mnist: Config.ValFraction: want in (0, 1), got %v", c.ValFraction)
	}
	return nil
}

// Permutation returns which pixel each step of a sequence is, for a valid c.
func (c Config) Permutation() []int {
	switch c.Order {
	case BitReversal:
		return bitReversal(Length)
	case Random:
		return rand.New(rand.NewPCG(c.OrderSeed, 1)).Perm(Length)
	}
	p := make([]int, Length)
	for i := range p {
		p[i] = i
	}
	return p
}

// bitReversal returns the numbers below n in the order of their bits in reverse: as
// those below the next power of two are, without those that are too large.
func bitReversal(n int) []int {
	all := []int{0}
	for len(all) < n {
		for i, v := range all {
			all[i] = 2 * v
		}
		for _, v := range all[:len(all):len(all)] {
			all = append(all, v+1)
		}
	}
	var p []int
	for _, v := range all {
		if v < n {
			p = append(p, v)
		}
	}
	return p
}
