package conv1d

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/size"
)

// Option changes what Conv does.
type Option func(*options)

type options struct {
	stride, dilation, groups int
	padding                  int // on both sides, only if !causal
	causal                   bool
	state, lengths           *G.Node
}

// WithStride makes the output that of every n-th step. The default is 1.
func WithStride(n int) Option { return func(o *options) { o.stride = n } }

// WithDilation makes neighbouring taps of a kernel read inputs n steps apart. The
// default is 1.
func WithDilation(n int) Option { return func(o *options) { o.dilation = n } }

// WithGroups cuts the features into n groups. The default is 1, and n = C_in is a
// depthwise convolution.
func WithGroups(n int) Option { return func(o *options) { o.groups = n } }

// WithPadding makes the convolution one that looks ahead, with n zeros on both
// sides of a sequence. The default is causal.
func WithPadding(n int) Option { return func(o *options) { o.padding, o.causal = n, false } }

// WithState makes a causal convolution of stride 1 go on from the state x0 (B,
// C_in, (K-1)*dilation), the inputs before the first step, oldest first. nil is no
// option: zeros.
func WithState(x0 *G.Node) Option { return func(o *options) { o.state = x0 } }

// WithLengths makes only the first lengths[b] steps of row b count. The output is
// 0 behind what they give, and the gradient of x behind them. lengths is (B), of
// dtype int; a length that is not in [0, L] is an error when the graph runs. nil
// is no option.
func WithLengths(lengths *G.Node) Option { return func(o *options) { o.lengths = lengths } }

// readOptions returns options that are in range by themselves.
func readOptions(opts []Option) (options, error) {
	o := options{stride: 1, dilation: 1, groups: 1, causal: true}
	for _, f := range opts {
		f(&o)
	}
	if o.padding < 0 {
		return o, fmt.Errorf("want padding >= 0, got %d", o.padding)
	}
	return o, size.First(
		size.Positive("stride", o.stride), size.Positive("dilation", o.dilation), size.Positive("groups", o.groups), size.Field("padding", o.padding))
}

// reach returns by how many steps the first and the last of k taps are apart.
func (o *options) reach(k int) (int, error) {
	if k < 1 {
		return 0, fmt.Errorf("kernel: want at least 1 tap, got %d", k)
	}
	if (k - 1) > size.MaxLength/o.dilation {
		return 0, fmt.Errorf("want (K-1)*dilation at most %d, got %d*%d", size.MaxLength, k-1, o.dilation)
	}
	return (k - 1) * o.dilation, nil
}

// taps is where the taps of a kernel are.
type taps struct {
	k, stride, dilation int
	left, right         int // zeros before the first step and behind the last
	causal              bool
}

// taps returns where k taps are.
func (o *options) taps(k int) (taps, error) {
	t := taps{k: k, stride: o.stride, dilation: o.dilation, left: o.padding, right: o.padding, causal: o.causal}
	reach, err := o.reach(k)
	if o.causal {
		t.left, t.right = reach, 0
	}
	return t, err
}

// reach is by how many steps the first and the last tap are apart.
func (t *taps) reach() int { return (t.k - 1) * t.dilation }

// dense returns the number of steps that n give with stride 1.
func (t *taps) dense(n int) int {
	if n == 0 {
		return 0
	}
	return max(0, n+t.left+t.right-t.reach())
}

// steps returns the number of steps that n give.
func (t *taps) steps(n int) int { return (t.dense(n) + t.stride - 1) / t.stride }

// OutputLength returns the number of steps of the output for n of the input and
// kernels of the given number of taps. It is 0 where no step of the output has all
// its taps among the input and its padding, as for n = 0.
func OutputLength(n, kernel int, opts ...Option) (int, error) {
	o, err := readOptions(opts)
	if err == nil && (n < 0 || n > size.MaxLength) {
		err = fmt.Errorf("want a length in [0, %d], got %d", size.MaxLength, n)
	}
	var t taps
	if err == nil {
		t, err = o.taps(kernel)
	}
	if err != nil {
		return 0, fmt.Errorf("conv1d.OutputLength: %w", err)
	}
	return t.steps(n), nil
}

// SamePadding returns the padding with which a convolution of stride 1 keeps the
// length: (kernel-1)*dilation/2. That of an even kernel may be no integer.
func SamePadding(kernel, dilation int) (int, error) {
	o, err := readOptions([]Option{WithDilation(dilation)})
	var reach int
	if err == nil {
		reach, err = o.reach(kernel)
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("conv1d.SamePadding: %w", err)
	case reach%2 != 0:
		return 0, fmt.Errorf("conv1d.SamePadding: want (K-1)*dilation even, an odd kernel as a rule, got K = %d, dilation = %d", kernel, dilation)
	}
	return reach / 2, nil
}
