// Package figuretest compares pictures in tests.
package figuretest

import (
	"os"
	"path/filepath"
	"testing"

	"gonum.org/v1/plot/cmpimg"
)

// delta is the largest difference of colours that the rounding of another
// machine may make, of that between black and white.
const delta = 0.03

// Golden compares a picture with the one of its name in testdata, which the
// flag -regen of the test replaces.
func Golden(t *testing.T, path string) {
	t.Helper()
	Same(t, path, filepath.Join("testdata", filepath.Base(path)))
}

// Same compares a picture with the one in the file golden, which the flag -regen of the
// test replaces.
func Same(t *testing.T, path, golden string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if *cmpimg.GenerateTestData {
		if err := os.WriteFile(golden, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	same, err := cmpimg.EqualApprox("png", got, want, delta)
	if err != nil {
		t.Fatal(err)
	}
	if !same {
		t.Errorf("%s differs from %s: look at both, and if the change is meant, run the test with -regen", path, golden)
	}
}
