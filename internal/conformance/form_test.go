package conformance

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// form holds a case against the form of its kind, and collects what is wrong:
// metadata and arrays that are missing, of another type or of another shape.
// A case runs only if nothing is.
//
// Sizes are read off the metadata where the runner of the kind does, else off
// the arrays; then metadata that is there must agree with them.
type form struct {
	c     *golden.Case
	wrong []error
}

// unknown is a size that cannot be told, for a reason that the form has
// reported; any negative number is.
const unknown = -1

// maxSize is the largest size that is taken for one rather than for a mistake.
const maxSize = 1 << 24

func (f *form) fail(err error) { f.wrong = append(f.wrong, err) }

func (f *form) failf(format string, args ...any) { f.fail(fmt.Errorf(format, args...)) }

// size returns a size that the metadata must have.
func (f *form) size(key string) int {
	n, err := f.c.Integer(key)
	if err == nil && (n < 1 || n > maxSize) {
		err = fmt.Errorf("meta.json: want %q from 1 to %d, got %d", key, maxSize, n)
	}
	if err != nil {
		f.fail(err)
		return unknown
	}
	return n
}

// half returns half of an even size.
func (f *form) half(key string) int {
	n := f.size(key)
	if n > 0 && n%2 != 0 {
		f.failf("meta.json: want %q even, got %d", key, n)
	}
	if n < 2 {
		return unknown
	}
	return n / 2
}

// number returns a number that the metadata must have, NaN if it has none.
func (f *form) number(key string) float64 {
	v, err := f.c.Number(key)
	if err != nil {
		f.fail(err)
		return math.NaN()
	}
	return v
}

// positive is number for a positive one.
func (f *form) positive(key string) float64 {
	v := f.number(key)
	if v <= 0 {
		f.failf("meta.json: want %q positive, got %g", key, v)
		return math.NaN()
	}
	return v
}

// text returns a string that the metadata must have.
func (f *form) text(key string) string {
	v, err := f.c.Text(key)
	if err != nil {
		f.fail(err)
	}
	return v
}

