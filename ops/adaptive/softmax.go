package adaptive

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/softmax"
)

// Softmax is the parameters of an adaptive softmax.
type Softmax struct {
	Vocab   int
	Cutoffs []int
	// Clusters has the shortlist, and then the clusters, in order. A node may be of
	// several, as where the weights of all are rows of one.
	Clusters []Cluster
	// ClusterWeight (K, D) and ClusterBias (K), which may be nil, are the rows of the
	// clusters in the head, whose Proj is that of the shortlist. Where ClusterWeight is
	// nil, the weight and the bias of the shortlist have K more rows, which are these.
	ClusterWeight, ClusterBias *G.Node
	// Reversed says that the clusters are in the head last to first.
	Reversed bool
}

// NLL returns the negative log-likelihood (B, L) of each label given hidden (B, H, L).
// labels are (B, L) of dtype int, in [0, Vocab). Where one is -1, or is behind one of the
// lengths (B) of dtype int, which may be nil, nothing is read or computed, and the result
// is 0. Any other label is an error when the graph runs.
func NLL(hidden, labels, lengths *G.Node, s Softmax) (*G.Node, error) {
	a := &arguments{op: "adaptive.NLL"}
	if err := a.float("hidden", "(B, H, L)", 3, hidden); err != nil {
		return nil, err
	}
	x := hidden.Shape()
	cfg, err := s.config(a, x[1])
	if err != nil {
		return nil, err
	}
	if err := a.intsOf("labels", labels, x[0], x[2]); err != nil {
		return nil, err
	}
	cfg.B, cfg.L, cfg.Labels = x[0], x[2], a.add(labels)
	if cfg.Lengths, err = a.lengths(lengths, x[0]); err != nil {
		return nil, err
	}
	return graphop.Apply(graphop.Spec{Name: a.op, Out: tensor.Shape{x[0], x[2]}, Ints: a.ints},
		func() graphop.Core[float32] { return softmax.New[float32](cfg) },
		func() graphop.Core[float64] { return softmax.New[float64](cfg) }, a.in...)
}

// config checks the parameters for hidden vectors of h features and adds them to the
// inputs.
func (s Softmax) config(a *arguments, h int) (softmax.Config, error) {
	cfg := softmax.Config{H: h, Cutoffs: slices.Clone(s.Cutoffs), Reversed: s.Reversed}
	if err := ValidCutoffs(s.Vocab, s.Cutoffs); err != nil {
		return cfg, a.errorf("%w", err)
	}
	at, k := bounds(s.Vocab, s.Cutoffs), len(s.Cutoffs)
	if len(s.Clusters) != k+1 {
		return cfg, a.errorf("want the parameters of a shortlist and %d clusters, got %d", k, len(s.Clusters))
	}
	for i, c := range s.Clusters {
		name, n := fmt.Sprintf("cluster %d", i), at[i+1]-at[i]
		if i == 0 && s.ClusterWeight == nil {
			n += k
		}
		m, err := s.softmax(a, name, c, n, h)
		if err != nil {
			return cfg, err
		}
		cfg.Maps = append(cfg.Maps, m)
	}
	return cfg, s.addClusters(a, &cfg.Maps[0])
}

// softmax checks the parameters of one softmax of n classes.
func (s Softmax) softmax(a *arguments, name string, c Cluster, n, h int) (softmax.Map, error) {
	var m softmax.Map
	if err := a.weight(name+": Weight", c.Weight, n); err != nil {
		return m, err
	}
	if c.Bias.Node != nil {
		if err := a.rows(name+": Bias", c.Bias, n); err != nil {
			return m, err
		}
	}
	if err := a.proj(name+": Proj", c.Proj, c.ProjRows, h, c.features()); err != nil {
		return m, err
	}
	seg := softmax.Segment{Classes: n, Weight: a.add(c.Weight.Node), Row: c.Weight.From, Bias: a.add(c.Bias.Node), BiasRow: c.Bias.From}
	return softmax.Map{Segments: []softmax.Segment{seg}, In: c.features(), Proj: a.add(c.Proj), ProjRows: c.ProjRows}, nil
}

// addClusters adds the rows of the clusters to the head.
func (s Softmax) addClusters(a *arguments, head *softmax.Map) error {
	k := len(s.Cutoffs)
	if s.ClusterWeight == nil || k == 0 {
		if s.ClusterWeight != nil || s.ClusterBias != nil {
			return a.errorf("want ClusterBias only with ClusterWeight, and both only with clusters, got %d clusters", k)
		}
		return nil
	}
	if err := a.rows("ClusterWeight", Rows{Node: s.ClusterWeight}, k, head.In); err != nil {
		return err
	}
	if s.ClusterBias != nil {
		if err := a.rows("ClusterBias", Rows{Node: s.ClusterBias}, k); err != nil {
			return err
		}
	}
	head.Segments = append(head.Segments, softmax.Segment{Classes: k, Weight: a.add(s.ClusterWeight), Bias: a.add(s.ClusterBias)})
	return nil
}

// LogProbs returns the logarithm of the probability of every token given hidden (B, H, L)
// or (B, H): (B, Vocab, L) or (B, Vocab). Behind one of the lengths (B) of dtype int, which
// may be nil, nothing is read and the result is 0; they are for hidden (B, H, L) only.
func LogProbs(hidden, lengths *G.Node, s Softmax) (*G.Node, error) {
	a := &arguments{op: "adaptive.LogProbs"}
	dims := 3
	if hidden != nil && hidden.Shape().Dims() == 2 {
		dims = 2
	}
	if err := a.float("hidden", "(B, H, L) or (B, H)", dims, hidden); err != nil {
		return nil, err
	}
	x := hidden.Shape()
	cfg, err := s.config(a, x[1])
	if err != nil {
		return nil, err
	}
	cfg.B, cfg.L = x[0], 1
	out := x.Clone()
	out[1] = s.Vocab
	if dims == 3 {
		cfg.L = x[2]
	} else if lengths != nil {
		return nil, a.errorf("want lengths with hidden (B, H, L) only, got hidden %v", x)
	}
	if cfg.Lengths, err = a.lengths(lengths, x[0]); err != nil {
		return nil, err
	}
	return graphop.Apply(graphop.Spec{Name: a.op, Out: out, Ints: a.ints},
		func() graphop.Core[float32] { return softmax.NewLogProbs[float32](cfg) },
		func() graphop.Core[float64] { return softmax.NewLogProbs[float64](cfg) }, a.in...)
}
