package statespaces

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// The places where a layer may have its kernel, and D.
var (
	kernelPlaces = []string{"layer.kernel.kernel.", "layer.kernel.", "kernel.kernel.", "kernel."}
	skipPlaces   = []string{"layer.D", "D"}
)

// kernel is the kernel of a layer: its tensors, and what all kernels have in common.
type kernel struct {
	parts
	ours    string // what stands before the names here, "blocks.0.layer."
	dt      string // names of the tensors
	aReal   string
	aImag   string
	h, n    int // features, states
	kernels int
	layers.SSM
}

// mixer reads a layer of so many features.
func (r *reader) mixer(p parts, ours string, width int) (layers.MixerConfig, error) {
	k, err := r.kernel(p, ours)
	if err != nil {
		return nil, err
	}
	if k.h != width {
		return nil, fmt.Errorf("want kernels of the %d features of the model, got %d: bottlenecks are not supported", width, k.h)
	}
	if err := r.surroundings(p, k); err != nil {
		return nil, err
	}
	switch {
	case k.has("W"):
		return r.dss(k)
	case k.has("P"):
		return r.s4(k)
	}
	return r.s4d(k)
}

// has says whether the kernel has a tensor.
func (k *kernel) has(name string) bool { _, ok := k.parts[name]; return ok }

// first returns the first of names that the kernel has, and the first of all if it
// has none.
func (k *kernel) first(names ...string) string {
	for _, n := range names {
		if k.has(n) {
			return n
		}
	}
	return names[0]
}

// kernel finds the kernel of a layer.
func (r *reader) kernel(p parts, ours string) (*kernel, error) {
	k := &kernel{parts: parts{}, ours: ours}
	for _, place := range kernelPlaces {
		for rest, name := range p {
			if of, ok := strings.CutPrefix(rest, place); ok {
				k.parts[of] = name
			}
		}
		if k.has("C") || k.has("W") {
			break
		}
		clear(k.parts)
	}
	w := k.first("C", "W")
	if !k.has(w) {
		return nil, errors.New("want a kernel with C, or with W of DSS, got none")
	}
	k.dt, k.aReal, k.aImag = k.first("inv_dt", "log_dt"), k.first("A_real", "inv_A_real", "log_A_real", "inv_w_real", "log_w_real"), k.first("A_imag", "w_imag")
	switch s := r.shape(k.parts, w); {
	case len(s) == 4 && s[3] == 2:
		k.kernels, k.h, k.n = s[0], s[1], s[2]
	case len(s) == 3 && s[2] == 2 && k.minimal():
		k.kernels, k.h, k.n = 1, s[0], s[1]
	default:
		return nil, fmt.Errorf("tensor %s: want (kernels, features, states, 2), or (features, states, 2) of the minimal S4D, got shape %v", r.theirs[k.parts[w]], s)
	}
	return k, nil
}

// minimal says whether the kernel is that of the minimal S4D.
func (k *kernel) minimal() bool { return k.aReal == "log_A_real" && !k.has("B") && !k.has("P") }

// surroundings reads D and the mixing, and what goes with them.
func (r *reader) surroundings(p parts, k *kernel) error {
	skip := ""
	for _, at := range skipPlaces {
		if _, ok := p[at]; ok && skip == "" {
			skip = at
		}
	}
	d := r.shape(p, skip)
	k.Channels = 1
	if len(d) == 2 {
		k.Channels = d[0]
	}
	switch k.kernels {
	case k.Channels:
	case 2 * k.Channels:
		k.Bidirectional, k.OffByOne = true, true
	default:
		return fmt.Errorf("want as many kernels as D has rows, %d, or twice that in two directions, got %d", k.Channels, k.kernels)
	}
	ours := []int{k.Channels, k.h}
	shapes := [][]int{ours}
	if k.Channels == 1 {
		shapes = append(shapes, []int{k.h})
	}
	if skip == "" {
		return errors.New("want a tensor D (channels, features), got none")
	}
	if err := r.take(p, skip, k.ours+"D", false, as(ours, shapes...), fmt.Sprintf("D (channels, %d)", k.h)); err != nil {
		return err
	}
	var err error
	if k.Activation, err = r.activation(); err != nil {
		return err
	}
	if k.Dropout, _, err = r.number("dropout"); err != nil {
		return err
	}
	if tie, said, err := r.flag("tie_dropout"); err != nil {
		return err
	} else if said && k.Dropout > 0 {
		k.UntiedDropout = !tie
	}
	return r.mixing(p, k)
}

