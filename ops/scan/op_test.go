package scan_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/scan"
)

const tolStates = 1e-13

// operands are inputs of an op under test, and how they are handed over.
type operands struct {
	complex, varying, reverse, start, lengths bool
}

func (o operands) String() string {
	return fmt.Sprintf("complex %t, varying %t, reverse %t, start %t, lengths %t", o.complex, o.varying, o.reverse, o.start, o.lengths)
}

func each(f func(o operands)) {
	for i := range 32 {
		f(operands{i&1 > 0, i&2 > 0, i&4 > 0, i&8 > 0, i&16 > 0})
	}
}

// draw returns inputs: what has rows comes first.
func (o operands) draw(rng *rand.Rand, b, p, l int, lengths []int) []testutil.Input {
	if o.complex {
		p *= 2
	}
	in := []testutil.Input{testutil.Normal(rng, "b", b, p, l)}
	if o.start {
		in = append(in, testutil.Normal(rng, "start", b, p))
	}
	if o.varying {
		in = append(in, testutil.Uniform(rng, "a", -0.8, 0.8, b, p, l))
	} else {
		in = append(in, testutil.Uniform(rng, "a", -0.8, 0.8, p))
	}
	if o.lengths {
		in = append(in, testutil.Ints("lengths", lengths, b))
	}
	return in
}

// build hands the inputs over.
func (o operands) build(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
	b, n := n[0], n[1:]
	var opts []scan.Option
	if o.reverse {
		opts = append(opts, scan.Reverse())
	}
	if o.start {
		opts = append(opts, scan.Start(n[0]))
		n = n[1:]
	}
	if o.lengths {
		opts = append(opts, scan.Lengths(n[1]))
	}
	if o.complex {
		return scan.Complex(n[0], b, opts...)
	}
	return scan.Diagonal(n[0], b, opts...)
}

// states is the formula, number by number.
func (o operands) states(in []testutil.Input) []float64 {
	rows, width, l := in[0].Shape[0], in[0].Shape[1], in[0].Shape[2]
	p := width
	if o.complex {
		p /= 2
	}
	at := func(x []float64, b, i, t, l int) complex128 {
		v := complex(x[(b*width+i)*l+t], 0)
		if o.complex {
			v += complex(0, x[(b*width+p+i)*l+t])
		}
		return v
	}
	x := make([]float64, rows*width*l)
	a := in[1]
	if o.start {
		a = in[2]
	}
	for b := range rows {
		n := l
		if o.lengths {
			n = in[len(in)-1].I[b]
		}
		for i := range p {
			var s complex128
			if o.start {
				s = at(in[1].F, b, i, 0, 1)
			}
			for k := range n {
				t := k
				if o.reverse {
					t = n - 1 - k
				}
				f := at(a.F, 0, i, 0, 1)
				if o.varying {
					f = at(a.F, b, i, t, l)
				}
				s = f*s + at(in[0].F, b, i, t, l)
				x[(b*width+i)*l+t] = real(s)
				if o.complex {
					x[(b*width+p+i)*l+t] = imag(s)
				}
			}
		}
	}
	return x
}

// The states are the formula, for whole chunks and blocks and not.
func TestStates(t *testing.T) {
	each(func(o operands) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, s := range []struct{ b, p, l int }{{1, 1, 1}, {2, 3, 64}, {2, 65, 5}, {3, 130, 65}, {2, 17, 200}} {
			in := o.draw(rng, s.b, s.p, s.l, []int{s.l, 0, (s.l + 1) / 2}[:s.b])
			got, err := testutil.Forward(tensor.Float64, o.build, in...)
			if err != nil {
				t.Fatalf("%v: %v", o, err)
			}
			if e := testutil.RelErr(got, o.states(in)); !(e <= tolStates) {
				t.Errorf("%v, %v: off by %.3g > %.3g", o, s, e, tolStates)
			}
		}
	})
}

