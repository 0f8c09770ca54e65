//go:build !mpi || !cgo

package mpi

import "testing"

func TestInitOfABuildWithoutMPI(t *testing.T) {
	for name, begin := range map[string]func() error{
		"Init": func() error { _, err := Init(); return err },
		"Run":  func() error { return Run(func(*Comm) error { t.Error("want no call"); return nil }) },
	} {
		const want = "mpi: Init: want a build with MPI (CGO_ENABLED=1 go build -tags mpi; on Debian after apt-get install openmpi-bin"
		if err := begin(); !says(err, want) {
			t.Errorf("%s: want %q, got %v", name, want, err)
		}
	}
}
