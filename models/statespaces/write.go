package statespaces

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
	"github.com/gorgonia-s4/s4/param"
)

// Layout returns how the checkpoint names what the model has. It is an error if the
// checkpoint has a tensor that is no part of the model.
func (c *Checkpoint) Layout(opts ...Option) (Layout, error) {
	in, err := c.Inspect(opts...)
	if err != nil {
		return Layout{}, err
	}
	if len(in.Unknown) > 0 {
		return Layout{}, in.check()
	}
	return in.Layout, nil
}

// Tensors returns the parameters and buffers of a model as the tensors of a public
// module, as load_state_dict takes them, and the extra ones of the layout. Floats keep
// their type. It is an error if the model has something that the layout has no name
// for, but for the random states of dropouts, or lacks something. The elements are those
// of the model, in place, where the module does not store them otherwise.
func (l Layout) Tensors(m param.Source) ([]Tensor, error) {
	ts, err := l.tensors(m)
	if err != nil {
		return nil, fmt.Errorf("statespaces: %w", err)
	}
	return ts, nil
}

func (l Layout) tensors(m param.Source) ([]Tensor, error) {
	if m == nil {
		return nil, errors.New("want a model, got nil")
	}
	vars, err := variables(m)
	if err != nil {
		return nil, err
	}
	ours, err := weights.Tensors(vars)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]safetensors.Tensor, len(ours))
	for _, t := range ours {
		byName[t.Name] = t
	}
	var out []Tensor
	for _, n := range l.Names {
		t, ok := byName[n.Ours]
		if !ok {
			return nil, fmt.Errorf("want a model with %s, which is %s in the module, got none", n.Ours, n.Theirs[0].Name)
		}
		delete(byName, n.Ours)
		theirs, err := n.theirs(t)
		if err != nil {
			return nil, err
		}
		out = append(out, theirs...)
	}
	if len(byName) > 0 {
		var names []string
		for name := range byName {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("want a model whose parameters the module has, got also %q", short(names))
	}
	return append(out, l.Extra...), nil
}

// Write writes the tensors of a public module to a safetensors file, which is written
// to a temporary file and renamed.
func (l Layout) Write(path string, m param.Source) error {
	ts, err := l.Tensors(m)
	if err != nil {
		return err
	}
	if err := safetensors.WriteFile(path, file(ts, map[string]string{"format": "pt"})); err != nil {
		return fmt.Errorf("statespaces: %w", err)
	}
	return nil
}

// Write writes the tensors of the checkpoint as they are to a safetensors file, of
// whatever module they are: param.Loader puts those of torch.nn into layers. Halves
// become float32, and complex numbers pairs of real ones.
func (c *Checkpoint) Write(path string) error {
	if err := safetensors.WriteFile(path, file(c.Tensors, map[string]string{"format": "pt"})); err != nil {
		return fmt.Errorf("statespaces: %w", err)
	}
	return nil
}

// layoutFile is the file beside a model that has the layout of the checkpoint that it
// is from.
const layoutFile = "statespaces.json"

// Save writes the layout to the directory of a model.
func (l Layout) Save(dir string) error {
	err := atomicfile.Write(filepath.Join(dir, layoutFile), 0o666, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(l)
	})
	if err != nil {
		return fmt.Errorf("statespaces: %w", err)
	}
	return nil
}

// SavedLayout reads the layout that Save wrote to the directory of a model. The error
// is fs.ErrNotExist if there is none.
func SavedLayout(dir string) (Layout, error) {
	path := filepath.Join(dir, layoutFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return Layout{}, fmt.Errorf("statespaces: %w", err)
	}
	var l Layout
	if err := json.Unmarshal(text, &l); err != nil {
		return Layout{}, fmt.Errorf("statespaces: %s: %w", path, err)
	}
	return l, nil
}

// Style is a kind of public model.
type Style string

// The kinds of models that LayoutOf knows.
const (
	Example  Style = "example"  // s4_layers.I and norms.I, as in example.py of state-spaces/s4
	Sequence Style = "sequence" // model.layers.I, as its SequenceModel between encoder and decoder
)

// LayoutOf returns how a public model of a kind names what m has: S4 and S4D as in
// version 4, S4D with FixedB as the minimal one, DSS as in its own code. Something
// that the public code does not have, such as a layer of another kind, is an error.
func LayoutOf(m *models.Classifier, style Style) (Layout, error) {
	l, err := layoutOf(m, style)
	if err != nil {
		return Layout{}, fmt.Errorf("statespaces: %w", err)
	}
	return l, nil
}

