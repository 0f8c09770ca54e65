package adaptive

import (
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
)

// Reader returns the values of a node.
type Reader[T num.Float] func(n *G.Node) ([]T, error)

// Weights are the parameters of an adaptive softmax as a step needs them: copies that
// nothing changes, for any number of steps at the same time.
type Weights[T num.Float] struct {
	h      int
	at     []int // the first token of each cluster, and the end
	column func(i int) int
	maps   []stepMap[T]
}

// stepMap is the linear maps of one softmax.
type stepMap[T num.Float] struct{ proj, logits *ops.LinearWeights[T] }

// NewWeights copies the parameters of a softmax of hidden vectors of h features, which are
// valid.
func NewWeights[T num.Float](s Softmax, h int, read Reader[T]) (*Weights[T], error) {
	k := len(s.Cutoffs)
	w := &Weights[T]{h: h, at: bounds(s.Vocab, s.Cutoffs)}
	w.column = func(i int) int {
		if s.Reversed {
			return w.at[1] + k - 1 - i
		}
		return w.at[1] + i
	}
	for i, c := range s.Clusters {
		parts := []Cluster{c}
		sizes := []int{w.at[i+1] - w.at[i]}
		switch {
		case i == 0 && s.ClusterWeight == nil:
			sizes[0] += k
		case i == 0:
			parts, sizes = append(parts, Cluster{Weight: Rows{Node: s.ClusterWeight}, Bias: Rows{Node: s.ClusterBias}}), append(sizes, k)
		}
		m, err := newStepMap(parts, sizes, h, read)
		if err != nil {
			return nil, err
		}
		w.maps = append(w.maps, m)
	}
	return w, nil
}

// newStepMap copies the parameters of a softmax over the classes of some parts, which have
// the projection of the first.
func newStepMap[T num.Float](parts []Cluster, sizes []int, h int, read Reader[T]) (m stepMap[T], err error) {
	var rows, bias []T
	classes, hasBias := 0, false
	for i, c := range parts {
		if err := add(&rows, c.Weight, sizes[i], read); err != nil {
			return m, err
		}
		if err := add(&bias, c.Bias, sizes[i], read); err != nil {
			return m, err
		}
		classes += sizes[i]
		hasBias = hasBias || c.Bias.Node != nil
		if len(bias) < classes { // this part has none
			bias = append(bias, make([]T, classes-len(bias))...)
		}
	}
	if !hasBias {
		bias = nil
	}
	m.logits = ops.NewLinearWeights(parts[0].features(), classes, rows, bias)
	if parts[0].Proj != nil {
		m.proj, err = projection(parts[0], h, read)
	}
	return m, err
}

// add appends n rows of a node, if there is one, to dst.
func add[T num.Float](dst *[]T, r Rows, n int, read Reader[T]) error {
	if r.Node == nil {
		return nil
	}
	v, err := read(r.Node)
	if err != nil {
		return err
	}
	row := len(v) / r.Node.Shape()[0]
	*dst = append(*dst, v[r.From*row:(r.From+n)*row]...)
	return nil
}

// projection returns the map of a hidden vector to the features of a cluster.
func projection[T num.Float](c Cluster, h int, read Reader[T]) (*ops.LinearWeights[T], error) {
	v, err := read(c.Proj)
	if err != nil {
		return nil, err
	}
	d := c.features()
	if !c.ProjRows {
		rows := make([]T, len(v))
		gemm.Transpose(rows, h, v, d, h, d)
		v = rows
	}
	return ops.NewLinearWeights(h, d, v, nil), nil
}

// Step is the logarithms of the probabilities of all tokens at one step of a batch. It is
// for one goroutine, but large products are spread over the workers.
type Step[T num.Float] struct {
	*Weights[T]
	proj, logits []*ops.LinearStep[T]
	run          []T // a part of a row
}

// NewStep returns a step with scratch memory of its own.
func (w *Weights[T]) NewStep() *Step[T] {
	s := &Step[T]{Weights: w, run: num.Aligned[T](512)}
	for _, m := range w.maps {
		var p *ops.LinearStep[T]
		if m.proj != nil {
			p = m.proj.NewStep()
		}
		s.proj, s.logits = append(s.proj, p), append(s.logits, m.logits.NewStep())
	}
	return s
}

