package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
)

// maxParams is the number of parameters that are listed one by one.
const maxParams = 2000

// paramGroup is a part of a model: the encoder, a block, the decoder.
type paramGroup struct {
	Name     string
	Elements int
	Frozen   int
	Params   []paramRow
}

// paramRow is a parameter.
type paramRow struct {
	Name, Shape string
	Elements    int
	Rate        string // learning rate of its own, or that of the run
	Decay       string
	Frozen      bool
	Moved       string // relative change since the start
}

// paramTable returns the parameters of a model by part. start is the model before
// training, or nil.
func paramTable(m, start model) []paramGroup {
	before := map[string]param.Param{}
	if start != nil {
		for _, p := range start.Params() {
			before[p.Name] = p
		}
	}
	var gs []paramGroup
	for i, p := range m.Params() {
		name := groupOf(p.Name)
		if len(gs) == 0 || gs[len(gs)-1].Name != name {
			gs = append(gs, paramGroup{Name: name})
		}
		g := &gs[len(gs)-1]
		n := p.Node.Shape().TotalSize()
		g.Elements += n
		if p.Frozen {
			g.Frozen += n
		}
		if i < maxParams {
			g.Params = append(g.Params, rowOf(p, before[p.Name], name))
		}
	}
	return gs
}

// groupOf returns the part that a parameter belongs to: "blocks.3" of
// "blocks.3.layer.kernel.C".
func groupOf(name string) string {
	first, rest, _ := strings.Cut(name, ".")
	second, _, _ := strings.Cut(rest, ".")
	if _, err := strconv.Atoi(second); err == nil {
		return first + "." + second
	}
	return first
}

// rowOf returns the row of a parameter.
func rowOf(p, before param.Param, group string) paramRow {
	r := paramRow{
		Name: strings.TrimPrefix(p.Name, group+"."), Shape: fmt.Sprint(p.Node.Shape()), Elements: p.Node.Shape().TotalSize(),
		Rate: "that of the run", Decay: "that of the run", Frozen: p.Frozen, Moved: moved(before, p),
	}
	if p.LR != nil {
		r.Rate = significant(*p.LR)
	}
	if p.WeightDecay != nil {
		r.Decay = significant(*p.WeightDecay)
	}
	if p.Frozen {
		r.Rate, r.Decay = "\u2013", "\u2013"
	}
	return r
}

// moved returns by how much a parameter changed, as a part of what it was: the norm
// of the difference over the norm.
func moved(before, after param.Param) string {
	if before.Node == nil {
		return ""
	}
	a, err1 := values(before)
	b, err2 := values(after)
	if err1 != nil || err2 != nil || len(a) != len(b) {
		return ""
	}
	var change, norm float64
	for i, v := range a {
		change += (b[i] - v) * (b[i] - v)
		norm += v * v
	}
	switch {
	case change == 0:
		return "0"
	case norm == 0:
		return "from 0"
	}
	text, _ := strings.CutSuffix(strconv.FormatFloat(100*math.Sqrt(change/norm), 'g', 3, 64), "e+00")
	return text + " %"
}

// values returns the elements of a parameter.
func values(p param.Param) ([]float64, error) {
	t, err := p.Value()
	if err != nil {
		return nil, err
	}
	switch v := t.Data().(type) {
	case []float64:
		return v, nil
	case []float32:
		f := make([]float64, len(v))
		for i, x := range v {
			f[i] = float64(x)
		}
		return f, nil
	case float32, float64:
		return nil, fmt.Errorf("want a tensor, got the scalar %v", v)
	}
	return nil, fmt.Errorf("want %v or %v, got %v", tensor.Float32, tensor.Float64, t.Dtype())
}