// agree holds metadata, as far as it is there, against what the case is.
func (f *form) agree(key string, want any) {
	if n, ok := want.(int); ok {
		if n < 0 {
			return
		}
		want = float64(n)
	}
	if got := f.c.Meta[key]; got != nil && got != want {
		f.failf("meta.json: want %q %s, got %s", key, asJSON(want), asJSON(got))
	}
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// optionalNumber checks the type of a number that need not be there.
func (f *form) optionalNumber(key string) {
	if f.c.Meta[key] != nil {
		f.number(key)
	}
}

// optionalNumbers checks the type of an object that need not be there, and of
// the numbers that it may have.
func (f *form) optionalNumbers(key string, names ...string) {
	v := f.c.Meta[key]
	if v == nil {
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		f.failf("meta.json: want %q an object, got %s", key, asJSON(v))
	}
	for _, name := range names {
		if _, ok := m[name].(float64); !ok && m[name] != nil {
			f.failf("meta.json: %s: want %q a number, got %s", key, name, asJSON(m[name]))
		}
	}
}

// axis returns the length of an axis of an array that must have that rank.
// What is wrong with the array is for arrays to say.
func (f *form) axis(array string, i, rank int) int {
	s := f.c.Arrays[array].Shape
	if len(s) != rank || s[i] == 0 {
		return unknown
	}
	return s[i]
}

// arrays demands float arrays of one shape.
func (f *form) arrays(names []string, shape ...int) {
	for _, name := range names {
		f.array(name, shape...)
	}
}

// array demands a float array. An unknown length may be any but 0.
func (f *form) array(name string, shape ...int) {
	a, err := f.c.Array(name)
	switch {
	case err != nil:
		f.fail(err)
	case a.F == nil:
		f.failf("array %s: want floats, got integers", name)
	case !slices.EqualFunc(a.Shape, shape, func(got, want int) bool { return got == want || want < 0 && got > 0 }):
		f.failf("array %s: want shape %s, got %s", name, shapeText(shape), shapeText(a.Shape))
	}
}

// optional is array for one that a case may lack.
func (f *form) optional(name string, shape ...int) {
	if f.c.Has(name) {
		f.array(name, shape...)
	}
}

func shapeText(shape []int) string {
	s := make([]string, len(shape))
	for i, n := range shape {
		if s[i] = fmt.Sprint(n); n < 0 {
			s[i] = "any"
		}
	}
	return "(" + strings.Join(s, ", ") + ")"
}

// listed demands the arrays that the metadata lists, in the shapes it lists.
func (f *form) listed() {
	v := f.c.Meta["arrays"]
	if v == nil {
		return
	}
	list, ok := v.(map[string]any)
	if !ok {
		f.failf("meta.json: want \"arrays\" an object of shapes, got %s", asJSON(v))
	}
	for _, name := range sortedKeys(list) {
		a, err := f.c.Array(name)
		if err != nil {
			f.fail(err)
		} else if got := asJSON(a.Shape); got != asJSON(list[name]) {
			f.failf("array %s: want shape %s, as meta.json lists it, got %s", name, asJSON(list[name]), got)
		}
	}
}

// finite demands numbers: nothing can be held against another value.
func (f *form) finite() {
	for _, name := range sortedKeys(f.c.Arrays) {
		for i, v := range f.c.Arrays[name].F {
			if math.IsNaN(v) {
				f.failf("golden %s has NaN, at element %d", name, i)
				break
			}
			if math.IsInf(v, 0) {
				f.failf("golden %s has %g, at element %d", name, v, i)
				break
			}
		}
	}
}

func formHiPPO(f *form) {
	f.text("measure")
	f.optionalNumbers("args", "alpha", "beta")
	n := f.size("N")
	f.array("A", n, n)
	f.array("B", n)
}

// formNPLR leaves out P, B and V, which depend on the phases of the
// eigenvectors.
func formNPLR(f *form) {
	f.text("measure")
	f.optionalNumber("B_clip")
	n, r := f.half("N"), f.size("rank")
	f.array("Lambda", n, 2)
	f.array("A", 2*n, 2*n)
	f.array("P_real", r, 2*n)
	f.array("B_real", 2*n)
	f.array("absB", n)
	f.array("absP", r, n)
	f.array("conjP_times_B", r, n, 2)
}

// formDiagInit: the B of LegS has an arbitrary phase in each state, and only
// its modulus is stored.
func formDiagInit(f *form) {
	init, n := f.text("init"), f.half("N")
	f.array("A", n, 2)
	f.array("absB", n)
	if init == string(hippo.InitLegS) {
		f.optional("B", n, 2)
	} else {
		f.array("B", n, 2)
	}
}

func formDiagInitNormalized(f *form) {
	init, n := f.text("init"), f.half("N")
	f.optional("A", n, 2)
	if init == string(hippo.InitLegS) {
		f.array("absB", n)
		f.optional("B", n, 2)
	} else {
		f.optional("absB", n)
		f.array("B", n, 2)
	}
}

func formDense(f *form) {
	n, l := f.size("N"), f.size("L")
	f.positive("dt")
	if f.text("method") == string(ssm.GBT) {
		f.number("alpha")
	} else {
		f.optionalNumber("alpha")
	}
	f.arrays([]string{"A", "dA"}, n, n)
	f.arrays([]string{"B", "C", "dB"}, n)
	f.array("K", l)
}

// formSetupC: some cases have what belongs to twice the length.
func formSetupC(f *form) {
	h, n, l := f.size("H"), f.size("N_half"), f.size("L")
	s, r := f.axis("A", 0, 3), f.axis("P", 0, 4)
	f.agree("disc", string(ssm.Bilinear))
	f.array("log_dt", h, 1)
	f.arrays([]string{"A", "B"}, s, n, 2)
	f.array("P", r, s, n, 2)
	f.arrays([]string{"C", "Ct"}, 1, h, n, 2)
	f.array("dA", h, 2*n, 2*n, 2)
	f.array("dB", h, 2*n, 2)
	f.array("dC", 1, h, 2*n, 2)
	f.array("K", 1, h, l)
	if f.c.Has("Ct2") || f.c.Has("K2") {
		f.array("Ct2", 1, h, n, 2)
		f.array("K2", 1, h, 2*l)
	}
}

// formDPLRKernel: the C that Ct was made from is not in every case.
func formDPLRKernel(f *form) {
	h, n, l, tuned, rate := f.size("H"), f.size("N_half"), f.size("L"), f.size("L_kernel"), f.positive("rate")
	if float64(tuned)/rate > maxSize {
		f.failf("meta.json: want \"L_kernel\" / \"rate\" at most %d, got %d / %g", maxSize, tuned, rate)
	}
	f.agree("disc", string(ssm.Bilinear))
	s, r, ch := f.axis("A", 0, 3), f.axis("P", 0, 4), f.axis("Ct", 0, 4)
	f.agree("n_ssm", s)
	f.agree("rank", r)
	f.agree("channels", ch)
	f.refErrors()
	f.arrays([]string{"log_dt", "g_log_dt"}, h, 1)
	f.arrays([]string{"A", "B", "g_A", "g_B"}, s, n, 2)
	f.arrays([]string{"P", "g_P"}, r, s, n, 2)
	f.arrays([]string{"Ct", "g_Ct"}, ch, h, n, 2)
	f.optional("C", ch, h, n, 2)
	f.arrays([]string{"W", "K"}, ch, h, l)
}

// refErrors checks the types of the float32 errors of the reference.
func (f *form) refErrors() {
	f.optionalNumber("ref_float32_rel_err_K")
	f.optionalNumbers("ref_float32_rel_err_grads", "inv_dt", "A_real", "A_imag", "P", "B", "C")
}

func formS4DKernel(f *form) {
	h, n, l := f.size("H"), f.size("N_half"), f.size("L")
	f.positive("rate")
	f.text("disc")
	s, ch, steps := f.axis("A", 0, 3), f.axis("C", 0, 4), 1
	if f.axis("log_dt", 1, 2) == n {
		steps = n
	}
	if n > 1 {
		f.agree("dt_tied", steps == 1)
	}
	f.agree("n_ssm", s)
	f.agree("channels", ch)
	f.refErrors()
	f.arrays([]string{"log_dt", "g_log_dt"}, h, steps)
	f.arrays([]string{"A", "B", "g_A", "g_B"}, s, n, 2)
	f.arrays([]string{"C", "g_C"}, ch, h, n, 2)
	f.arrays([]string{"W", "K"}, ch, h, l)
	f.optional("dA", h, n, 2)
	f.optional("dB", h, n, 2)
}

func formS4DMinimalKernel(f *form) {
	h, n, l := f.size("H"), f.size("N_half"), f.size("L")
	f.agree("disc", string(ssm.ZOH))
	f.arrays([]string{"log_dt", "g_log_dt"}, h)
	f.arrays([]string{"log_A_real", "A_imag", "g_log_A_real", "g_A_imag"}, h, n)
	f.arrays([]string{"C", "g_C"}, h, n, 2)
	f.arrays([]string{"W", "K"}, h, l)
}

// formDSSKernel: the real and the imaginary part of Lambda may have a step of
// their own.
func formDSSKernel(f *form) {
	h, n, l := f.size("H"), f.size("N"), f.size("L")
	ch, steps := f.axis("Wparam", 0, 4), []int{h}
	separate := len(f.c.Arrays["log_dt"].Shape) == 2
	if separate {
		steps = append(steps, 2)
	}
	f.agree("sep_dt_re_im", separate)
	f.agree("channels", ch)
	f.arrays([]string{"log_dt", "g_log_dt"}, steps...)
	f.arrays([]string{"Lambda_re", "Lambda_im"}, n)
	f.arrays([]string{"Wparam", "g_Wparam"}, ch, h, n, 2)
	f.arrays([]string{"W", "K"}, ch, h, l)
	for _, g := range lambdaGrads(vandermonde.DSSVersion(f.text("version"))) {
		if g.part == whole {
			f.array(g.array, n, 2)
		} else {
			f.array(g.array, n)
		}
	}
}

func formConv(f *form) {
	b, h, l := f.axis("u", 0, 3), f.axis("u", 1, 3), f.axis("u", 2, 3)
	ch, lk := f.axis("D", 0, 2), f.axis("k", 2, 3)
	kernels := ch
	switch bi := f.c.Meta["bidirectional"]; bi {
	case nil, false:
	case "reference", "exact":
		kernels = 2 * ch
	default:
		f.failf("meta.json: want \"bidirectional\" false, \"reference\" or \"exact\", got %s", asJSON(bi))
	}
	f.agree("B", b)
	f.agree("H", h)
	f.agree("L", l)
	f.agree("L_kernel", lk)
	f.agree("channels", ch)
	f.arrays([]string{"u", "g_u"}, b, h, l)
	f.arrays([]string{"k", "g_k"}, kernels, h, lk)
	f.arrays([]string{"D", "g_D"}, ch, h)
	f.arrays([]string{"W", "y"}, b, ch, h, l)
}

func formLSSL(f *form) {
	h, n, l := f.size("H"), f.size("N"), f.size("L")
	f.number("alpha")
	f.arrays([]string{"log_dt", "g_log_dt"}, h)
	f.arrays([]string{"C", "g_C"}, h, n)
	for _, name := range lsslArrays {
		rows := n
		if name == "dl" || name == "du" {
			rows = n - 1
		}
		f.arrays([]string{name, "g_" + name}, rows)
	}
	f.arrays([]string{"W", "K"}, h, l)
	f.array("A", n, n)
	f.array("Bvec", n)
	f.array("dA", h, n, n)
	f.array("dB", h, n)
}

// formRecurrence: every state is stored where there are few.
func formRecurrence(f *form) {
	b, h, l := f.axis("u", 0, 3), f.axis("u", 1, 3), f.size("L")
	s, n := f.axis("A", 0, 3), f.axis("A", 1, 3)
	f.agree("B_batch", b)
	f.agree("H", h)
	f.agree("N_half", n)
	f.array("log_dt", h, 1)
	f.arrays([]string{"A", "B"}, s, n, 2)
	switch mode := f.text("mode"); mode {
	case "diag":
		f.text("disc")
		f.array("C", 1, h, n, 2)
	case "dplr":
		f.agree("disc", string(ssm.Bilinear))
		f.array("P", f.axis("P", 0, 4), s, n, 2)
		f.array("Ct", 1, h, n, 2)
	default:
		f.failf("meta.json: want \"mode\" diag or dplr, got %q", mode)
	}
	f.array("K", h, l)
	f.arrays([]string{"u", "y_zero_state", "y_with_state", "K_state"}, b, h, l)
	f.arrays([]string{"x0", "x_final_zero", "x_final_with_state"}, b, h, n, 2)
	if l <= 64 {
		f.array("x_all_with_state", b, h, n, l, 2)
	} else {
		f.optional("x_all_with_state", b, h, n, l, 2)
	}
}

// formLayer leaves out the parameters, which are for the layer to check.
func formLayer(f *form) {
	b, h, l := f.axis("x", 0, 3), f.axis("x", 1, 3), f.axis("x", 2, 3)
	f.text("desc")
	f.agree("B", b)
	f.agree("H", h)
	f.agree("L", l)
	f.arrays([]string{"x", "g_x", "W", "y"}, b, h, l)
}

// formModel leaves out the parameters, but for those that tell the size of
// the model, which must not be made larger than it is.
func formModel(f *form) {
	in, out, blocks := f.size("d_input"), f.size("d_output"), f.size("n_layers")
	b, l, h, steps := f.axis("x", 0, 3), f.axis("x", 1, 3), f.axis("p0_encoder__weight", 0, 2), f.axis("losses", 0, 1)
	f.agree("B", b)
	f.agree("L", l)
	f.agree("H", h)
	f.agree("steps", steps)
	f.array("x", b, l, in)
	f.array("losses", steps)
	f.array("logits", b, out)
	f.array("p0_encoder__weight", h, in)
	f.array("p0_decoder__weight", out, h)
	if blocks > 0 && !f.c.Has(fmt.Sprintf("p0_blocks__%d__norm__weight", blocks-1)) {
		f.failf("meta.json: want \"n_layers\" the number of blocks, got %d, and no array p0_blocks__%d__norm__weight", blocks, blocks-1)
	}
	f.targets("target", b, out)
}

// targets demands an integer array (n) of classes.
func (f *form) targets(name string, n, classes int) {
	a, err := f.c.Array(name)
	switch {
	case err != nil:
		f.fail(err)
	case a.I == nil:
		f.failf("array %s: want integers, got floats", name)
	case len(a.Shape) != 1 || n > 0 && a.Shape[0] != n:
		f.failf("array %s: want shape %s, got %s", name, shapeText([]int{n}), shapeText(a.Shape))
	case classes > 0 && slices.ContainsFunc(a.I, func(c int) bool { return c < 0 || c >= classes }):
		f.failf("array %s: want classes from 0 to %d, got %v", name, classes-1, a.I)
	}
}

// flag returns a truth value that the metadata must have.
func (f *form) flag(key string) bool {
	v, ok := f.c.Meta[key].(bool)
	if !ok {
		f.failf("meta.json: want %q true or false, got %s", key, asJSON(f.c.Meta[key]))
	}
	return v
}

// lengths demands an integer array (n) of lengths up to l.
func (f *form) lengths(name string, n, l int) {
	if l > 0 {
		f.targets(name, n, l+1)
	}
}

// oneOf is text for one of some values.
func (f *form) oneOf(key string, values ...string) string {
	v := f.text(key)
	if v != "" && !slices.Contains(values, v) {
		f.failf("meta.json: want %q one of %q, got %q", key, values, v)
	}
	return v
}
