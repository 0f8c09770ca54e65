package cifar

import (
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// Data is the data set in its three splits.
type Data struct{ data.Splits[*Dataset] }

// Dataset is a list of images as sequences of Length steps, with labels in
// [0, Classes).
type Dataset struct {
	images *images
	index  []int       // which of the images
	tokens bool        // token ids rather than features
	scale  [][]float32 // feature of each value of a channel (channels, 256)
}

var _ task.Located = (*Dataset)(nil)

// newData presents the published training and test set as cfg says. cfg has
// its defaults filled in and there are at least two training images.
func newData(cfg Config, training, test *images, room data.Room) *Data {
	train, val := data.HoldOut(training.len(), cfg.ValFraction, cfg.Seed)
	all := make([]int, test.len())
	for i := range all {
		all[i] = i
	}
	return &Data{data.Splits[*Dataset]{
		Train: newDataset(cfg.Encoding, training, train[:room.Limited(len(train))]),
		Val:   newDataset(cfg.Encoding, training, val[:room.Limited(len(val))]),
		Test:  newDataset(cfg.Encoding, test, all[:room.Limited(len(all))]),
	}}
}

// newDataset presents some of the images.
func newDataset(e Encoding, m *images, index []int) *Dataset {
	d := &Dataset{images: m, index: index, tokens: e == Tokens}
	mean, dev := e.Scale()
	for c := range mean {
		scale := make([]float32, 256)
		for v := range scale {
			scale[v] = float32((float64(v)/255 - mean[c]) / dev[c])
		}
		d.scale = append(d.scale, scale)
	}
	return d
}

// Len returns the number of images.
func (d *Dataset) Len() int { return len(d.index) }

// Length returns the number of steps of image i, which is Length.
func (d *Dataset) Length(int) int { return Length }

// Fields declares an image, as features or as token ids, and its label.
func (d *Dataset) Fields() []task.Field {
	if d.tokens {
		return []task.Field{task.Tokens(task.X, 0), task.Label(task.Target)}
	}
	return []task.Field{task.Features(task.X, len(d.scale)), task.Label(task.Target)}
}

// Example reads image i, 0 <= i < Len, as features (Length, 1) or (Length, 3) or
// as token ids, with its label. It never fails.
func (d *Dataset) Example(i int, row *task.Row) error {
	pixels := d.images.at(d.index[i])
	row.Ints(task.Target, d.Label(i))
	if d.tokens {
		tokens := make([]int, len(pixels))
		for j, v := range pixels {
			tokens[j] = int(v)
		}
		row.Ints(task.X, tokens...)
		return nil
	}
	features := make([]float32, len(pixels))
	channels := len(d.scale)
	for j, v := range pixels {
		features[j] = d.scale[j%channels][v]
	}
	row.Floats(task.X, features...)
	return nil
}

// Label returns the class of image i, 0 <= i < Len.
func (d *Dataset) Label(i int) int { return int(d.images.labels[d.index[i]]) }

// Origin returns the file that image i, 0 <= i < Len, is from, and its place
// there.
func (d *Dataset) Origin(i int) string { return d.images.origin(d.index[i]) }

// ClassCounts returns how many images each class has.
func (d *Dataset) ClassCounts() [Classes]int {
	var counts [Classes]int
	for _, i := range d.index {
		counts[d.images.labels[i]]++
	}
	return counts
}
