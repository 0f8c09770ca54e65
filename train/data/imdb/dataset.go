package imdb

import (
	"context"
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

// Dataset is a list of reviews as token ids, with labels in [0, Classes).
type Dataset struct {
	path       string
	reviews    *reviews
	index      []int // which of the reviews
	lengths    []int32
	vocabulary *text.Vocabulary
}

var _ task.Located = (*Dataset)(nil)

// newDataset presents some of the reviews.
func newDataset(ctx context.Context, path string, r *reviews, index []int, v *text.Vocabulary) (*Dataset, error) {
	d := &Dataset{path: path, reviews: r, index: index, vocabulary: v, lengths: make([]int32, len(index))}
	const block = 1024
	err := data.Each(ctx, (len(index)+block-1)/block, func(k int) error {
		for i := k * block; i < min((k+1)*block, len(index)); i++ {
			d.lengths[i] = int32(v.Length(r.texts.At(index[i])))
		}
		return nil
	})
	return d, err
}

// Len returns the number of reviews.
func (d *Dataset) Len() int { return len(d.index) }

// Length returns the number of tokens of review i, 0 <= i < Len.
func (d *Dataset) Length(i int) int { return int(d.lengths[i]) }

// Fields declares the tokens of a review, padded with text.Pad, and its label.
func (d *Dataset) Fields() []task.Field {
	return []task.Field{task.Tokens(task.X, text.Pad), task.Label(task.Target)}
}

// Example reads the tokens of review i, 0 <= i < Len, and its label. It never fails.
func (d *Dataset) Example(i int, row *task.Row) error {
	row.Ints(task.X, d.vocabulary.Append(make([]int, 0, d.lengths[i]), d.reviews.texts.At(d.index[i]))...)
	row.Ints(task.Target, d.Label(i))
	return nil
}

// Text returns review i, 0 <= i < Len.
func (d *Dataset) Text(i int) string { return string(d.reviews.texts.At(d.index[i])) }

// Label returns the label of review i, 0 <= i < Len.
func (d *Dataset) Label(i int) int { return int(d.reviews.labels[d.index[i]]) }

// Origin returns the file that review i, 0 <= i < Len, is from, or its place in one:
// "aclImdb_v1.tar.gz: aclImdb/train/neg/0_3.txt".
func (d *Dataset) Origin(i int) string {
	name := string(d.reviews.names.At(d.index[i]))
	if d.path == "" {
		return name
	}
	return fmt.Sprintf("%s: %s", d.path, name)
}

// ClassCounts returns how many reviews each class has.
func (d *Dataset) ClassCounts() [Classes]int {
	var counts [Classes]int
	for i := range d.index {
		counts[d.Label(i)]++
	}
	return counts
}
