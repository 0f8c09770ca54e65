package models

import (
	"fmt"
	"strings"

	"github.com/gorgonia-s4/s4/layers"
)

// Summary returns the way of a batch through the model, with the shape behind each
// part (B is the batch, L the sequence length), and a table of every layer and
// parameter with its number of elements, and totals.
func (m *Classifier) Summary() string {
	h := m.cfg.Stack.DModel()
	return fmt.Sprintf("encoder (B, %d, L), %d blocks (B, %[1]d, L), pool (%[3]s) (B, %[1]d), decoder (B, %[4]d)\n", h, m.cfg.Stack.Len(), m.cfg.pool(), m.cfg.Classes) +
		m.table()
}

// Summary returns the way of a batch through the model, and the table of
// Classifier.Summary.
func (m *LanguageModel) Summary() string {
	h := m.cfg.Stack.DModel()
	return fmt.Sprintf("encoder (B, %d, L), %d blocks (B, %[1]d, L), decoder (B, %[3]d, L)%s\n", h, m.cfg.Stack.Len(), m.cfg.Vocab, m.cfg.head()) +
		m.table()
}

// Summary returns the way of a batch of pairs through the model, and the table of
// Classifier.Summary.
func (m *Retrieval) Summary() string {
	h := m.cfg.Stack.DModel()
	return fmt.Sprintf("encoder (2B, %d, L), %d blocks (2B, %[1]d, L), pool (%[3]s) (2B, %[1]d), compare (B, %[4]d), head (B, %[5]d), decoder (B, %[6]d)\n",
		h, m.cfg.Stack.Len(), m.cfg.tower().pool(), 4*h, m.cfg.head().Out, m.cfg.Classes) + m.table()
}

// Summary returns the way of a batch of windows through the model, and the table of
// Classifier.Summary.
func (m *Forecaster) Summary() string {
	shape := strings.TrimPrefix(fmt.Sprint(m.cfg.shape(1)), "(1, ")
	return fmt.Sprintf("encoder (B, %d, L), %d blocks (B, %[1]d, L), pool (%[3]s) (B, %[1]d), decoder (B, %[4]s\n",
		m.cfg.Stack.DModel(), m.cfg.Stack.Len(), m.cfg.pool(), shape) + m.table()
}

// table is that of the layers.
func (m *model) table() string { return layers.Summary(m.parts()...) }