func TestGradients(t *testing.T) {
	each(func(o operands) {
		testutil.Check(t, o.build, o.draw(rand.New(rand.NewPCG(2, 2)), 3, 2, 4, []int{4, 0, 3})...)
	})
	for _, o := range []operands{{complex: true}, {complex: true, varying: true, reverse: true, start: true, lengths: true}, {varying: true, start: true}} {
		testutil.Check(t, o.build, o.draw(rand.New(rand.NewPCG(3, 2)), 1, 1, 66, []int{65})...) // more than a chunk
	}
}

func TestRows(t *testing.T) {
	each(func(o operands) {
		if o.lengths {
			return
		}
		in := o.draw(rand.New(rand.NewPCG(4, 2)), 3, 3, 5, nil)
		batched := len(in)
		if !o.varying {
			batched--
		}
		testutil.CheckRows(t, o.String(), testutil.RunnerOf(o.build), batched, in...)
	})
}

func TestPadding(t *testing.T) {
	each(func(o operands) {
		if !o.lengths {
			return
		}
		in := o.draw(rand.New(rand.NewPCG(5, 2)), 4, 2, 6, []int{6, 0, 3, 1})
		steps := []int{2} // of b, and of a where it is the next
		if o.varying && !o.start {
			steps = []int{2, 2}
		}
		testutil.CheckPadding(t, o.String(), testutil.RunnerOf(o.build), steps, in...)
	})
}

func TestArguments(t *testing.T) {
	args := []testutil.Argument{testutil.Arg("a", 4), testutil.Arg("b", 2, 4, 5), testutil.Arg("start", 2, 4)}
	testutil.CheckArguments(t, "scan.Complex", args, func(n []*G.Node) (*G.Node, error) {
		return scan.Complex(n[0], n[1], scan.Start(n[2]))
	})
}

func TestErrors(t *testing.T) {
	g := G.NewGraph()
	count := 0
	node := func(dt tensor.Dtype, shape ...int) *G.Node {
		count++
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("n%d", count)))
	}
	f := func(shape ...int) *G.Node { return node(tensor.Float64, shape...) }
	for _, c := range []struct {
		of   func(a, b *G.Node, opts ...scan.Option) (*G.Node, error)
		a, b *G.Node
		opt  scan.Option
		want string
	}{
		{scan.Diagonal, nil, f(2, 3, 5), scan.Reverse(), "scan.Diagonal: a: want a node, got nil"},
		{scan.Diagonal, f(3), f(3, 5), scan.Reverse(), "scan.Diagonal: b: want (B, P, L), each at least 1, got (3, 5)"},
		{scan.Complex, f(3), f(2, 3, 5), scan.Reverse(), "scan.Complex: b: want (B, 2P, L), each at least 1, got (2, 3, 5)"},
		{scan.Diagonal, f(4), f(2, 3, 5), scan.Reverse(), "scan.Diagonal: a: want (3) or (2, 3, 5), got (4)"},
		{scan.Diagonal, f(1, 3, 5), f(2, 3, 5), scan.Reverse(), "scan.Diagonal: a: want (2, 3, 5), got (1, 3, 5)"},
		{scan.Diagonal, node(tensor.Float32, 3), f(2, 3, 5), scan.Reverse(), "scan.Diagonal: b: want dtype float32 like the other inputs, got float64"},
		{scan.Complex, f(4), f(2, 4, 5), scan.Start(f(2, 2)), "scan.Complex: start: want (2, 4), got (2, 2)"},
		{scan.Complex, f(4), f(2, 4, 5), scan.Lengths(f(2)), "scan.Complex: want lengths (2) of dtype int, got (2) of dtype float64"},
		{scan.Diagonal, f(1), f(1<<20, 1, 1<<20), scan.Reverse(), "scan.Diagonal: want at most 2147483647 elements in the states (B, P, L), got 1048576 x 1 x 1048576"},
	} {
		if _, err := c.of(c.a, c.b, c.opt); err == nil || err.Error() != c.want {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
}

func TestBadLength(t *testing.T) {
	o := operands{lengths: true}
	for _, n := range []int{-1, 4} {
		in := o.draw(rand.New(rand.NewPCG(6, 2)), 2, 2, 3, []int{1, n})
		want := fmt.Sprintf("scan.Diagonal: lengths[1]: want a length in [0, 3], got %d", n)
		if _, err := testutil.Forward(tensor.Float64, o.build, in...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
