package main

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
)

//go:embed index.html
var indexHTML []byte

// wasmPackage is the program of the page.
const wasmPackage = "github.com/gorgonia-s4/s4/examples/browser/internal/wasm"

// writeSite writes the page to a directory, which is made if need be: index.html, the
// program main.wasm.gzip, and wasm_exec.js of the Go that builds it. The program is
// compressed whatever the server does; its name is none that a server unpacks.
func writeSite(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	glue, err := glueOfGo(ctx)
	if err != nil {
		return err
	}
	program, err := buildWasm(ctx)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{{"wasm_exec.js", glue}, {"main.wasm.gzip", program}, {"index.html", indexHTML}} {
		err := atomicfile.Write(filepath.Join(dir, f.name), 0o666, func(w io.Writer) error {
			_, err := w.Write(f.content)
			return err
		})
		if err != nil {
			return fmt.Errorf("-out: %w", err)
		}
	}
	return nil
}

// glueOfGo returns wasm_exec.js, which belongs to one version of Go.
func glueOfGo(ctx context.Context) ([]byte, error) {
	root, err := command(ctx, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(root), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return nil, fmt.Errorf("want wasm_exec.js of Go 1.24 or later: %w", err)
	}
	return b, nil
}

// buildWasm compiles the program of the page, and returns it compressed.
func buildWasm(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "main.wasm")
	if _, err := command(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, wasmPackage); err != nil {
		return nil, fmt.Errorf("the page is built in a clone of the module: %w", err)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write(program)
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// command runs a command for WebAssembly, and returns what it prints.
func command(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("want the go command, which compiles the page: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}
