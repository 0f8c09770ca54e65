package audio

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// Data is recordings in three splits.
type Data struct {
	data.Splits[*Dataset]
	// Classes are the names of the classes, by label.
	Classes []string
	// Encoding is how recordings became sequences.
	Encoding Encoding
}

// Dataset is recordings as sequences, with labels in [0, len(Classes)).
type Dataset struct {
	prefix string // of the names of files
	store  *store
	index  []int // which of the recordings
	code   Encoding

	lowPass *sinc // before steps are left out; nil for none
}

var _ task.Located = (*Dataset)(nil)

// newData presents recordings as cfg says, which has its defaults filled in.
func newData(ctx context.Context, prefix string, cfg Config, s *store, parts [3][]int) (*Data, error) {
	code := newEncoding(cfg, s.rate)
	if cfg.Scale == Standard {
		if err := standardize(ctx, &code, s, parts[inTrain]); err != nil {
			return nil, err
		}
	}
	d := &Data{Classes: s.classes, Encoding: code}
	of := func(part int) *Dataset { return &Dataset{prefix: prefix, store: s, index: parts[part], code: code} }
	d.Splits = data.Splits[*Dataset]{Train: of(inTrain), Val: of(inVal), Test: of(inTest)}
	return d, nil
}

// As returns the recordings encoded as others were that a model has been trained on:
// with the means and the deviations of e, which is otherwise as the encoding here.
func (d *Data) As(e Encoding) (*Data, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	own := d.Encoding
	own.Mean, own.Dev, own.Resample = e.Mean, e.Dev, e.Resample
	if !reflect.DeepEqual(own, e) {
		return nil, fmt.Errorf("audio: As: want recordings as those of the training, %+v, got %+v", e, d.Encoding)
	}
	o := &Data{Classes: d.Classes, Encoding: e}
	var err error
	o.Splits, err = data.Map(d.Splits, func(part *Dataset) (*Dataset, error) {
		p := *part
		p.code = e
		return &p, nil
	})
	return o, err
}

// standardize finds mean and deviation of the features of some recordings. Sums are
// those of each recording, in order, on however many processors.
func standardize(ctx context.Context, e *Encoding, s *store, train []int) error {
	of := make([]moments, len(train)*s.width)
	padded := 0
	if e.Short == Pad {
		padded = e.Length
	}
	err := data.Each(ctx, len(train), func(i int) error {
		if s.samples != nil {
			of[i] = s.moments(train[i], padded)
		} else {
			s.frameMoments(train[i], of[i*s.width:(i+1)*s.width])
		}
		return nil
	})
	all := make([]moments, s.width)
	for i, m := range of {
		all[i%s.width].add(m)
	}
	for i, m := range all {
		e.Mean[i], e.Dev[i] = m.scale()
	}
	return err
}

// Len returns the number of recordings.
func (d *Dataset) Len() int { return len(d.index) }

// Length returns the number of steps of recording i.
func (d *Dataset) Length(i int) int {
	n := int(d.store.lengths[d.index[i]])
	if d.store.samples == nil {
		return n
	}
	if d.code.Short == Pad {
		n = max(n, d.code.Length)
	}
	return steps(n, d.code.Subsample)
}

// Fields declares the features of a recording and its label.
func (d *Dataset) Fields() []task.Field {
	return []task.Field{task.Features(task.X, d.store.width), task.Label(task.Target)}
}

// Example reads recording i, 0 <= i < Len, as features (Length, Width), and its
// label. It never fails.
func (d *Dataset) Example(i int, row *task.Row) error {
	memory := buffers.Get().(*[]float32)
	defer buffers.Put(memory)
	n := d.Length(i) * d.store.width
	x := slices.Grow((*memory)[:0], n)[:n]
	*memory = x
	d.features(d.index[i], x)
	row.Floats(task.X, x...)
	row.Ints(task.Target, d.Target(i))
	return nil
}

// features fills x with the features of a recording.
func (d *Dataset) features(at int, x []float32) {
	if d.store.samples == nil {
		for j, v := range d.store.coefficients(at) {
			x[j] = d.code.scaled(v, j%d.store.width)
		}
		return
	}
	b := d.store.recording(at)
	k := d.code.Subsample
	n := steps(len(b)/2, k)
	if d.lowPass != nil {
		d.decimated(x[:n], b)
	} else {
		for j := range n {
			x[j] = d.code.scaled(sample(b, j*k), 0)
		}
	}
	silence := d.code.scaled(0, 0)
	for j := n; j < len(x); j++ {
		x[j] = silence
	}
}

// decimated fills x with what the low-pass filter leaves of a recording.
func (d *Dataset) decimated(x []float32, b []byte) {
	memory := buffers.Get().(*[]float32)
	defer buffers.Put(memory)
	n := len(b) / 2
	whole := slices.Grow((*memory)[:0], n)[:n]
	*memory = whole
	for j := range whole {
		whole[j] = sample(b, j)
	}
	for j := range x {
		x[j] = d.code.scaled(clamp(float32(d.lowPass.at(whole, j*d.code.Subsample, 0))), 0)
	}
}

// Target returns the label of recording i.
func (d *Dataset) Target(i int) int { return int(d.store.labels[d.index[i]]) }

// Origin returns the file that recording i is from.
func (d *Dataset) Origin(i int) string { return d.prefix + d.store.names[d.index[i]] }

// ClassCounts returns how many recordings each class has.
func (d *Dataset) ClassCounts() []int {
	counts := make([]int, len(d.store.classes))
	for i := range d.index {
		counts[d.Target(i)]++
	}
	return counts
}

// Encoding returns how recordings became sequences.
func (d *Dataset) Encoding() Encoding { return d.code }

// Subsample returns the same recordings with every k-th step of this data set: the
// test at another rate of the S4 paper (section 4.4), in which a model's time step
// becomes k times as long and nothing is trained. Samples are shared, and scaled as
// they are here. What every k-th step cannot hold, from half its rate on, becomes lower
// tones: see [Dataset.Decimate]. There is no such thing for coefficients.
func (d *Dataset) Subsample(k int) (*Dataset, error) { return d.thinned("Subsample", k) }

// Decimate is Subsample behind a low-pass filter, that of [Wave.Resample]: the recordings
// as they were made at a k-th of the rate.
func (d *Dataset) Decimate(k int) (*Dataset, error) {
	o, err := d.thinned("Decimate", k)
	if err == nil && k > 1 {
		o.lowPass = newSinc(1, o.code.Subsample)
	}
	return o, err
}

// thinned returns every k-th step.
func (d *Dataset) thinned(fn string, k int) (*Dataset, error) {
	if k < 1 || k > maxLength/d.code.Subsample {
		return nil, fmt.Errorf("audio: %s: want every k-th step, 1 <= k <= %d, got %d", fn, maxLength/d.code.Subsample, k)
	}
	if k > 1 && d.store.samples == nil {
		return nil, fmt.Errorf("audio: %s: want samples, got coefficients, which hold no single ones", fn)
	}
	o := *d
	o.code.Subsample *= k
	return &o, nil
}
