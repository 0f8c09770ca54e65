package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/results/recipes"
)

// adoptRun moves the directory of a run that its program was started for to where the
// run of a recipe is, which goes on with it. It has to be of the same configuration.
func (r *runner) adoptRun(ctx context.Context, runs []recipes.Run) error {
	if len(runs) != 1 {
		return fmt.Errorf("-adopt: want one run in -run, such as %s, got %d", runs[0].Name(), len(runs))
	}
	run, to := runs[0], r.dir(runs[0])
	if entries, err := os.ReadDir(to); err == nil && len(entries) > 0 {
		return fmt.Errorf("-adopt: want no run in %s, got one", to)
	}
	info, err := report.ReadRun(r.adopt)
	if err != nil {
		return fmt.Errorf("-adopt: %w", err)
	}
	if pid := userOf(filepath.Join(r.adopt, report.MetricsFile)); pid != 0 {
		return fmt.Errorf("-adopt: want a run that has stopped, got one that process %d works on", pid)
	}
	if err := r.checkSame(ctx, run, info); err != nil {
		return fmt.Errorf("-adopt: %s is another run than %s: %w", r.adopt, run.Name(), err)
	}
	h, err := readHistory(r.adopt)
	if err != nil {
		return fmt.Errorf("-adopt: %w", err)
	}
	if err := os.MkdirAll(r.runs, 0o777); err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(r.adopt, to); err != nil {
		return fmt.Errorf("-adopt: want -runs on the file system of the directory: %w", err)
	}
	l := &ledger{dir: to, Sessions: []session{{
		Start: info.Began.UTC().Round(time.Second), Wall: h.elapsed, Commit: info.Versions["revision"],
		Processor: cpu.Model(), Cores: info.Cores, Command: info.Command, Exit: interrupted, Adopted: true,
	}}}
	if err := l.save(); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s is now in %s; -run %s goes on with it, or tests it\n", run.Name(), to, run.Name())
	_, err = r.recordRun(run, r.out)
	return err
}

// checkSame reports how the configuration of a run that was started otherwise differs
// from that of a recipe.
func (r *runner) checkSame(ctx context.Context, run recipes.Run, info *report.Run) error {
	program, _, err := r.build(ctx, run.Recipe.Program)
	if err != nil {
		return err
	}
	text, err := output(ctx, r.root, program, append(run.Args(), "-print-config")...)
	if err != nil {
		return err
	}
	var want, got any
	if err := errors.Join(json.Unmarshal([]byte(text), &want), json.Unmarshal(info.Recipe, &got)); err != nil {
		return err
	}
	return sameConfig("", want, got)
}

// ownPath is the field of a configuration that says where the data are.
const ownPath = ".path"

// buckets are those of a configuration, which may have one more in a run, of the longest
// sequence.
const buckets = ".train.buckets"

// sameConfig reports the first field in which one value of JSON differs from another.
func sameConfig(name string, want, got any) error {
	a, ok1 := want.(map[string]any)
	b, ok2 := got.(map[string]any)
	if !ok1 || !ok2 {
		if name == ownPath || reflect.DeepEqual(want, got) || name == buckets && oneMore(want, got) {
			return nil
		}
		return fmt.Errorf("%s: want %s, got %s", strings.TrimPrefix(name, "."), inJSON(want), inJSON(got))
	}
	var keys []string
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := sameConfig(name+"."+k, a[k], b[k]); err != nil {
			return err
		}
	}
	return nil
}

// oneMore says whether got is want with one more element.
func oneMore(want, got any) bool {
	a, ok1 := want.([]any)
	b, ok2 := got.([]any)
	return ok1 && ok2 && len(b) == len(a)+1 && reflect.DeepEqual(a, b[:len(a)])
}

// inJSON shows a value of JSON; "nothing" where there is none.
func inJSON(v any) string {
	if v == nil {
		return "nothing"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
