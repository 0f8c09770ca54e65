package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// source is the state of the module that a program is built from.
type source struct {
	commit string
	dirty  bool // there are changes that are not committed
}

// readSource asks git. Changes in results are none of a program's.
func readSource(ctx context.Context, root string) (source, error) {
	commit, err := output(ctx, root, "git", "rev-parse", "HEAD")
	if err != nil {
		return source{}, err
	}
	changes, err := output(ctx, root, "git", "status", "--porcelain", "--", ".", ":!results")
	return source{commit, changes != ""}, err
}

// output runs a command in a directory and returns what it prints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// build returns the program of an example, built from the source as it is, which is
// refused with changes unless they are allowed.
func (r *runner) build(ctx context.Context, program string) (path string, from source, err error) {
	if b, ok := r.built[program]; ok {
		return b.path, b.from, nil
	}
	from, err = readSource(ctx, r.root)
	if err != nil {
		return "", from, err
	}
	if from.dirty && !r.dirty {
		return "", from, fmt.Errorf("want a commit to build %s from, got changes that are not committed (-dirty allows them)", program)
	}
	path = filepath.Join(r.runs, "bin", program+"-"+from.commit[:min(12, len(from.commit))])
	if from.dirty {
		path += "-dirty"
	}
	if _, err := os.Stat(path); err != nil || from.dirty {
		if err := r.buildTo(ctx, program, path, from); err != nil {
			return "", from, err
		}
	}
	r.built[program] = binary{path, from}
	return path, from, nil
}

// buildTo builds a program into a file, which is replaced as a whole.
func (r *runner) buildTo(ctx context.Context, program, path string, from source) error {
	fmt.Fprintf(r.out, "building %s at %s\n", program, from)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	part := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(part)
	if _, err := output(ctx, r.root, "go", "build", "-o", part, "./examples/"+program); err != nil {
		return err
	}
	now, err := readSource(ctx, r.root)
	if err != nil {
		return err
	}
	if now != from {
		return fmt.Errorf("%s was built while the source changed from %s to %s: start again", program, from, now)
	}
	return os.Rename(part, path)
}

// binary is a program that was built.
type binary struct {
	path string
	from source
}

// String implements fmt.Stringer.
func (s source) String() string {
	if s.dirty {
		return s.commit + " with changes"
	}
	return s.commit
}
