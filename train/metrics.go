package train

// Metrics are averages over labelled targets: sequences, or positions where
// every position has a label.
type Metrics struct {
	// Loss is the mean loss, Accuracy the part (0 to 1) of the targets whose
	// class has the highest score.
	Loss     float64 `json:"loss"`
	Accuracy float64 `json:"accuracy"`
	// Count is the number of targets.
	Count int `json:"count"`
}

// Tally sums up batches: it is how a checkpoint stores unfinished Metrics.
type Tally struct {
	Loss    float64 `json:"loss"`    // summed over the targets
	Correct int     `json:"correct"` // targets whose class has the highest score
	Count   int     `json:"count"`   // targets
}

// add counts the targets of b too.
func (t *Tally) add(b Tally) {
	t.Loss += b.Loss
	t.Correct += b.Correct
	t.Count += b.Count
}

// metrics returns the averages; they are 0 if nothing was counted.
func (t Tally) metrics() Metrics {
	if t.Count == 0 {
		return Metrics{}
	}
	n := float64(t.Count)
	return Metrics{Loss: t.Loss / n, Accuracy: float64(t.Correct) / n, Count: t.Count}
}
