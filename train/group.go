package train

import "fmt"

// Group is the ranks that train one model together: processes, or goroutines of one.
// All make the same calls in the same order, each from one goroutine at a time, and a
// call returns when all have made it. After an error a group is of no more use: what
// its ranks hold may differ.
type Group interface {
	// Rank returns the number of this rank, from 0, and Size that of all.
	Rank() int
	Size() int
	// SumFloat32 and SumFloat64 make v the sum over the ranks, the same bits on each.
	// The lengths are equal.
	SumFloat32(v []float32) error
	SumFloat64(v []float64) error
	// Gather returns the messages of all ranks, in their order, on every rank. Their
	// lengths may differ. They are valid until the next call.
	Gather(message []byte) ([][]byte, error)
	// Broadcast makes b that of rank 0. The lengths are equal.
	Broadcast(b []byte) error
	// Exchange sends block i of send to rank i, and block i of receive is from rank i;
	// a block is len/Size bytes, of both and on every rank.
	Exchange(receive, send []byte) error
}

// GroupConfig says how gradients are summed over a group. It is no part of a
// checkpoint: another may go on.
type GroupConfig struct {
	// BucketBytes is the number of bytes that are summed at a time; 0 means 4 MiB.
	BucketBytes int
	// BFloat16 sends gradients as bfloat16, and what that rounds away with those of the
	// next step. By default they are sent as they are.
	BFloat16 bool
}

// Validate reports the first field that is out of range.
func (c GroupConfig) Validate() error {
	if c.BucketBytes < 0 {
		return fmt.Errorf("train: GroupConfig: want BucketBytes >= 0, got %d", c.BucketBytes)
	}
	return nil
}

// alone says whether a group is one rank by itself, as none is.
func alone(g Group) bool { return g == nil || g.Size() == 1 }
