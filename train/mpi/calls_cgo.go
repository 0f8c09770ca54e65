//go:build mpi && cgo

package mpi

// #cgo !mpiflags pkg-config: ompi-c
// #include "calls.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// built reports a build without MPI.
func built() error { return nil }

// kind is the type of numbers that are summed.
type kind C.int

const (
	float32s kind = C.s4_float32s
	float64s kind = C.s4_float64s
)

// C keeps none of the pointers that it is given: each call is done when it
// returns. Counts are below 2^31.

// initThread begins MPI. A failure of MPI_Init_thread itself ends the process: it
// is only afterwards that MPI returns errors.
func initThread() (rank, size int, err error) {
	var call *C.char
	var serialized, r, s C.int
	code := C.s4_init(&call, &serialized, &r, &s)
	if err := failure(C.GoString(call), code); err != nil {
		return 0, 0, err
	}
	if serialized == 0 {
		return 0, 0, errors.New("want a library with MPI_THREAD_SERIALIZED, got one that does less: build it with threads")
	}
	return int(r), int(s), nil
}

// beginHeads sends the head of this rank to all.
func beginHeads(h head) error {
	return failure("MPI_Iallgather", C.s4_begin_heads(C.int64_t(h.method), C.int64_t(h.n)))
}

// testHeads says whether those of all ranks are there, and reads them then.
func testHeads(heads []head) (bool, error) {
	var done C.int
	err := failure("MPI_Test", C.s4_test_heads(&done, (*C.int64_t)(unsafe.Pointer(unsafe.SliceData(heads)))))
	return done != 0, err
}

// allreduce makes n numbers their sums over all ranks.
func allreduce(v unsafe.Pointer, n int, k kind) error {
	return failure("MPI_Allreduce", C.s4_allreduce(v, C.int(n), C.int(k)))
}

// allgatherv receives counts[i] bytes of rank i, which begin at offsets[i].
func allgatherv(send, receive []byte, counts, offsets []int32) error {
	return failure("MPI_Allgatherv", C.s4_allgatherv(first(send), C.int(len(send)), first(receive),
		(*C.int)(unsafe.SliceData(counts)), (*C.int)(unsafe.SliceData(offsets))))
}

// bcast receives what rank 0 has.
func bcast(b []byte) error { return failure("MPI_Bcast", C.s4_bcast(first(b), C.int(len(b)))) }

// alltoall sends n bytes to each rank and receives as many.
func alltoall(send, receive []byte, n int) error {
	return failure("MPI_Alltoall", C.s4_alltoall(first(send), first(receive), C.int(n)))
}

func first(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func finalize() error { return failure("MPI_Finalize", C.s4_finalize()) }

// abort ends all ranks, and does not return.
func abort(code int) { C.s4_abort(C.int(code)) }

// failure is nil for the code of success.
func failure(call string, code C.int) error {
	if code == 0 {
		return nil
	}
	var text [512]C.char
	C.s4_text(code, &text[0], C.int(len(text)))
	return fmt.Errorf("%s: %s", call, C.GoString(&text[0]))
}
