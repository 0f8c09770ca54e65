package recall_test

import (
	"fmt"
	"log"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data/recall"
)

// Tasks that need a memory: how long they are, how much is to be told, and how well one
// does who guesses.
func ExampleConfig() {
	for _, t := range recall.Tasks() {
		cfg := recall.Config{Task: t, Length: 64, Tokens: 8, Vocabulary: 16}
		if t == recall.InductionHeads || t == recall.Adding {
			cfg.Tokens = 0
		}
		if t == recall.Adding {
			cfg.Vocabulary = 0
		}
		if err := cfg.Validate(); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d steps, %d answers, by chance %.3f\n", t, cfg.Steps(), cfg.Answers(), cfg.Chance())
	}
	// Output:
	// selective-copying: 72 steps, 8 answers, by chance 0.071
	// delay: 72 steps, 8 answers, by chance 0.071
	// induction: 64 steps, 1 answers, by chance 0.067
	// adding: 64 steps, 0 answers, by chance 0.167
}

// Examples for training are others in each pass; those for validation and test stay.
func ExampleSplits() {
	cfg := recall.Config{Task: recall.InductionHeads, Length: 16, Vocabulary: 8, Seed: 1}
	splits, err := recall.Splits(cfg, 1000, 100, 100)
	if err != nil {
		log.Fatal(err)
	}
	fresh, ok := splits.Train.(recall.Fresh)
	fmt.Println(ok, fresh.Epoch(3).Len(), splits.Val.Len())

	one, err := recall.NewDataset(cfg, 7, 1) // a part of its own
	if err != nil {
		log.Fatal(err)
	}
	b := task.NewBatch(one)
	if err := b.Load([]int{0}, 1, one.Length(0)); err != nil {
		log.Fatal(err)
	}
	target, err := b.Array(task.Target)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(one.Config().Task, target.Len(), "steps, the first of them", target.Ints[0] == task.Ignore)
	// Output:
	// true 1000 100
	// induction 16 steps, the first of them true
}