// activations are those after a state space model.
var activations = map[string]ops.Activation{
	"gelu": ops.ActGELU, "relu": ops.ActReLU, "tanh": ops.ActTanh, "sigmoid": ops.ActSigmoid,
	"swish": ops.ActSiLU, "silu": ops.ActSiLU, "id": ops.ActIdentity, "identity": ops.ActIdentity, "linear": ops.ActIdentity,
}

func (r *reader) activation() (ops.Activation, error) {
	s, err := r.text("gelu", "activation")
	if a, ok := activations[s]; ok || err != nil {
		return a, err
	}
	return "", fmt.Errorf("option activation: want gelu, relu, tanh, sigmoid, silu or id, got %q", s)
}

// mixing reads the linear map after the state space model: to twice the features, for
// a gated linear unit, or to as many.
func (r *reader) mixing(p parts, k *kernel) error {
	const plain, inSequence = "output_linear.", "output_linear.0."
	at := plain
	if _, ok := p[inSequence+"weight"]; ok {
		at = inSequence
	} else if _, ok := p[plain+"weight"]; !ok {
		k.Mixing = layers.MixNone
		return nil
	}
	in, out := k.Channels*k.h, 2*k.h
	w := r.shape(p, at+"weight")
	if len(w) >= 2 && w[0] == k.h {
		k.Mixing, out = layers.MixLinear, k.h
		if at == inSequence {
			if err := r.finalActivation(); err != nil {
				return err
			}
		}
	}
	ours := []int{out, in}
	return errors.Join(
		r.take(p, at+"weight", k.ours+"output_linear.weight", false, as(ours, ours, []int{out, in, 1}), fmt.Sprintf("(%d or %d, %d), with or without an axis of length 1", 2*k.h, k.h, in)),
		r.take(p, at+"bias", k.ours+"output_linear.bias", false, as([]int{out}, []int{out}, []int{out, 1}), fmt.Sprintf("(%d) or (%[1]d, 1)", out)))
}

// finalActivation reads the activation after a mixing that is no gated linear unit.
func (r *reader) finalActivation() error {
	s, err := r.text("id", "final_act", "postact")
	if err == nil && activations[s] != ops.ActIdentity {
		err = fmt.Errorf("option final_act: want glu or id, got %q", s)
	}
	return err
}

// dtPer reads the step sizes: of features, or of their states.
func (r *reader) dtPer(k *kernel) (layers.StepSizes, error) {
	ours, per := []int{k.h, 1}, layers.StepSizes("")
	if s := r.shape(k.parts, k.dt); len(s) == 2 && s[1] > 1 {
		ours, per = []int{k.h, k.n}, layers.DtPerState
	}
	shapes := [][]int{ours}
	if per == "" {
		shapes = append(shapes, []int{k.h})
	}
	return per, r.take(k.parts, k.dt, k.ours+"kernel.log_dt", false, as(ours, shapes...), fmt.Sprintf("%s (%d), (%[2]d, 1) or (%[2]d, %d)", k.dt, k.h, k.n))
}

// diagonal reads Lambda and B of S4 or S4D, S being the number of state matrices.
func (r *reader) diagonal(k *kernel) (s int, err error) {
	a := r.shape(k.parts, k.aReal)
	if len(a) != 2 || a[0] == 0 || k.h%a[0] != 0 {
		return 0, fmt.Errorf("tensor %s: want (state matrices, %d), as many as divide the %d features, got shape %v", k.aReal, k.n, k.h, a)
	}
	s = a[0]
	want := fmt.Sprintf("(%d, %d)", s, k.n)
	c, b := []int{k.kernels, k.h, k.n, 2}, []int{s, k.n, 2}
	shapes := [][]int{c}
	if k.minimal() {
		shapes = append(shapes, c[1:])
	}
	errs := []error{
		r.take(k.parts, k.aReal, k.ours+"kernel.A_real", false, exactly(s, k.n), want),
		r.take(k.parts, k.aImag, k.ours+"kernel.A_imag", k.aReal != "A_real", exactly(s, k.n), k.aImag+" "+want),
		r.take(k.parts, "C", k.ours+"kernel.C", false, as(c, shapes...), fmt.Sprint(c)),
	}
	if k.has("B") {
		errs = append(errs, r.take(k.parts, "B", k.ours+"kernel.B", false, as(b, b, append([]int{1}, b...)), fmt.Sprintf("(1, %d, %d, 2)", s, k.n)))
	}
	for _, rest := range []string{"A", "omega", "z"} { // as it began; roots of unity
		r.extra(k.parts, rest)
	}
	return s, errors.Join(errs...)
}

