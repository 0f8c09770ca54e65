package main

import "math"

// network is machines that are joined by one, each with a step that costs as a line.
type network struct {
	cost
	step     line
	messages []float64
	half     bool
}

// backward is the part of a step in which gradients can be summed while others are
// still computed: about two thirds of the work are the backward pass.
const backward = 2.0 / 3

// at is the time of a step of p machines that share the rows of a batch.
func (n network) at(p int, batch float64) float64 {
	t := n.step.at(math.Ceil(batch / float64(p)))
	if p == 1 {
		return t
	}
	return t + n.vote(p) + n.sum(p, n.half, n.messages)
}

// hidden is at, were the sums made while the backward pass runs: at best.
func (n network) hidden(p int, batch float64) float64 {
	t := n.step.at(math.Ceil(batch / float64(p)))
	if p == 1 {
		return t
	}
	return t + n.vote(p) + max(0, n.sum(p, n.half, n.messages)-backward*t)
}

// efficiency is the part of p machines that one by itself would need for the batch in
// the same time.
func (n network) efficiency(p int, batch float64) float64 {
	return n.at(1, batch) / (float64(p) * n.at(p, batch))
}

// efficient is what is asked of machines.
const efficient = 0.9

// batch is the smallest batch of whole rows for each of p machines at which they are
// efficient; 0 if there is none.
func (n network) batch(p int) float64 {
	for rows := 1.0; rows <= 1<<20; rows = math.Ceil(rows * 1.05) {
		if b := rows * float64(p); n.efficiency(p, b) >= efficient {
			return b
		}
	}
	return 0
}

// machines is the largest number of machines up to most that are efficient with a batch.
func (n network) machines(most int, batch float64) int {
	best := 1
	for p := 2; p <= most && float64(p) <= batch; p++ {
		if n.efficiency(p, batch) >= efficient {
			best = p
		}
	}
	return best
}
