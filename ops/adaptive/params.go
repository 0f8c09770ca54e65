package adaptive

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// Rows are consecutive rows of a node, from one on: how many there are is said by what
// they are used for. The zero value is none.
type Rows struct {
	Node *G.Node
	From int
}

// Cluster is the parameters of the classes of the shortlist or of a cluster.
type Cluster struct {
	Weight Rows // (classes, D)
	Bias   Rows // (classes), or none
	// Proj is (H, D), or with ProjRows its transpose (D, H). nil: the identity, D = H.
	Proj     *G.Node
	ProjRows bool
}

// features returns D: the features that the weights are of.
func (c Cluster) features() int { return c.Weight.Node.Shape()[1] }

// ValidCutoffs returns an error unless the cutoffs divide a vocabulary into a shortlist
// and clusters, none of them empty.
func ValidCutoffs(vocab int, cutoffs []int) error {
	last := 0
	for i, c := range cutoffs {
		if c <= last {
			return fmt.Errorf("want cutoffs that increase from 1 on, got %d at %d after %d", c, i, last)
		}
		last = c
	}
	if last >= vocab {
		return fmt.Errorf("want cutoffs less than the vocabulary of %d, got %d", vocab, last)
	}
	return nil
}

// bounds returns the first token of each cluster, that of the shortlist included, and the
// size of the vocabulary.
func bounds(vocab int, cutoffs []int) []int {
	return append(append([]int{0}, cutoffs...), vocab)
}

// arguments are the inputs of an op, each node once.
type arguments struct {
	op   string
	dt   tensor.Dtype
	in   []*G.Node
	ints []int
}

// add returns the index of a node among the inputs, -1 for nil.
func (a *arguments) add(n *G.Node) int {
	if n == nil {
		return -1
	}
	if i := slices.Index(a.in, n); i >= 0 {
		return i
	}
	a.in = append(a.in, n)
	if n.Dtype() == tensor.Int {
		a.ints = append(a.ints, len(a.in)-1)
	}
	return len(a.in) - 1
}

func (a *arguments) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", a.op, fmt.Errorf(format, args...))
}

// float checks a float node of the rank given and adds it. The first one sets the dtype
// of the others.
func (a *arguments) float(name, form string, dims int, n *G.Node) error {
	if n == nil {
		return a.errorf("%s: want %s, got nil", name, form)
	}
	dt, s := n.Dtype(), n.Shape()
	switch {
	case dt != tensor.Float32 && dt != tensor.Float64:
		return a.errorf("%s: want dtype float32 or float64, got %v", name, dt)
	case a.dt.Type != nil && dt != a.dt:
		return a.errorf("%s: want dtype %v like the other inputs, got %v", name, a.dt, dt)
	case len(s) != dims || slices.Min(s) < 1:
		return a.errorf("%s: want %s, got %v", name, form, s)
	}
	a.dt = dt
	a.add(n)
	return nil
}

// intsOf checks an integer node and adds it.
func (a *arguments) intsOf(name string, n *G.Node, shape ...int) error {
	switch {
	case n == nil:
		return a.errorf("%s: want %v of dtype int, got nil", name, tensor.Shape(shape))
	case n.Dtype() != tensor.Int || !slices.Equal(n.Shape(), shape):
		return a.errorf("%s: want %v of dtype int, got %v of dtype %v", name, tensor.Shape(shape), n.Shape(), n.Dtype())
	}
	a.add(n)
	return nil
}

// lengths checks lengths (b), which may be nil, and adds them.
func (a *arguments) lengths(n *G.Node, b int) (int, error) {
	if err := graphop.WantLengths(n, b); err != nil {
		return -1, a.errorf("%w", err)
	}
	return a.add(n), nil
}

// rows checks that a node has n rows from r.From on, of the shape row, which is known.
func (a *arguments) rows(name string, r Rows, n int, row ...int) error {
	form := fmt.Sprintf("rows [%d, %d) of a parameter of rows %v", r.From, r.From+n, tensor.Shape(row))
	if err := a.float(name, form, 1+len(row), r.Node); err != nil {
		return err
	}
	if s := r.Node.Shape(); r.From < 0 || s[0] < r.From+n || !slices.Equal(s[1:], row) {
		return a.errorf("%s: want %s, got %v", name, form, s)
	}
	return nil
}

// weight checks the rows of a weight, of any number of features.
func (a *arguments) weight(name string, r Rows, n int) error {
	if err := a.float(name, "(classes, D)", 2, r.Node); err != nil {
		return err
	}
	return a.rows(name, r, n, r.Node.Shape()[1])
}

// proj checks a projection, which may be nil, from or to h features.
func (a *arguments) proj(name string, n *G.Node, rows bool, h, d int) error {
	if n == nil {
		if h != d {
			return a.errorf("%s: want a projection, as there are %d features for hidden vectors of %d, got nil", name, d, h)
		}
		return nil
	}
	r := []int{h, d}
	if rows {
		r = []int{d, h}
	}
	if err := a.float(name, fmt.Sprint(tensor.Shape(r)), 2, n); err != nil {
		return err
	}
	if !slices.Equal(n.Shape(), r) {
		return a.errorf("%s: want %v, got %v", name, tensor.Shape(r), n.Shape())
	}
	return nil
}
