package train

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/param"
)

// Mode says what a graph is built for.
type Mode int

const (
	// Training graphs apply dropout and update running statistics; they are
	// differentiated.
	Training Mode = iota
	// Evaluation graphs do neither.
	Evaluation
)

// String returns "training" or "evaluation".
func (m Mode) String() string {
	switch m {
	case Training:
		return "training"
	case Evaluation:
		return "evaluation"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// Graph is a model on one graph, for one batch size B and one sequence length
// L: what the trainer feeds and what it reads.
type Graph struct {
	G *G.ExprGraph

	// X is the input: token ids, int (B, L), or features, float (B, L, F).
	X *G.Node
	// Vocab is the number of token ids that the model knows: a batch with
	// another is an error that names the example. 0 leaves it to the model.
	Vocab int
	// Lengths is the number of steps of each row that are not padding, int (B).
	// It may be nil if the model does not need it. A row of length 0 is there
	// only to fill the batch.
	Lengths *G.Node
	// Target is the class of each row, int (B), or of each position, int (B, L).
	// The class ops.IgnoreLabel does not count.
	Target *G.Node

	// Loss is a scalar: the mean over the targets that are not ignored.
	Loss *G.Node
	// Logits are the scores of the C classes, float (B, C), or (B, C, L) if
	// there is a target for each position.
	Logits *G.Node

	// Params are the model's parameters as nodes of this graph, in the order of
	// Model.Params and bound to the same tensors.
	Params []param.Param
}

// Model is what the trainer needs of a model. All graphs of a model share its
// parameter and buffer tensors, so that an update is seen by all of them. Where it
// has a method Settle() error besides, as one with layers.S4 should, that is
// called when a checkpoint has been loaded into it, and an error undoes the
// loading.
type Model interface {
	// Params returns the parameters, frozen ones included, in the order in
	// which checkpoints list them. Their nodes hold the values.
	Params() []param.Param
	// Buffers returns the state that is saved with the model but not learned.
	Buffers() []param.Buffer
	// Config returns the model's configuration, a value that encoding/json can
	// encode. A checkpoint can be loaded into a model of equal configuration.
	Config() any
	// Build puts the model on a new graph for batches of the given number of
	// rows and (padded) length. It does not differentiate the graph.
	Build(mode Mode, batch, length int) (*Graph, error)
}

// settler is a Model whose parameters and buffers have to fit together: Settle is
// called when new values have been loaded into them, and makes them do so or
// returns an error.
type settler interface{ Settle() error }
