//go:build !mpi || !cgo

package mpi

import (
	"errors"
	"os"
	"unsafe"
)

// errNoMPI is of everything here.
var errNoMPI = errors.New("want a build with MPI (CGO_ENABLED=1 go build -tags mpi; " +
	"on Debian after apt-get install openmpi-bin libopenmpi-dev pkg-config), got one without")

// built reports a build without MPI.
func built() error { return errNoMPI }

// kind is the type of numbers that are summed.
type kind int

const (
	float32s kind = iota
	float64s
)

// There is no Comm in this build: none of these is called.

func initThread() (rank, size int, err error)                        { return 0, 0, errNoMPI }
func beginHeads(head) error                                          { return errNoMPI }
func testHeads([]head) (bool, error)                                 { return false, errNoMPI }
func allreduce(unsafe.Pointer, int, kind) error                      { return errNoMPI }
func allgatherv(send, receive []byte, counts, offsets []int32) error { return errNoMPI }
func bcast([]byte) error                                             { return errNoMPI }
func alltoall(send, receive []byte, n int) error                     { return errNoMPI }
func finalize() error                                                { return errNoMPI }
func abort(code int)                                                 { os.Exit(code) }
