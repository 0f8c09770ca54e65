package models

import (
	"fmt"

	"github.com/gorgonia-s4/s4/layers"
)

// Summary returns the way of a batch through the model, with the shape behind each
// part (B is the batch, L the sequence length), and a table of every layer and
// parameter with its number of elements, and totals.
func (m *Classifier) Summary() string {
	h := m.cfg.Stack.DModel()
	return fmt.Sprintf("encoder (B, %d, L), %d blocks (B, %[1]d, L), pool (%[3]s) (B, %[1]d), decoder (B, %[4]d)\n", h, m.cfg.Stack.Len(), m.cfg.pool(), m.cfg.Classes) +
		layers.Summary(m.parts()...)
}

// Summary returns the way of a batch through the model, and the table of
// Classifier.Summary.
func (m *LanguageModel) Summary() string {
	h := m.cfg.Stack.DModel()
	return fmt.Sprintf("encoder (B, %d, L), %d blocks (B, %[1]d, L), decoder (B, %[3]d, L)\n", h, m.cfg.Stack.Len(), m.cfg.Vocab) +
		layers.Summary(m.parts()...)
}
