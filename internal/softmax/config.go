package softmax

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// Ignored is the label of what is no token.
const Ignored = -1

// Segment is a range of classes whose weights and biases are rows of inputs.
type Segment struct {
	Classes int
	Weight  int // input, (rows, In)
	Row     int // of the weight, that of the first class
	Bias    int // input, (rows), or -1
	BiasRow int
}

// Map is a softmax over the classes of some segments, one after the other, whose logits
// are linear in In features.
type Map struct {
	Segments []Segment
	In       int
	Proj     int  // input that maps the hidden vector (H) to the features, or -1: they are the same
	ProjRows bool // it is (In, H), and not its transpose
}

// classes returns the number of classes.
func (m *Map) classes() int {
	n := 0
	for _, s := range m.Segments {
		n += s.Classes
	}
	return n
}

// Config is the sizes and the inputs of a core. Input 0 is hidden (B, H, L).
type Config struct {
	B, H, L int
	Labels  int // input (B, L)
	Lengths int // input (B), or -1

	// Cutoffs are the first class of each cluster, increasing; none where there is one
	// map. Maps has the head, whose classes are those before the first cutoff and then
	// the clusters, and then the clusters, in order.
	Cutoffs []int
	Maps    []Map
	// Reversed says that the clusters are in the head last to first.
	Reversed bool

	// Smoothing is the share of the target that is moved from the label to all classes
	// alike. It is for one map.
	Smoothing float64
}

// classes returns the number of labels that there are.
func (c *Config) classes() int {
	n := c.Maps[0].classes()
	if k := len(c.Cutoffs); k > 0 {
		n = c.Cutoffs[k-1] + c.Maps[k].classes()
	}
	return n
}

// inputs returns the number of float inputs, which are the first.
func (c *Config) inputs() int {
	n := 1
	for _, m := range c.Maps {
		n = max(n, m.Proj+1)
		for _, s := range m.Segments {
			n = max(n, s.Weight+1, s.Bias+1)
		}
	}
	return n
}

// column returns where the head has a class of cluster i, from 0 on: that of the cluster.
func (c *Config) column(i int) int {
	if c.Reversed {
		i = len(c.Cutoffs) - 1 - i
	}
	return c.Cutoffs[0] + i
}

// cluster returns the cluster that a class is in, -1 for the head.
func (c *Config) cluster(class int) int {
	k := -1
	for k+1 < len(c.Cutoffs) && class >= c.Cutoffs[k+1] {
		k++
	}
	return k
}

// tokens are those of a map: where in the batch they are, b L + l, and their classes in
// the map.
type tokens struct{ at, class []int }

// sort deals the labels out to the maps.
func (c *Config) sort(of []tokens, labels, lens []int) error {
	for i := range of {
		of[i].at, of[i].class = of[i].at[:0], of[i].class[:0]
	}
	classes := c.classes()
	for b := range c.B {
		for l, y := range labels[b*c.L:][:graphop.Length(lens, b, c.L)] {
			if y == Ignored {
				continue
			}
			if y < 0 || y >= classes {
				return fmt.Errorf("labels[%d, %d]: want a class in [0, %d) or %d (ignored), got %d", b, l, classes, Ignored, y)
			}
			at, k := b*c.L+l, c.cluster(y)
			if k >= 0 {
				of[k+1].add(at, y-c.Cutoffs[k])
				y = c.column(k)
			}
			of[0].add(at, y)
		}
	}
	return nil
}

func (t *tokens) add(at, class int) {
	t.at, t.class = append(t.at, at), append(t.class, class)
}
