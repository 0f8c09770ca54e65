package series

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"sync"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// Data is the windows of a series in three splits.
type Data struct {
	data.Splits[*Dataset]
	// Series is what they are cut out of, in its own units.
	Series *Series
	// Encoding is how it became windows.
	Encoding Encoding
	// Notes say what has been done about the file.
	Notes []string
}

// Dataset is the windows of a part of a series: Lookback steps of features, and the
// numbers of the targets in the Horizon steps that follow.
type Dataset struct {
	code   Encoding
	series *Series
	scaled []float32 // (steps, columns), NaN where one is missing; of all parts
	name   string    // where the series is from
	begin  int       // the first step of the first window
	stride int
	len    int
}

var _ task.Located = (*Dataset)(nil)

// newData cuts a series into windows as cfg says, which has its defaults filled in.
func newData(cfg Config, s *Series, name string, room data.Room) (*Data, error) {
	e := Encoding{
		Columns: s.Columns, Targets: len(cfg.Targets), Step: s.Step, Lookback: cfg.Lookback, Horizon: cfg.Horizon,
		Mask: cfg.Missing == MissingMask, TimeFeatures: cfg.TimeFeatures,
	}
	if e.Targets == 0 {
		e.Targets = len(s.Columns)
	}
	sizes, err := split(cfg, s)
	if err != nil {
		return nil, err
	}
	if err := e.standardize(s, sizes[0]); err != nil {
		return nil, err
	}
	scaled, err := e.scale(s)
	if err != nil {
		return nil, err
	}
	d := &Data{Series: s, Encoding: e, Notes: s.Notes}
	var parts [3]*Dataset
	end := 0
	for i, n := range sizes {
		p := &Dataset{code: e, series: s, scaled: scaled, name: name, begin: max(0, end-e.Lookback), stride: cfg.EvalStride}
		if i == 0 {
			p.stride = cfg.Stride
		}
		end += n
		if p.len = windows(end-p.begin, e.Lookback+e.Horizon, p.stride); p.len == 0 {
			return nil, fmt.Errorf("%s: want at least %d steps for a window of %d and a horizon of %d, got %d: %w", data.SplitNames[i], e.Lookback+e.Horizon, e.Lookback, e.Horizon, end-p.begin, errShort)
		}
		p.len = room.Limited(p.len)
		parts[i] = p
	}
	d.Splits = data.Splits[*Dataset]{Train: parts[0], Val: parts[1], Test: parts[2]}
	return d, nil
}

// As returns the windows as those of another series were that a model has been trained
// on: standardised by the means and the deviations of e, which is otherwise as the
// encoding here.
func (d *Data) As(e Encoding) (*Data, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	own := d.Encoding
	own.Mean, own.Dev = e.Mean, e.Dev
	if !reflect.DeepEqual(own, e) {
		return nil, fmt.Errorf("series: As: want windows as those of the training, %+v, got %+v", e, d.Encoding)
	}
	scaled, err := e.scale(d.Series)
	if err != nil {
		return nil, fmt.Errorf("series: As: %w", err)
	}
	o := &Data{Series: d.Series, Encoding: e, Notes: d.Notes}
	o.Splits, err = data.Map(d.Splits, func(part *Dataset) (*Dataset, error) {
		p := *part
		p.code, p.scaled = e, scaled
		return &p, nil
	})
	return o, err
}

// windows returns how many windows of so many steps begin in n steps.
func windows(n, steps, stride int) int {
	if n < steps {
		return 0
	}
	return (n-steps)/stride + 1
}

// split returns how many steps each part has.
func split(cfg Config, s *Series) (sizes [3]int, err error) {
	n := s.Len()
	if cfg.Months != [3]int{} {
		day := s.Step.day()
		if day == 0 {
			return sizes, fmt.Errorf("want steps of a day at most for a split by months, got %v", s.Step)
		}
		all := 0
		for i, m := range cfg.Months {
			sizes[i] = m * 30 * day
			all += sizes[i]
		}
		if all > n {
			return sizes, fmt.Errorf("want %d steps for %v months of 30 days, got %d: %w", all, cfg.Months, n, errShort)
		}
		if n > all {
			s.note("%d steps behind the %v months of 30 days are not used", n-all, cfg.Months)
		}
		return sizes, nil
	}
	// As the papers' code rounds: down for training and test, and what is left is
	// for validation.
	rest := n
	if sum := cfg.Shares[0] + cfg.Shares[1] + cfg.Shares[2]; sum < 1-1e-9 {
		rest = int(float64(n) * sum)
	}
	const rounding = 1e-9 // 0.7 of 10 is 7
	sizes[0] = int(float64(n)*cfg.Shares[0] + rounding)
	sizes[2] = int(float64(n)*cfg.Shares[2] + rounding)
	sizes[1] = rest - sizes[0] - sizes[2]
	return sizes, nil
}

