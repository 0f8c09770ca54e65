package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/examples/browser/internal/digits"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train/data/mnist"
)

// site is the page in a temporary directory, which is built once for all tests.
var site = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(room, "site")
	return dir, run(context.Background(), []string{"-out", dir}, io.Discard)
})

// room is a temporary directory for all tests.
var room string

func TestMain(m *testing.M) {
	var err error
	if room, err = os.MkdirTemp("", "browser-test"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(room)
	os.Exit(code)
}

// writeMNIST writes training and test images, n of each, as the published files: image i is
// of class i mod classes, and grey i all over.
func writeMNIST(t *testing.T, n, classes int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	file := func(name string, elements []byte, header ...uint32) {
		var b []byte
		for _, v := range header {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(b, elements...), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var pixels, labels []byte
	for i := range n {
		pixels = append(pixels, bytes.Repeat([]byte{byte(i)}, mnist.Length)...)
		labels = append(labels, byte(i%classes))
	}
	for _, set := range []string{"train", "t10k"} {
		file(set+"-images-idx3-ubyte", pixels, 0x803, uint32(n), mnist.Side, mnist.Side)
		file(set+"-labels-idx1-ubyte", labels, 0x801, uint32(n))
	}
	return dir
}

// A training writes what the page is made of: a model that reads pages, what it is worth,
// and the first test image of each class.
func TestTrain(t *testing.T) {
	out := t.TempDir()
	var said bytes.Buffer
	if err := run(t.Context(), []string{"train", "-data", writeMNIST(t, 20, 10), "-cache", t.TempDir(), "-epochs", "1", "-seed", "3", "-limit", "18", "-out", out}, &said); err != nil {
		t.Fatal(err)
	}
	m, err := models.LoadClassifier(G.NewGraph(), filepath.Join(out, digits.ModelDir))
	if err != nil {
		t.Fatal(err)
	}
	r, err := digits.NewReader(m)
	if err == nil {
		err = r.Go(digits.Length)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, digits.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	var result digits.Result
	if err := json.Unmarshal(text, &result); err != nil {
		t.Fatal(err)
	}
	want := digits.Result{Command: "go run ./examples/browser train -data PATH -epochs 1 -seed 3 -limit 18", Data: "MNIST", Examples: 18, Tested: 18, Accuracy: result.Accuracy}
	if result != want {
		t.Errorf("got %+v, want %+v", result, want)
	}
	if !strings.Contains(said.String(), "of 18 images; the model is in "+filepath.Join(out, "model")) {
		t.Errorf("got\n%s", &said)
	}
	images, err := os.Open(filepath.Join(out, digits.DigitsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer images.Close()
	n := 0
	err = mnist.ReadImages(images, func(i int, pixels []uint8) error {
		n++
		if pixels[0] != uint8(i) {
			t.Errorf("image %d is of grey %d", i, pixels[0])
		}
		return nil
	})
	if err != nil || n != digits.Classes {
		t.Errorf("got %d images, %v", n, err)
	}
}

// The images of the page are a file of MNIST's format.
func TestDigitsAreAFile(t *testing.T) {
	f, err := os.Open(filepath.Join("internal", "digits", digits.DigitsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = mnist.ReadImages(f, func(i int, pixels []uint8) error {
		page, err := digits.Digit(i)
		if !slices.Equal(page, pixels) {
			t.Errorf("the image of a %d is another", i)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The page is served where it is said to be, until the program is interrupted; and it is the
// files that -out writes.
func TestServe(t *testing.T) {
	dir, err := site()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-addr", "127.0.0.1:0"}, out) }()
	url := ""
	for buf := make([]byte, 1<<12); url == ""; {
		n, err := said.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if rest, ok := strings.CutPrefix(string(buf[:n]), "open "); ok {
			url, _, _ = strings.Cut(rest, " ")
		}
	}
	for name, kind := range map[string]string{"": "text/html; charset=utf-8", "wasm_exec.js": "text/javascript; charset=utf-8", "main.wasm.gzip": ""} {
		r, err := http.Get(url + name)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != 200 || kind != "" && r.Header.Get("Content-Type") != kind || r.Header.Get("Content-Encoding") != "" {
			t.Errorf("%q: got %d %v, %v", name, r.StatusCode, r.Header, err)
		}
		if name == "" {
			name = "index.html"
		}
		if want, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(body, want) {
			t.Errorf("%s: got %d bytes, want %d of the file that is written, %v", name, len(body), len(want), err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The page is one document without anything from elsewhere.
func TestPageIsWhole(t *testing.T) {
	page := string(indexHTML)
	if strings.Contains(page, "http://") || strings.Contains(page, "https://") || strings.Count(page, "src=") != 1 || !strings.Contains(page, `src="wasm_exec.js"`) {
		t.Error("the page asks for more than its files")
	}
}

func TestErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	some := writeMNIST(t, 9, 9)
	for want, args := range map[string][]string{
		"want options only, got":                {"draw"},
		"-addr: listen tcp":                     {"-addr", busy.Addr().String()},
		"-out: mkdir":                           {"-out", file},
		"train needs -data":                     {"train"},
		"-data: ":                               {"train", "-data", "/nonexistent"},
		"-epochs: want at least 1, got 0":       {"train", "-data", some, "-epochs", "0"},
		"-limit: want at least 0, got -1":       {"train", "-data", some, "-limit", "-1"},
		"got none of a 9 among 9":               {"train", "-data", some},
		"flag provided but not defined: -steps": {"train", "-steps", "1"},
	} {
		if len(args) > 2 && args[0] == "train" {
			args = append(args, "-cache", t.TempDir(), "-out", t.TempDir())
		}
		if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got error %v, want %q", args, err, want)
		}
	}
	// Without Go, or away from the module, the page cannot be built, which is said.
	t.Chdir(t.TempDir())
	if err := run(t.Context(), []string{"-out", "site"}, io.Discard); err == nil || !strings.Contains(err.Error(), "the page is built in a clone of the module") {
		t.Errorf("away from the module: got error %v", err)
	}
	t.Setenv("PATH", "")
	if err := run(t.Context(), []string{"-out", "site"}, io.Discard); err == nil || !strings.Contains(err.Error(), "want the go command") {
		t.Errorf("without Go: got error %v", err)
	}
	if _, err := os.Stat(filepath.Join("site", "index.html")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is half a page: %v", err)
	}
}

func TestHelp(t *testing.T) {
	for want, args := range map[string][]string{"-addr address": {"-h"}, "-epochs int": {"train", "-h"}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), want) {
			t.Errorf("%v: got error %v, no %q in\n%s", args, err, want, &out)
		}
	}
}
