package layers

// Recurrence returns the stack as a recurrent network for batches of the given size:
// Step maps (batch, DModel) to (batch, DModel). Its state is those of the blocks,
// behind their numbers: "0.x".
func (l *Stack) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

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
