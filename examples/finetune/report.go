package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// result is what the three trainings came to.
type result struct {
	frozen, control, learned float64 // accuracy on the test data

	before, after     []spectrum // of each A, in the same order
	dtBefore, dtAfter []steps    // of each A
}

// describe says what is about to be trained.
func (o *options) describe(out io.Writer) {
	training, test := o.data()
	fmt.Fprintf(out, "%s: %d features, %d state matrices A of size %d\ntones of", o.kind, o.dModel, o.nSSM, o.dState)
	for _, p := range training.periods {
		fmt.Fprintf(out, " %.4g", p)
	}
	fmt.Fprintf(out, " steps in noise of %g: %d training and %d test sequences of %d steps\n", o.noise, training.count, test.count, o.length)
}

// report prints the result.
func (o *options) report(out io.Writer, r result) error {
	which := "the eigenvalues"
	if o.kind == "s4d" {
		which = "the eigenvalues (one of each conjugate pair)"
	}
	fmt.Fprintf(out, "\nhow %s of A moved, and what they are in steps,\nfrom the feature of the largest step size to that of the smallest\n", which)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "A\teigenvalue\tlearned\tdecay\tlearned\tperiod\tlearned\t")
	for s, before := range r.before {
		was, is := r.dtBefore[s], r.dtAfter[s]
		for i, a := range before {
			b := r.after[s][i]
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t\n", s, format(a), format(b), was.decay(a), is.decay(b), was.period(a), is.period(b))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\ntest accuracy\n")
	fmt.Fprintf(out, "%8.2f %%  after %d steps with A frozen\n", 100*r.frozen, o.steps)
	fmt.Fprintf(out, "%8.2f %%  after %d more with A frozen\n", 100*r.control, o.steps)
	fmt.Fprintf(out, "%8.2f %%  after %d more with A learned instead: %+.2f points\n", 100*r.learned, o.steps, 100*(r.learned-r.control))
	return nil
}

// format writes an eigenvalue.
func format(z complex128) string { return fmt.Sprintf("%.3g%+.3gi", real(z), imag(z)+0) } // +0: no -0

// decay returns in how many steps the mode of an eigenvalue falls to 1/e.
func (dt steps) decay(lambda complex128) string { return dt.inSteps(-1 / real(lambda)) }

// period returns in how many steps the mode of an eigenvalue turns round once;
// none, if it has all but vanished (to e^-20) by then.
func (dt steps) period(lambda complex128) string {
	p := 2 * math.Pi / math.Abs(imag(lambda))
	if p > -20/real(lambda) {
		return "none"
	}
	return dt.inSteps(p)
}

// inSteps returns a time as numbers of steps, of the largest and of the smallest
// step size.
func (dt steps) inSteps(time float64) string {
	if dt.least == dt.most {
		return fmt.Sprintf("%.3g", time/dt.most)
	}
	return fmt.Sprintf("%.3g..%.3g", time/dt.most, time/dt.least)
}
