package mnist

import (
	"fmt"
	"image"
	"strconv"
	"sync"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// Data is the data set in its three splits.
type Data struct{ data.Splits[*Dataset] }

// Dataset is a list of images as sequences of Length pixels in [0, 1], with labels
// in [0, Classes). It is safe for concurrent use.
type Dataset struct {
	images  *images
	index   []int // which of the images
	cfg     Config
	order   []int // of the pixels
	path    string
	set     string    // "training" or "test"
	scratch sync.Pool // *[Length]float32
}

var _ interface {
	task.Located
	task.Described
} = (*Dataset)(nil)

// present makes the splits of the sets as cfg, which has its defaults filled in, and
// the room say.
func (s *sets) present(cfg Config, path string, room data.Room) *Data {
	train, val := data.HoldOut(s.train.len(), cfg.ValFraction, cfg.Seed)
	all := make([]int, s.test.len())
	for i := range all {
		all[i] = i
	}
	order := cfg.Permutation()
	part := func(m *images, set string, index []int) *Dataset {
		return &Dataset{images: m, index: index[:room.Limited(len(index))], cfg: cfg, order: order, path: path, set: set}
	}
	return &Data{data.Splits[*Dataset]{
		Train: part(s.train, "training", train),
		Val:   part(s.train, "training", val),
		Test:  part(s.test, "test", all),
	}}
}

// Len returns the number of images.
func (d *Dataset) Len() int { return len(d.index) }

// Length returns the number of steps of image i, which is Length.
func (d *Dataset) Length(int) int { return Length }

// Fields declares the pixels of an image as features, and its label.
func (d *Dataset) Fields() []task.Field {
	return []task.Field{task.Features(task.X, 1), task.Label(task.Target)}
}

// Example reads image i, 0 <= i < Len, as features (Length, 1) with its label. It
// never fails.
func (d *Dataset) Example(i int, row *task.Row) error {
	features, _ := d.scratch.Get().(*[Length]float32)
	if features == nil {
		features = new([Length]float32)
	}
	defer d.scratch.Put(features)
	pixels := d.images.at(d.index[i])
	for j, p := range d.order {
		features[j] = float32(pixels[p]) / 255
	}
	row.Floats(task.X, features[:]...)
	row.Ints(task.Target, d.Label(i))
	return nil
}

// Label returns the class of image i, 0 <= i < Len.
func (d *Dataset) Label(i int) int { return int(d.images.labels[d.index[i]]) }

// Picture returns image i, 0 <= i < Len, its pixels where they belong.
func (d *Dataset) Picture(i int) *image.Gray {
	return &image.Gray{Pix: append([]uint8(nil), d.images.at(d.index[i])...), Stride: Side, Rect: image.Rect(0, 0, Side, Side)}
}

// Origin returns which of the published images image i, 0 <= i < Len, is.
func (d *Dataset) Origin(i int) string {
	return fmt.Sprintf("%s: %s image %d", d.path, d.set, d.index[i])
}

// Describe returns what the data were chosen by.
func (d *Dataset) Describe() map[string]string {
	m := map[string]string{"data": d.path, "order": string(d.cfg.Order)}
	if d.cfg.Order == Random {
		m["order-seed"] = strconv.FormatUint(d.cfg.OrderSeed, 10)
	}
	return m
}

// ClassCounts returns how many images each class has.
func (d *Dataset) ClassCounts() [Classes]int {
	var counts [Classes]int
	for i := range d.index {
		counts[d.Label(i)]++
	}
	return counts
}
