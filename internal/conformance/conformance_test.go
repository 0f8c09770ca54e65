package conformance

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"testing"
	"text/tabwriter"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
)

var goldenSet = flag.String("golden", "", "directory or .tar.gz of golden cases, relative to the module (default: those that come with it)")

const (
	// tol64 bounds the relative error in float64.
	tol64 = 1e-10
	// tol32 bounds the relative error in float32 where a case does not store the
	// reference's own.
	tol32 = 1e-5
	// ulp32 is the least bound in float32, however lucky the reference was.
	ulp32 = 0x1p-23
)

// errNotImplemented says that a case is of a kind, or a variant of a kind,
// that the module does not have.
var errNotImplemented = errors.New("not implemented")

// outcome collects the errors of one case.
//
// Float64 results are held against the case. Float32 results are held against
// our own float64 results at the same inputs, rounded to float32: what rounding
// the inputs does to the answer is a property of the case, not of the
// arithmetic, and is by itself larger than the stored error of the reference in
// some cases.
type outcome struct {
	c         *golden.Case
	recording bool // keep the results instead of comparing them
	compared  int  // results that were held against an array of the case
	recorded  map[string][]float64
	worst     map[tensor.Dtype]float64 // relative error, by dtype
	fails     []string
}

// compare holds one result against what is wanted of it. ref32 is the float32
// error of the reference that the case stores; 0 means that it stores none.
func (o *outcome) compare(dt tensor.Dtype, what string, got, want []float64, ref32 float64) {
	if o.recording {
		o.recorded[what] = got
		return
	}
	o.compared++
	tol := tol64
	if dt == tensor.Float32 {
		want, tol = o.recorded[what], tol32
		if ref32 > 0 {
			tol = max(ref32, ulp32)
		}
	}
	e := testutil.RelErr(got, want)
	o.worst[dt] = max(o.worst[dt], e)
	switch {
	case len(got) != len(want):
		o.fail("%s %v: want %d values, got %d", what, dt, len(want), len(got))
	case math.IsInf(e, 0):
		o.fail("%s %v: the result is not finite", what, dt)
	case !(e <= tol):
		o.fail("%s %v: relative error %.3g > %.3g", what, dt, e, tol)
	}
}

func (o *outcome) fail(format string, args ...any) {
	o.fails = append(o.fails, o.c.Name+": "+fmt.Sprintf(format, args...))
}

// against is compare for a result that is an array of the case.
func (o *outcome) against(dt tensor.Dtype, array string, got []float64, ref32 float64) error {
	a, err := o.c.Array(array)
	if err != nil {
		return err
	}
	if a.F == nil {
		return fmt.Errorf("array %s: want floats, got integers", array)
	}
	o.compare(dt, array, got, a.F, ref32)
	return nil
}

// rounded returns the case with its float arrays as float32 holds them.
func rounded(c *golden.Case) *golden.Case {
	r := *c
	r.Arrays = make(map[string]golden.Array, len(c.Arrays))
	for name, a := range c.Arrays {
		f := make([]float64, len(a.F))
		for i, v := range a.F {
			f[i] = float64(float32(v))
		}
		if a.F != nil {
			a.F = f
		}
		r.Arrays[name] = a
	}
	return &r
}

// runner checks that a case has the form of its kind, and runs it in one
// dtype. float64Only kinds are mathematics that exists in float64 alone.
type runner struct {
	form        func(f *form)
	run         func(o *outcome, dt tensor.Dtype) error
	float64Only bool
}

var runners = map[string]runner{
	"hippo":                {formHiPPO, runHiPPO, true},
	"nplr":                 {formNPLR, runNPLR, true},
	"diag_init":            {formDiagInit, runDiagInit, true},
	"diag_init_normalized": {formDiagInitNormalized, runDiagInit, true},
	"dense_ssm":            {formDense, runDense, true},
	"dplr_setupC":          {formSetupC, runSetupC, true},
	"dplr_kernel":          {formDPLRKernel, runDPLRKernel, false},
	"dss_kernel":           {formDSSKernel, runDSSKernel, false},
	"lssl":                 {formLSSL, runLSSL, false},
	"s4d_kernel":           {formS4DKernel, runS4DKernel, false},
	"s4d_minimal_kernel":   {formS4DMinimalKernel, runS4DMinimalKernel, false},
	"fftconv":              {formConv, runConv, false},
	"s4nd_conv2d":          {formNDConv, runNDConv, false},
	"s4nd_conv3d":          {formNDConv, runNDConv, false},
	"conv1d":               {formConv1D, runConv1D, false},
	"mega_ema":             {formMegaEMA, runMegaEMA, false},
	"mega_layer":           {formMegaLayer, runMegaLayer, false},
	"retention":            {formRetention, runRetention, false},
	"ckconv":               {formCKConv, runCKConv, false},
	"selective_scan":       {formSelective, runSelective, false},
	"mamba_block":          {formMamba, runMamba, false},
	"recurrence":           {formRecurrence, runRecurrence, false},
	"layer":                {formLayer, runLayer, false},
	"model":                {formModel, runModel, false},
	"lstm":                 {formRecurrent, runRecurrent, false},
	"gru":                  {formRecurrent, runRecurrent, false},
	"rnn_tanh":             {formRecurrent, runRecurrent, false},
	"hippo_rnn":            {formHiPPORNN, runHiPPORNN, false},
	"attention":            {formAttention, runAttention, false},
	"adaptive_softmax":     {formAdaptive, runAdaptive, false},
	"transformer_layer":    {formTransformerLayer, runTransformerLayer, false},
	"s5_init":              {formS5Init, runS5Init, true},
	"s5_ssm":               {formS5SSM, runShared, false},
	"s5_layer":             {formS5Layer, runShared, false},
	"s5_block":             {formSharedBlock, runShared, false},
	"lru":                  {formLRU, runShared, false},
	"lru_block":            {formSharedBlock, runShared, false},
}

