package cauchy

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Option changes what [Kernel] and [StateOutput] do.
type Option func(*options)

type options struct {
	length *tensor.Dense
	err    error
}

// TunedTo makes an op read the number of steps that C~ is tuned to from l, (1)
// of dtype int64, at every run: Config.LKernel is what it expects. A layer keeps
// the number beside C~, and both may be replaced while the graph stays. A run is
// an error where l is not a length, or below Config.L times Config.Rate.
func TunedTo(l *tensor.Dense) Option {
	return func(o *options) {
		if l == nil || l.Dtype() != tensor.Int64 || l.Shape().TotalSize() != 1 {
			o.err = errors.New("TunedTo: want a tensor of one int64")
			return
		}
		o.length = l
	}
}

func newOptions(opts []Option) (o options, err error) {
	for _, f := range opts {
		f(&o)
	}
	return o, o.err
}

// planner makes the core of an op of a configuration.
type planner[T num.Float] func(cfg Config) (graphop.Core[T], error)

// tunedCore is an op whose plan depends on the length that C~ is tuned to: it
// plans again when that has changed.
type tunedCore[T num.Float] struct {
	cfg    Config
	length *tensor.Dense // see TunedTo; nil: it stays
	plan   planner[T]
	core   graphop.Core[T]
}

func newTunedCore[T num.Float](cfg Config, o options, plan planner[T]) (*tunedCore[T], error) {
	core, err := plan(cfg)
	return &tunedCore[T]{cfg: cfg, length: o.length, plan: plan, core: core}, err
}

// Rooms implements graphop.Roomy. Those of a core that takes the place of the first
// are its own.
func (t *tunedCore[T]) Rooms() []graphop.Holder {
	if c, ok := t.core.(graphop.Roomy); ok {
		return c.Rooms()
	}
	return nil
}

// update plans for the length that C~ is tuned to now.
func (t *tunedCore[T]) update() error {
	if t.length == nil {
		return nil
	}
	n := int(t.length.Int64s()[0])
	if n == t.cfg.tuned() {
		return nil
	}
	if n < 1 {
		return fmt.Errorf("the length that C~ is tuned to: want at least 1, got %d", n)
	}
	cfg := t.cfg
	cfg.LKernel = n
	if err := cfg.Validate(); err != nil {
		return err
	}
	core, err := t.plan(cfg)
	if err != nil {
		return err
	}
	t.cfg, t.core = cfg, core
	return nil
}

func (t *tunedCore[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := t.update(); err != nil {
		return err
	}
	return t.core.Forward(out, in)
}

func (t *tunedCore[T]) Backward(grad [][]T, in []graphop.Arg[T], out, gout []T) error {
	return t.core.Backward(grad, in, out, gout)
}