// Apply maps x (batch, h) to dst (batch, vocab).
func (s *Step[T]) Apply(dst, x []T, batch int) {
	vocab, k := s.at[len(s.at)-1], len(s.maps)-1
	var head []T
	for i := range s.maps {
		f := x
		if s.proj[i] != nil {
			f = s.proj[i].Apply(x, batch)
		}
		z := s.logits[i].Apply(f, batch)
		lo, hi, n := s.at[i], s.at[i+1], len(z)/batch
		if i == 0 {
			head = z
		}
		for b := range batch {
			row, y := z[b*n:][:n], dst[b*vocab:][lo:hi]
			less := T(s.logSum(row))
			if i > 0 {
				less -= head[b*(s.at[1]+k)+s.column(i-1)]
			}
			vec.Affine(y, row[:hi-lo], less, 1, 0)
			if i == 0 { // the columns of the clusters become logarithms of probabilities
				vec.Affine(row[hi:], row[hi:], less, 1, 0)
			}
		}
	}
}

// logSum returns log(sum(exp(z))).
func (s *Step[T]) logSum(z []T) float64 {
	top := slices.Max(z)
	if math.IsInf(float64(top), -1) {
		return float64(top)
	}
	var sum float64
	for lo := 0; lo < len(z); lo += len(s.run) {
		e := s.run[:min(len(s.run), len(z)-lo)]
		vec.Affine(e, z[lo:lo+len(e)], top, 1, 0)
		vec.Exp(e, e)
		sum += vec.Sum64(e)
	}
	return float64(top) + math.Log(sum)
}

// TableWeights are the parameters of an adaptive embedding as a step needs them, as
// Weights are those of a softmax.
type TableWeights[T num.Float] struct {
	h, vocab int
	cutoffs  []int
	rows     [][]T // of each cluster, (tokens, D), times the scale
	d        []int
	projs    []*ops.LinearWeights[T]
}

// NewTableWeights copies the parameters of an embedding in h features, which are valid.
func NewTableWeights[T num.Float](t Table, h int, read Reader[T]) (*TableWeights[T], error) {
	w := &TableWeights[T]{h: h, vocab: t.Vocab, cutoffs: slices.Clone(t.Cutoffs)}
	at := bounds(t.Vocab, t.Cutoffs)
	for i, r := range t.Weights {
		var rows []T
		if err := add(&rows, r, at[i+1]-at[i], read); err != nil {
			return nil, err
		}
		vec.Scale(rows, T(t.Scale), rows)
		d := r.Node.Shape()[1]
		var p *ops.LinearWeights[T]
		if t.Projs[i] != nil {
			v, err := read(t.Projs[i])
			if err != nil {
				return nil, err
			}
			p = ops.NewLinearWeights(d, h, v, nil)
		}
		w.rows, w.d, w.projs = append(w.rows, rows), append(w.d, d), append(w.projs, p)
	}
	return w, nil
}

// TableStep is an adaptive embedding at one step of a batch. It is for one goroutine.
type TableStep[T num.Float] struct {
	*TableWeights[T]
	projs []*ops.LinearStep[T]
	of    [][]int // of each cluster, the rows of the batch that are in it
	x     []T     // (rows, D)
}

// NewStep returns a step with scratch memory of its own.
func (w *TableWeights[T]) NewStep() *TableStep[T] {
	s := &TableStep[T]{TableWeights: w, of: make([][]int, len(w.rows))}
	for _, p := range w.projs {
		var step *ops.LinearStep[T]
		if p != nil {
			step = p.NewStep()
		}
		s.projs = append(s.projs, step)
	}
	return s
}

// Apply looks ids up, in [0, vocab), and writes dst (batch, h).
func (s *TableStep[T]) Apply(dst []T, ids []int) {
	for i := range s.of {
		s.of[i] = s.of[i][:0]
	}
	for b, id := range ids {
		i, _ := slices.BinarySearch(s.cutoffs, id+1)
		s.of[i] = append(s.of[i], b)
	}
	for i, of := range s.of {
		if len(of) == 0 {
			continue
		}
		d, first := s.d[i], 0
		if i > 0 {
			first = s.cutoffs[i-1]
		}
		s.x = num.Grow(s.x, len(of)*d)
		for j, b := range of {
			copy(s.x[j*d:][:d], s.rows[i][(ids[b]-first)*d:])
		}
		y := s.x
		if s.projs[i] != nil {
			y = s.projs[i].Apply(s.x, len(of))
		}
		for j, b := range of {
			copy(dst[b*s.h:][:s.h], y[j*s.h:])
		}
	}
}
