package train

import (
	"errors"
	"fmt"
)

// defaultBucket is the size of a bucket in bytes where none is chosen.
const defaultBucket = 4 << 20

// GroupReducer adds up gradients over the ranks of a group, a bucket at a time. Small
// gradients are copied to a bucket, in the order of the parameters, so that a sum is
// of many numbers; one of a quarter of a bucket or more is summed where it is. The
// next bucket is filled and the last one emptied while one is on its way. It keeps
// memory of two buckets.
//
// With GroupConfig.BFloat16 the numbers travel in half of the bytes, or in a quarter
// of those of float64. What each rank rounds off its gradient is added to its next
// one, and so is what is rounded off the sum: over many steps nothing is lost but the
// rest of the last (error feedback, Seide et al. 2014, Karimireddy et al. 2019). That
// rest, of each element at most 1/256 of what was rounded, is not in a checkpoint: a
// run that is resumed begins without it, and so is near to the one that was not
// interrupted, but not the same. A rank keeps as many numbers as the model has, and
// some of the sums', for it.
//
// Every rank has the same sums, to the bit: ranks whose parameters are equal keep them so.
type GroupReducer struct {
	group  Group
	ranks  *ranks
	half   bool // bfloat16
	single buckets[float32]
	double buckets[float64]
	rests  uint64  // layout of the gradients whose rests there are; 0: there are none
	total  float64 // targets of their step
}

// NewReducer returns the reducer of a rank of a group, for a loop of one's own: a
// [Trainer] has [WithGroup]. All ranks begin with the same parameters
// ([BroadcastParams]), and make each step. One that cannot tells the others by [Agree]: they find it in Sum.
func NewReducer(g Group, c GroupConfig) (*GroupReducer, error) {
	if g == nil {
		return nil, errors.New("train: NewReducer: want a group, got nil")
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	bytes := c.BucketBytes
	if bytes == 0 {
		bytes = defaultBucket
	}
	return &GroupReducer{
		group: g, ranks: newRanks(g), half: c.BFloat16,
		single: newBuckets(g, g.SumFloat32, bytes),
		double: newBuckets(g, g.SumFloat64, bytes),
	}, nil
}

// Sum implements [Reducer]. The ranks first tell each other what they have: where one
// has other gradients than rank 0, or none of a parameter, or has failed elsewhere, all
// return a *[RankError] that names it, and nothing is changed. A single rank changes
// nothing.
func (r *GroupReducer) Sum(gradients []Learned, count float64) (float64, error) {
	if alone(r.group) {
		return count, nil
	}
	total, err := r.agree(gradients, count)
	if err != nil {
		return 0, err
	}
	if err := r.sum(gradients, total); err != nil {
		return 0, r.ranks.breakOff(onStep, err)
	}
	return total, nil
}

// agree exchanges the counts of targets, of which it returns the sum, and whether the
// gradients are those of rank 0.
func (r *GroupReducer) agree(gradients []Learned, count float64) (total float64, err error) {
	r.ranks.begin(inSum, nil)
	layout := r.layout(gradients)
	letters, err := r.ranks.exchange(onStep, 0, checkGradients(gradients), func(b []byte) []byte {
		return appendInt(appendFloat(b, count), int(layout))
	})
	if err != nil {
		return 0, err
	}
	errs := make([]error, len(letters))
	first := 0
	for rank := range letters {
		total += letters[rank].float()
		if its := letters[rank].int(); rank == 0 {
			first = its
		} else if its != first {
			errs[rank] = errors.New("want the gradients and the GroupConfig of rank 0: names, lengths and types in their order, got others")
		}
	}
	return total, rankErrors(errs)
}

// checkGradients reports a parameter without a gradient.
func checkGradients(gradients []Learned) error {
	for i := range gradients {
		if g := &gradients[i]; g.Grad.Float32s == nil && g.Grad.Float64s == nil {
			return fmt.Errorf("parameter %q: want a gradient of float32 or float64, got %v", g.Name, g.Grad)
		}
	}
	return nil
}

// sum is Sum of ranks that have agreed, of so many targets in all.
func (r *GroupReducer) sum(gradients []Learned, total float64) error {
	if alone(r.group) {
		return nil
	}
	keep, half := 0.0, r.half && total > 0 // without targets there is no gradient to round
	if half {
		keep = r.keep(gradients, total)
	}
	r.single.plan(gradients, half, keep)
	r.double.plan(gradients, half, keep)
	if err := r.single.sum(); err != nil {
		return err
	}
	return r.double.sum()
}

// keep returns by what the rests of the last step are multiplied: they are of sums
// over its targets, and now there are total.
func (r *GroupReducer) keep(gradients []Learned, total float64) float64 {
	if layout := r.layout(gradients); layout != r.rests {
		r.forget()
		r.rests, r.total = layout, total
	}
	keep := total / r.total
	r.total = total
	return keep
}

// forget drops the rests.
func (r *GroupReducer) forget() {
	r.single.forget()
	r.double.forget()
	r.rests = 0
}

// layout is a number that differs where gradients differ in what ranks must have in
// common (FNV-1a).
func (r *GroupReducer) layout(gradients []Learned) uint64 {
	h := uint64(14695981039346656037)
	mix := func(b byte) { h = (h ^ uint64(b)) * 1099511628211 }
	number := func(n int) {
		for range 8 {
			mix(byte(n))
			n >>= 8
		}
	}
	for i := range gradients {
		g := &gradients[i]
		for k := range len(g.Name) {
			mix(g.Name[k])
		}
		number(len(g.Grad.Float32s))
		number(len(g.Grad.Float64s))
	}
	number(r.single.bytes)
	if r.half {
		mix(1)
	}
	return h
}
