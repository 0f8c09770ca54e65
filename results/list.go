package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/results/recipes"
)

// writeList lists runs with how far each is.
func (o *options) writeList(runs []recipes.Run, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range runs {
		state, err := o.state(r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name(), err)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name(), r.Recipe.Title, state)
	}
	return w.Flush()
}

// state says how far a run is.
func (o *options) state(r recipes.Run) (string, error) {
	dir := o.dir(r)
	info, err := report.ReadRun(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(o.rowFile(r)); err == nil {
			return "a row of another machine", nil
		}
		return "not run", nil
	}
	if err != nil {
		return "", err
	}
	l, err := readLedger(dir)
	if err != nil {
		return "", err
	}
	h, err := readHistory(dir)
	if err != nil {
		return "", err
	}
	state := fmt.Sprintf("step %d of %d", h.step, info.Steps)
	if b := h.best(); b != nil && h.metric != "" {
		state += fmt.Sprintf(", best %s of validation %.2f %%", h.metric, 100*b.Val.Value(h.metric))
	}
	switch {
	case l.finished():
		state = "finished: " + state
		if t, err := report.ReadTest(dir); err == nil && h.metric != "" {
			state += fmt.Sprintf(", of the test %.2f %%", 100*t.Metrics.Value(h.metric))
		}
	case o.working(dir):
		state = "running: " + state
	case len(l.Sessions) > 0:
		if exit := l.Sessions[len(l.Sessions)-1].Exit; exit != "" {
			state += ": " + exit
		}
	}
	return state, nil
}

// working says whether a process works on a run.
func (o *options) working(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return false
	}
	defer f.Close() // lets go of the lock
	ok, err := tryLock(f)
	return !ok && err == nil
}