// Len returns the number of windows.
func (d *Dataset) Len() int { return d.len }

// Length returns the number of steps of a window, Lookback.
func (d *Dataset) Length(int) int { return d.code.Lookback }

// Fields declares the features of a window and the numbers that follow it, (Horizon,
// Targets); with MissingMask also task.Weights, of that shape, which are 0 where a
// number is missing and 1 elsewhere.
func (d *Dataset) Fields() []task.Field {
	e := d.code
	fields := []task.Field{task.Features(task.X, e.Width()), task.Numbers(task.Target, e.Horizon, e.Targets)}
	if e.Mask {
		fields = append(fields, task.Numbers(task.Weights, e.Horizon, e.Targets))
	}
	return fields
}

// buffer is memory for an example.
type buffer struct{ x, target, weights []float32 }

var buffers = sync.Pool{New: func() any { return &buffer{} }}

// Example reads window i, 0 <= i < Len. It never fails.
func (d *Dataset) Example(i int, row *task.Row) error {
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	begin := d.begin + i*d.stride
	end := begin + d.code.Lookback
	b.x, b.target, b.weights = b.x[:0], b.target[:0], b.weights[:0]
	for t := begin; t < end; t++ {
		b.x = d.code.step(b.x, d.at(t), d.series.Time(t))
	}
	for t := end; t < end+d.code.Horizon; t++ {
		for _, v := range d.at(t)[:d.code.Targets] {
			weight := float32(1)
			if v != v {
				v, weight = 0, 0
			}
			b.target, b.weights = append(b.target, v), append(b.weights, weight)
		}
	}
	row.Floats(task.X, b.x...)
	row.Floats(task.Target, b.target...)
	if d.code.Mask {
		row.Floats(task.Weights, b.weights...)
	}
	return nil
}

// at returns the numbers of a step.
func (d *Dataset) at(t int) []float32 {
	w := len(d.code.Columns)
	return d.scaled[t*w : (t+1)*w]
}

// Origin returns the file that window i is from, and its first step.
func (d *Dataset) Origin(i int) string {
	t := d.begin + i*d.stride
	if d.series.Step == (Step{}) {
		return fmt.Sprintf("%s: steps from %d on", d.name, t)
	}
	return fmt.Sprintf("%s: steps from %s on", d.name, stamp(d.series.Time(t)))
}

// Encoding returns how the series became windows.
func (d *Dataset) Encoding() Encoding { return d.code }

// Naive returns the mean squared and absolute errors, of standardised numbers, of
// forecasts that nothing is trained for: each number is taken to be what it was a
// whole number of seasons before, the least that is known. A season of 1 is the last
// step: persistence. Numbers that are missing do not count, nor do those whose
// forecast is; where nothing counts the errors are NaN.
func (d *Dataset) Naive(ctx context.Context, season int) (mse, mae float64, err error) {
	if season < 1 {
		return nan, nan, fmt.Errorf("series: Naive: want a season >= 1, got %d", season)
	}
	count := 0.0
	for i := range d.len {
		if i%1024 == 0 && ctx.Err() != nil {
			return nan, nan, ctx.Err()
		}
		end := d.begin + i*d.stride + d.code.Lookback
		for h := range d.code.Horizon {
			from := end + h - season*(h/season+1)
			if from < 0 {
				continue
			}
			before, after := d.at(from), d.at(end+h)
			for c := range d.code.Targets {
				if e := float64(after[c]) - float64(before[c]); e == e {
					count++
					mse += e * e
					mae += math.Abs(e)
				}
			}
		}
	}
	if count == 0 {
		return nan, nan, nil
	}
	return mse / count, mae / count, nil
}
