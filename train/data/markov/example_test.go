package markov_test

import (
	"fmt"
	"log"

	"github.com/gorgonia-s4/s4/train/data/markov"
)

// What one who knows a process believes, and how well tokens can be told: the bits of
// Z1R are 0, 1 and a random one in turn.
func ExampleProcess() {
	p, err := markov.Z1R()
	if err != nil {
		log.Fatal(err)
	}
	tokens := []int{0, 1, 1, 0, 1}
	beliefs, err1 := p.Beliefs(tokens)
	losses, err2 := p.Losses(tokens)
	entropies, err3 := p.Entropies(4)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(p.Name(), p.Tokens(), "tokens,", p.States(), "states")
	fmt.Printf("before %.2f, after %.2f\n", p.Start(), beliefs[len(beliefs)-1])
	fmt.Printf("losses %.2f\nentropies %.2f\n", losses[:3], entropies)
	// Output:
	// z1r 2 tokens, 3 states
	// before [0.33 0.33 0.33], after [0.00 0.00 1.00]
	// losses [0.69 0.41 0.69]
	// entropies [0.69 0.64 0.46 0.23]
}

// Sequences to train a language model on: of a published process, of one with random
// bits, and of one's own.
func ExampleProcess_Dataset() {
	mess3, err1 := markov.Mess3(0.05, 0.85)
	rrxor, err2 := markov.RRXOR()
	coin, err3 := markov.New("coin", [][][]float64{{{0.5}}, {{0.5}}})
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			log.Fatal(err)
		}
	}
	for _, p := range []*markov.Process{mess3, rrxor, coin} {
		ds, err := p.Dataset(8, 100, 1)
		if err != nil {
			log.Fatal(err)
		}
		fresh := &markov.Fresh{Dataset: ds} // others in each pass
		fmt.Println(p.Name(), len(ds.Tokens(0)), fresh.Epoch(2).Len())
	}
	// Output:
	// mess3 9 100
	// rrxor 9 100
	// coin 9 100
}