// version4 says whether the kernel is that of version 4.
func (k *kernel) version4() bool { return k.aReal == "A_real" }

// transforms reads the transforms of dt and A.
func (r *reader) transforms(k *kernel) (dt, a ssm.Transform, err error) {
	dt, a = ssm.Exp, ssm.Exp
	if k.dt == "inv_dt" {
		if dt, err = r.transform("dt_transform", ssm.Exp, ssm.Softplus); err != nil {
			return dt, a, err
		}
	}
	all := []ssm.Transform{ssm.Exp, ssm.Softplus, ssm.ReLU, ssm.Sigmoid, ssm.None}
	switch k.aReal {
	case "A_real":
		a, err = r.transform("real_transform", all...)
	case "inv_A_real":
		a, err = r.transform("real_type", all...)
	case "inv_w_real": // its relu has no floor
		a, err = r.transform("real_type", ssm.Exp, ssm.Softplus, ssm.Sigmoid, ssm.None)
	}
	if err != nil {
		return dt, a, err
	}
	if fast, _, err := r.flag("dt_fast"); err != nil || fast {
		return dt, a, errors.Join(err, errors.New("option dt_fast: want false: step sizes under a sine are not supported"))
	}
	if v, ok := r.get("imag_transform"); ok && v != "none" {
		return dt, a, fmt.Errorf("option imag_transform: want none, got %v", v)
	}
	return dt, a, nil
}

// transform reads a transform, the first of those allowed where it is not said.
// Version 3 and version 4 call that of A by different names, either of which is
// taken.
func (r *reader) transform(key string, allowed ...ssm.Transform) (ssm.Transform, error) {
	keys := []string{key}
	if strings.HasPrefix(key, "real_") {
		keys = append(keys, "real_transform", "real_type")
	}
	s, err := r.text(string(allowed[0]), keys...)
	if err != nil {
		return "", err
	}
	if err := ssm.Transform(s).Validate(allowed...); err != nil || s == "" {
		return "", fmt.Errorf("option %s: want one of %q, got %q", key, allowed, s)
	}
	return ssm.Transform(s), nil
}

// s4d reads a diagonal kernel.
func (r *reader) s4d(k *kernel) (layers.MixerConfig, error) {
	c := layers.S4DConfig{DModel: k.h, DState: 2 * k.n, FixedB: !k.has("B")}
	var err error
	if c.Dt, err = r.dtPer(k); err != nil {
		return nil, err
	}
	if c.NSSM, err = r.diagonal(k); err != nil {
		return nil, err
	}
	if c.DtTransform, c.ATransform, err = r.transforms(k); err != nil {
		return nil, err
	}
	if c.Disc, err = r.disc(k); err != nil {
		return nil, err
	}
	c.SSM = k.SSM
	return c, nil
}

// disc reads the discretisation: that of the minimal S4D is one, and versions 3 and 4
// have different defaults.
func (r *reader) disc(k *kernel) (ssm.Disc, error) {
	if k.minimal() {
		return ssm.ZOH, nil
	}
	def := ssm.ZOH
	if !k.version4() {
		def = ssm.Bilinear
	}
	s, err := r.text(string(def), "disc")
	if err == nil && s != string(ssm.ZOH) && s != string(ssm.Bilinear) {
		err = fmt.Errorf("option disc: want zoh or bilinear, got %q", s)
	}
	return ssm.Disc(s), err
}

// s4 reads a kernel that is diagonal plus low rank.
func (r *reader) s4(k *kernel) (layers.MixerConfig, error) {
	c := layers.S4Config{DModel: k.h, DState: 2 * k.n}
	if !k.has("B") {
		return nil, errors.New("want a tensor B of S4, got none")
	}
	var err error
	if c.Dt, err = r.dtPer(k); err != nil {
		return nil, err
	}
	if c.NSSM, err = r.diagonal(k); err != nil {
		return nil, err
	}
	if p := r.shape(k.parts, "P"); len(p) == 4 {
		c.Rank = p[0]
	}
	if err := r.take(k.parts, "P", k.ours+"kernel.P", false, exactly(c.Rank, c.NSSM, k.n, 2), fmt.Sprintf("P (rank, %d, %d, 2)", c.NSSM, k.n)); err != nil {
		return nil, err
	}
	if c.LMax, err = r.length(k); err != nil {
		return nil, err
	}
	if c.DtTransform, c.ATransform, err = r.transforms(k); err != nil {
		return nil, err
	}
	c.SSM = k.SSM
	return c, nil
}