// namer makes a layout.
type namer struct {
	style  Style
	shapes map[string][]int // of the model, by name
	layout Layout
}

func layoutOf(m *models.Classifier, style Style) (Layout, error) {
	if style != Example && style != Sequence {
		return Layout{}, fmt.Errorf("want a style %q or %q, got %q", Example, Sequence, style)
	}
	vars, err := variables(m)
	if err != nil {
		return Layout{}, err
	}
	n := namer{style: style, shapes: map[string][]int{}}
	for _, v := range vars {
		n.shapes[v.Name] = v.Value.Shape()
	}
	encoder, decoder := "encoder.", "decoder."
	if style == Sequence {
		encoder, decoder = "encoder.0.", "decoder.0.output_transform."
	}
	for _, rest := range []string{"weight", "bias"} {
		n.add("encoder."+rest, encoder+rest)
		n.add("decoder."+rest, decoder+rest)
	}
	for i, b := range m.Blocks() {
		if err := n.block(i, b.Config()); err != nil {
			return Layout{}, fmt.Errorf("block %d: %w", i, err)
		}
	}
	if style == Sequence {
		if err := n.lastNorm(m.Blocks()[0].Config()); err != nil {
			return Layout{}, err
		}
	}
	if len(n.shapes) > 0 {
		_, err := n.layout.tensors(m)
		return Layout{}, fmt.Errorf("style %q: %w", style, err)
	}
	return n.layout, nil
}

// add names a tensor that the model has: theirs has another shape where one is given.
func (n *namer) add(ours, theirs string, shape ...int) {
	s, ok := n.shapes[ours]
	if !ok {
		return
	}
	delete(n.shapes, ours)
	if shape == nil {
		shape = s
	}
	n.layout.Names = append(n.layout.Names, Name{Ours: ours, Shape: s, Theirs: []Part{{theirs, shape}}})
}

// negate says that the tensor named last is stored with the other sign.
func (n *namer) negate() { n.layout.Names[len(n.layout.Names)-1].Negated = true }

// norm names a normalisation.
func (n *namer) norm(ours, theirs string) {
	_, counts := n.shapes[ours+"running_mean"]
	for _, rest := range []string{"weight", "bias", "running_mean", "running_var"} {
		n.add(ours+rest, theirs+rest)
	}
	if counts {
		n.layout.Extra = append(n.layout.Extra, Tensor{theirs + "num_batches_tracked", "int64", []int{}, []int64{0}})
	}
}

// lastNorm names the normalisation after the blocks, which a sequence model has if its
// blocks normalise before their layer.
func (n *namer) lastNorm(first layers.BlockConfig) error {
	_, has := n.shapes["blocks.norm.weight"]
	if want := first.PreNorm && first.Norm != layers.NoNorm; has != want {
		return fmt.Errorf("style %q: want a norm after the blocks if they have PreNorm, and else none, got PreNorm %t and a norm %t", n.style, want, has)
	}
	n.norm("blocks.norm.", "model.norm.norm.")
	return nil
}

// block names a block.
func (n *namer) block(i int, b layers.BlockConfig) error {
	if b.NoResidual && n.style == Example {
		return errors.New("want a residual block, got one without")
	}
	ours, theirs, norm := fmt.Sprintf("blocks.%d.", i), fmt.Sprintf("s4_layers.%d.", i), fmt.Sprintf("norms.%d.", i)
	if n.style == Sequence {
		theirs = fmt.Sprintf("model.layers.%d.layer.", i)
		norm = fmt.Sprintf("model.layers.%d.norm.norm.", i)
	}
	n.norm(ours+"norm.", norm)
	ours += "layer."
	var of layers.SSM
	switch m := b.Mixer.(type) {
	case layers.S4Config:
		of = m.SSM
		n.version4(ours, theirs)
	case layers.S4DConfig:
		of = m.SSM
		if m.FixedB {
			return errors.Join(checkMinimal(m), n.minimal(ours, theirs), checkSSM(of))
		}
		n.version4(ours, theirs)
	case layers.DSSConfig:
		of = m.SSM
		n.dss(ours, theirs, m)
	default:
		return fmt.Errorf("want S4, S4D or DSS, got a %T", m)
	}
	return checkSSM(of)
}

// checkSSM reports what the public modules cannot compute.
func checkSSM(c layers.SSM) error {
	switch {
	case c.Bidirectional && !c.OffByOne:
		return errors.New("want OffByOne of a bidirectional layer, whose second kernel starts one step ahead in the public code")
	case c.Gate > 0 || c.Bottleneck > 0:
		return errors.New("want a layer without gate and bottleneck, which the public code cannot make")
	}
	return nil
}

