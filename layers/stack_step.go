package layers

// Recurrence returns the stack as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel). Its state is those of the blocks,
// behind their numbers: "0.x".
func (l *Stack) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// CheckSteps reports the first block whose mixer cannot step, for which Snapshot
// would return an error.
func (l *Stack) CheckSteps() error {
	if l.Base == nil {
		return l.wrap("Recurrence", errNotMade)
	}
	for _, b := range l.blocks {
		if err := b.checkRecurrent(); err != nil {
			return err
		}
	}
	return nil
}

// Snapshot implements Stepper.
func (l *Stack) Snapshot() (Snapshot, error) {
	if l.Base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	var c Chain
	for _, b := range l.blocks {
		c = append(c, b)
	}
	return append(c, l.norm).Snapshot()
}
