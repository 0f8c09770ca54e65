package models_test

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
)

// What a model has learned to know: a probe is trained on what its encoder and its
// blocks return.
func ExampleNewHidden() {
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{Vocab: 2, Classes: 2, Stack: small(4)}, 1)
	check(err)
	hidden, err := models.NewHidden(m, 3, 12) // batches of 3 sequences of up to 12 steps
	check(err)
	defer hidden.Close()
	batch := task.NewBatch(firstToken{})
	for i := 0; i < 6; i += 3 {
		check(batch.Load([]int{i, i + 1, i + 2}, 3, 12))
		states, err := hidden.Run(batch)
		check(err)
		fmt.Println(len(states), "of", states[0].Shape)
	}
	// Output:
	// 3 of (3, 4, 12)
	// 3 of (3, 4, 12)
}

// Which steps of a sequence speak for a class.
func ExampleNewSaliency() {
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{Vocab: 2, Classes: 2, Stack: small(4)}, 1)
	check(err)
	saliency, err := models.NewSaliency(m, 2, 12)
	check(err)
	defer saliency.Close()
	batch := task.NewBatch(firstToken{})
	check(batch.Load([]int{5, 6}, 2, 12))
	var found *models.Salient
	found, err = saliency.Run(batch, []int{1, -1}) // for class 1, and for that of the highest score
	check(err)
	fmt.Println(found.Classes[0], len(found.Steps[task.X]), "numbers for the steps, scores", found.Logits.Shape)
	// Output: 1 24 numbers for the steps, scores (2, 2)
}

// Documents on a graph of one's own, to be compared elsewhere.
func ExampleRetrieval_Embed() {
	g := G.NewGraph()
	m, err := models.NewRetrieval(g, tensor.Float32, models.RetrievalConfig{Vocab: 12, Classes: 2, Stack: small(4)}, 1)
	check(err)
	documents := G.NewMatrix(g, tensor.Int, G.WithShape(3, 50), G.WithName("documents"))
	lengths := G.NewVector(g, tensor.Int, G.WithShape(3), G.WithName("lengths"))
	vectors, err := m.Embed(documents, lengths)
	check(err)
	fmt.Println(vectors.Shape())
	// Output: (3, 4)
}