// checkMinimal reports what the minimal S4D cannot compute.
func checkMinimal(c layers.S4DConfig) error {
	w := meaningOf(c)
	switch {
	case w.disc != "zoh" || w.dt != "exp" || w.a != "exp":
		return fmt.Errorf("want Disc zoh and transforms exp of the minimal S4D (FixedB), got %s, %s and %s", w.disc, w.dt, w.a)
	case c.NSSM != 0 && c.NSSM != c.DModel || c.Channels > 1 || c.Bidirectional || c.Dt == layers.DtPerState || !isGLU(c.SSM):
		return errors.New("want one kernel, one step size and one state matrix for each feature, and a GLU, of the minimal S4D (FixedB)")
	}
	return nil
}

// isGLU says whether the mixing is a gated linear unit.
func isGLU(c layers.SSM) bool { return c.Mixing == "" || c.Mixing == layers.MixGLU }

// column says which tensor of a linear map has a last axis of 1 in a module.
type column int

const (
	noColumn     column = iota // nn.Linear
	weightColumn               // nn.Conv1d
	biasColumn                 // TransposedLinear
)

// mixing names the map after the state space model, in a nn.Sequential or by itself.
func (n *namer) mixing(ours, theirs string, c column, sequential bool) {
	w, ok := n.shapes[ours+"output_linear.weight"]
	if !ok {
		return
	}
	at, weight, bias := theirs+"output_linear.", slices.Clone(w), []int{w[0]}
	if sequential {
		at += "0."
	}
	switch c {
	case weightColumn:
		weight = append(weight, 1)
	case biasColumn:
		bias = append(bias, 1)
	}
	n.add(ours+"output_linear.weight", at+"weight", weight...)
	n.add(ours+"output_linear.bias", at+"bias", bias...)
}

// version4 names S4 or S4D as version 4 does.
func (n *namer) version4(ours, theirs string) {
	k, t := ours+"kernel.", theirs+"layer.kernel."
	n.add(ours+"D", theirs+"layer.D")
	n.add(k+"log_dt", t+"inv_dt")
	for _, rest := range []string{"A_real", "A_imag", "C", "P"} {
		n.add(k+rest, t+rest)
	}
	n.add(k+"B", t+"B", append([]int{1}, n.shapes[k+"B"]...)...)
	if _, ok := n.shapes[k+"l_kernel"]; ok {
		n.add(k+"l_kernel", t+"l_kernel")
		n.layout.Names[len(n.layout.Names)-1].Theirs[0].Shape = []int{}
	}
	n.mixing(ours, theirs, noColumn, true)
}

// minimal names the minimal S4D.
func (n *namer) minimal(ours, theirs string) error {
	k, t := ours+"kernel.", theirs+"kernel."
	c := n.shapes[k+"C"]
	if len(c) != 4 || c[0] != 1 {
		return nil // checkMinimal says it
	}
	n.add(ours+"D", theirs+"D", c[1])
	n.add(k+"log_dt", t+"log_dt", c[1])
	n.add(k+"A_real", t+"log_A_real")
	n.add(k+"A_imag", t+"A_imag")
	n.negate()
	n.add(k+"C", t+"C", c[1:]...)
	n.mixing(ours, theirs, weightColumn, true)
	return nil
}

// lambdaImag are the names of the imaginary parts in the versions of DSS that store the
// parts of Lambda by themselves.
var lambdaImag = map[vandermonde.DSSVersion]string{
	vandermonde.DSSExp: "Lambda_im", vandermonde.DSSExpNoScale: "Lambda_im", vandermonde.DSSExpReIm: "Lambda_log_im",
}

// dss names a DSS.
func (n *namer) dss(ours, theirs string, c layers.DSSConfig) {
	k, t := ours+"kernel.", theirs+"kernel."
	n.add(ours+"D", theirs+"D")
	if c.Dt == layers.DtPerFeature {
		n.add(k+"log_dt", t+"log_dt", n.shapes[k+"log_dt"][0])
	} else {
		n.add(k+"log_dt", t+"log_dt")
	}
	n.add(k+"W", t+"W")
	n.add(k+"Lambda", t+"Lambda")
	if im := lambdaImag[c.Version]; im != "" {
		states := []int{n.layout.Names[len(n.layout.Names)-1].Shape[0]}
		n.layout.Names[len(n.layout.Names)-1].Theirs = []Part{{t + "Lambda_log_neg_re", states}, {t + im, states}}
	}
	n.mixing(ours, theirs, biasColumn, isGLU(c.SSM))
}