// row is one line of the table.
type row struct {
	ran, failed, skipped int
	worst                map[tensor.Dtype]float64
}

// fromModule returns where a name given on the command line is: go test runs
// tests in the directory of their package, but is run at the root of the module.
func fromModule(name string) string {
	root := filepath.Join("..", "..", name)
	if _, err := os.Stat(root); err == nil && !filepath.IsAbs(name) {
		return root
	}
	return name
}

func TestGolden(t *testing.T) {
	cases, err := golden.Default()
	if *goldenSet != "" {
		cases, err = golden.Open(fromModule(*goldenSet))
	}
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]*row{}
	ran := 0
	for _, c := range cases {
		r := rows[c.Kind]
		if r == nil {
			r = &row{worst: map[tensor.Dtype]float64{}}
			rows[c.Kind] = r
		}
		fails, worst, err := runCase(c)
		if errors.Is(err, errNotImplemented) {
			r.skipped++
			continue
		}
		r.ran++
		ran++
		for dt, e := range worst {
			r.worst[dt] = max(r.worst[dt], e)
		}
		if len(fails) > 0 {
			r.failed++
			for _, f := range fails {
				t.Error(f)
			}
		}
	}
	printTable(rows)
	if ran == 0 {
		t.Error("no case was run")
	}
}

// runCase runs a case of the set. It returns what failed and the worst relative
// error by dtype. The error is nil or errNotImplemented.
func runCase(c *golden.Case) (fails []string, worst map[tensor.Dtype]float64, err error) {
	o := &outcome{c: c, worst: map[tensor.Dtype]float64{}}
	if _, err := c.Text("kind"); err != nil {
		o.fail("%v", err)
		return o.fails, o.worst, nil
	}
	r, ok := runners[c.Kind]
	if !ok {
		return nil, nil, errNotImplemented
	}
	if wrong := r.check(c); len(wrong) > 0 {
		for _, err := range wrong {
			o.fail("%v", err)
		}
		return o.fails, o.worst, nil
	}
	switch err := guarded(func() error { return r.compare(o) }); {
	case errors.Is(err, errNotImplemented):
		return nil, nil, errNotImplemented
	case err != nil:
		o.fail("%v", err)
	case o.compared == 0:
		o.fail("the case has nothing to compare")
	}
	return o.fails, o.worst, nil
}

// check returns what is wrong with the form of a case.
func (r runner) check(c *golden.Case) []error {
	f := &form{c: c}
	f.listed()
	r.form(f)
	f.finite()
	return f.wrong
}

// compare runs the case of o in all dtypes of the kind.
func (r runner) compare(o *outcome) error {
	if err := r.run(o, tensor.Float64); err != nil || r.float64Only {
		return err
	}
	o.c, o.recording, o.recorded = rounded(o.c), true, map[string][]float64{}
	if err := r.run(o, tensor.Float64); err != nil {
		return err
	}
	o.recording = false
	return r.run(o, tensor.Float32)
}

// guarded turns a panic into an error, so that it ends one case only.
func guarded(run func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return run()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func printTable(rows map[string]*row) {
	kinds := make([]string, 0, len(rows))
	var missing []string
	for k, r := range rows {
		kinds = append(kinds, k)
		if r.skipped > 0 {
			missing = append(missing, fmt.Sprintf("%s (%d)", k, r.skipped))
		}
	}
	sort.Strings(kinds)
	sort.Strings(missing)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "kind\tcases\trun\tfailed\tnot run\tworst float64\tworst float32\t")
	for _, k := range kinds {
		r := rows[k]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t\n", k, r.ran+r.skipped, r.ran, r.failed, r.skipped,
			errorText(r.worst, tensor.Float64), errorText(r.worst, tensor.Float32))
	}
	_ = w.Flush()
	if len(missing) > 0 {
		fmt.Println("not run, because nothing implements them yet:", strings.Join(missing, ", "))
	}
}

func errorText(worst map[tensor.Dtype]float64, dt tensor.Dtype) string {
	e, ok := worst[dt]
	if !ok {
		return "-"
	}
	if math.IsInf(e, 0) {
		return "not finite"
	}
	return fmt.Sprintf("%.2g", e)
}
