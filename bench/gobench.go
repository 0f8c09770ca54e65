package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timeout is the longest a process may run.
const timeout = 10 * time.Minute

// goBenchmarks runs the benchmarks of this module.
type goBenchmarks struct {
	root     string
	binaries map[string]string // by package
	o        options
}

// buildGo compiles the test binaries of the packages into dir.
func buildGo(ctx context.Context, root, dir string, o options, cs []benchmark) (*goBenchmarks, error) {
	g := &goBenchmarks{root: root, binaries: make(map[string]string), o: o}
	for _, c := range cs {
		if g.binaries[c.pkg] != "" {
			continue
		}
		bin := filepath.Join(dir, strings.ReplaceAll(c.pkg, "/", "-")+".test")
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", bin, "./"+c.pkg)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go test -c ./%s: %w\n%s", c.pkg, err, out)
		}
		g.binaries[c.pkg] = bin
	}
	return g, nil
}

// run measures a benchmark once. ok is false if there is none of that name.
func (g *goBenchmarks) run(ctx context.Context, c benchmark) (s sample, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.binaries[c.pkg],
		"-test.run=^$", "-test.bench="+exactly(c.goName), "-test.benchtime="+g.o.time.String())
	cmd.Dir = filepath.Join(g.root, c.pkg)
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(g.o.threads))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return s, false, fmt.Errorf("%s: %w", c.goName, ctx.Err())
	}
	if err != nil {
		return s, false, fmt.Errorf("%s: %w\n%s%s", c.goName, err, out, &stderr)
	}
	s, ok, err = parseGo(string(out), c.goName)
	s.benchmark = c.name
	return s, ok, err
}

// exactly returns the -bench pattern of one benchmark.
func exactly(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// parseGo reads the line of a benchmark off the output of a test binary:
// name-procs, number of runs, then pairs of value and unit.
func parseGo(out, name string) (s sample, ok bool, err error) {
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != name && !strings.HasPrefix(f[0], name+"-") {
			continue
		}
		s = sample{setting: goSetting, peak: math.NaN()}
		for i := 2; i+1 < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				return s, false, fmt.Errorf("want a benchmark line, got %q", line)
			}
			switch unit := f[i+1]; unit {
			case "ns/op":
				s.seconds = v / 1e9
			case "peak-MB":
				s.peak = v * 1e6
			case "params":
				s.params = int(v)
			case "B/op":
				s.garbage = v
			case "state-B":
				s.state = v
			default:
				if name, ok := strings.CutSuffix(unit, "-ns"); ok {
					s.parts = append(s.parts, part{name, v / 1e9})
				}
			}
		}
		return s, true, nil
	}
	return s, false, nil
}
