package train

import (
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
)

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
	Build(mode task.Mode, batch, length int) (*task.Graph, error)
}

// settler is a Model whose parameters and buffers have to fit together: Settle is
// called when new values have been loaded into them, and makes them do so or
// returns an error.
type settler interface{ Settle() error }
