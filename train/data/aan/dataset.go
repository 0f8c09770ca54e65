package aan

import (
	"fmt"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// Data is the data set in its three splits, and how a text becomes tokens.
type Data struct {
	data.Splits[*Dataset]
	Vocabulary *text.Vocabulary
}

// Dataset is a list of pairs of documents as token ids, with labels in [0, Classes).
type Dataset struct {
	path       string
	docs       *text.Texts
	lengths    []int32 // of the documents
	split      *split
	n          int // pairs of the split that are in it
	vocabulary *text.Vocabulary
}

var _ task.Located = (*Dataset)(nil)

// Len returns the number of pairs.
func (d *Dataset) Len() int { return d.n }

// Length returns the number of tokens of the longer document of pair i, 0 <= i < Len.
func (d *Dataset) Length(i int) int {
	return int(max(d.lengths[d.split.first[i]], d.lengths[d.split.second[i]]))
}

// Fields declares the tokens of both documents, task.X and task.X2, padded with
// text.Pad, each with lengths of its own, and the label.
func (d *Dataset) Fields() []task.Field {
	return append(task.Pair(task.Tokens("", text.Pad)), task.Label(task.Target))
}

// Example reads the tokens of the documents of pair i, 0 <= i < Len, and its label. It
// never fails.
func (d *Dataset) Example(i int, row *task.Row) error {
	row.Ints(task.X, d.tokens(d.split.first[i])...)
	row.Ints(task.X2, d.tokens(d.split.second[i])...)
	row.Ints(task.Target, d.Label(i))
	return nil
}

// tokens returns those of a document.
func (d *Dataset) tokens(doc int32) []int {
	return d.vocabulary.Append(make([]int, 0, d.lengths[doc]), d.docs.At(int(doc)))
}

// Texts returns the documents of pair i, 0 <= i < Len, as they are cut.
func (d *Dataset) Texts(i int) (first, second string) {
	return string(d.docs.At(int(d.split.first[i]))), string(d.docs.At(int(d.split.second[i])))
}

// Label returns the label of pair i, 0 <= i < Len.
func (d *Dataset) Label(i int) int { return int(d.split.labels[i]) }

// Origin returns the file and the line, or the row, of pair i, 0 <= i < Len:
// "lra_release: tsv_data/new_aan_pairs.eval.tsv:7".
func (d *Dataset) Origin(i int) string {
	name := string(d.split.names.At(i))
	if d.path == "" {
		return name
	}
	return fmt.Sprintf("%s: %s", d.path, name)
}

// ClassCounts returns how many pairs each class has.
func (d *Dataset) ClassCounts() [Classes]int {
	var counts [Classes]int
	for i := range d.n {
		counts[d.Label(i)]++
	}
	return counts
}
