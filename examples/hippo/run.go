package main

import (
	"fmt"
	"io"
)

// run draws what the arguments say.
func run(args []string, out io.Writer) error {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	u := signal(o.length, o.seed)
	var ms []*memory
	var errs []float64
	for _, n := range o.states {
		m, err := o.remember(u, n)
		if err != nil {
			return err
		}
		e, err := m.err()
		if err != nil {
			return err
		}
		ms, errs = append(ms, m), append(errs, e)
		fmt.Fprintf(out, "%s, N = %2d: relative error %.3g at the end\n", o.measure, n, e)
	}
	if err := o.save(ms, errs); err != nil {
		return err
	}
	fmt.Fprintln(out, "picture in", o.out)
	return nil
}