// length reads the number of steps that C is tuned to; where it is not yet, 0 in the
// checkpoint, it returns that which it is to be tuned to.
func (r *reader) length(k *kernel) (int, error) {
	rest := k.first("l_kernel", "L")
	if err := r.take(k.parts, rest, k.ours+"kernel.l_kernel", false, as([]int{1}, nil, []int{1}), "the number of steps that C is tuned to, ()"); err != nil {
		return 0, err
	}
	n, ok := r.byName[k.parts[rest]].Data.([]int64)
	if !ok {
		return 0, fmt.Errorf("tensor %s: want an int64, got %s", rest, r.byName[k.parts[rest]].Dtype)
	}
	if n[0] != 0 {
		return int(n[0]), nil
	}
	l, err := r.steps("l_max")
	if l == 0 && err == nil {
		l = defaultLength
		r.assume("l_max: %d", l)
	}
	return l, err
}

// dss reads a kernel of DSS.
func (r *reader) dss(k *kernel) (layers.MixerConfig, error) {
	c := layers.DSSConfig{DModel: k.h, DState: k.n, Dt: layers.DtPerFeature, DetachShift: true}
	dt := []int{k.h, 1}
	shapes := [][]int{dt, {k.h}}
	if s := r.shape(k.parts, "log_dt"); len(s) == 2 && s[1] == 2 {
		c.Dt, dt = layers.DtPerPart, []int{k.h, 2}
		shapes = [][]int{dt}
	}
	err := errors.Join(
		r.take(k.parts, "log_dt", k.ours+"kernel.log_dt", false, as(dt, shapes...), fmt.Sprintf("log_dt (%d) or (%[1]d, 2)", k.h)),
		r.take(k.parts, "W", k.ours+"kernel.W", false, exactly(k.kernels, k.h, k.n, 2), fmt.Sprintf("W (kernels, %d, %d, 2)", k.h, k.n)))
	if err != nil {
		return nil, err
	}
	if c.Version, err = r.lambda(k); err != nil {
		return nil, err
	}
	if c.LMax, err = r.steps("max_kernel_length"); err != nil {
		return nil, err
	}
	c.SSM = k.SSM
	return c, nil
}

// lambda reads Lambda of DSS, whose tensors show the version but for its scale.
func (r *reader) lambda(k *kernel) (vandermonde.DSSVersion, error) {
	const log, im, logIm = "Lambda_log_neg_re", "Lambda_im", "Lambda_log_im"
	ours := k.ours + "kernel.Lambda"
	if k.has("Lambda") {
		if err := r.take(k.parts, "Lambda", ours, false, exactly(k.n, 2), fmt.Sprintf("Lambda (%d, 2)", k.n)); err != nil {
			return "", err
		}
		return r.version(vandermonde.DSSSoftmax, vandermonde.DSSClip, vandermonde.DSSClipNoScale)
	}
	second := k.first(im, logIm)
	var both []Part
	for _, rest := range []string{log, second} {
		name, ok := k.parts[rest]
		if s := r.byName[name].Shape; !ok || len(s) != 1 || s[0] != k.n {
			return "", fmt.Errorf("want Lambda (%d, 2), or %s and %s or %s (%[1]d), got shape %v of %s", k.n, log, im, logIm, s, rest)
		}
		r.taken[name] = true
		both = append(both, Part{r.theirs[name], []int{k.n}})
	}
	r.layout.Names = append(r.layout.Names, Name{Ours: ours, Shape: []int{k.n, 2}, Theirs: both})
	if second == logIm {
		return vandermonde.DSSExpReIm, nil
	}
	return r.version(vandermonde.DSSExp, vandermonde.DSSExpNoScale)
}

// version reads the version of DSS among those allowed, the first where it is not
// said.
func (r *reader) version(allowed ...vandermonde.DSSVersion) (vandermonde.DSSVersion, error) {
	s, err := r.text(string(allowed[0]), "version")
	if err != nil {
		return "", err
	}
	for _, v := range allowed {
		if s == string(v) {
			return v, nil
		}
	}
	return "", fmt.Errorf("option version: want one of %q, as the tensors are, got %q", allowed, s)
}
