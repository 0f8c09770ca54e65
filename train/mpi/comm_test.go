//go:build mpi && cgo

package mpi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/gorgonia-s4/s4/train"
)

// cases are what ranks do, by name.
var cases = map[string]func() error{
	"calls":     func() error { return Run(sameAsGoroutines) },
	"pieces":    func() error { return Run(inPieces) },
	"arguments": func() error { return Run(badArguments) },
	"truncated": func() error { return Run(truncated) },
	"ended":     ended,
	"abort":     func() error { return Run(aborts) },
	"panic":     func() error { return Run(panics) },
	"goexit":    func() error { return Run(exits) },
	"exit":      func() error { return Run(exitsProcess) },
	"leave":     func() error { return Run(leaves) },
	"forgotten": forgotten,
	"timeout":   func() error { return Run(waitsTooLong, Timeout(timeout)) },
	"shared":    func() error { return Run(sharesItsError) },
	"told":      func() error { return Run(isTold) },
	"go":        func() error { return Run(goOn) },
	"killed":    func() error { return Run(isKilled) },
	"bad data":  func() error { return Run(readsBadData) },
	"train":     func() error { return Run(trains) },
	"init":      func() error { _, err := Init(); return err },
	"negative":  func() error { _, err := Init(Timeout(-1)); return err },
}

// Every call gives each rank what goroutines of one process get.
func TestCallsAreThoseOfGoroutines(t *testing.T) {
	eachOf(t, []int{1, 2, 4}, func(t *testing.T, ranks int, way string) {
		launch(t, "calls", ranks, way).ends(0)
	})
}

// What is too large for one call of MPI goes in pieces.
func TestCallsInPieces(t *testing.T) {
	for _, ranks := range []int{1, 3} {
		launch(t, "pieces", ranks, memory).ends(0)
	}
}

func sameAsGoroutines(c *Comm) error {
	want, err := ofGoroutines(c.Rank(), c.Size())
	if err != nil {
		return err
	}
	got, err := allCalls(c)
	if err != nil {
		return err
	}
	for i, w := range want {
		if g := got[i]; w.name != g.name || !bytes.Equal(w.data, g.data) {
			return fmt.Errorf("rank %d of %d: want %s of goroutines, got %s with other data", c.Rank(), c.Size(), w.name, g.name)
		}
	}
	return sameBits(c)
}

func inPieces(c *Comm) error {
	c.limit, c.room = 97, 100*c.size+1
	if err := sameAsGoroutines(c); err != nil {
		return err
	}
	if n := max(cap(c.sent), cap(c.received)); n > 2*c.room { // sameBits sends much more
		return fmt.Errorf("want rounds of at most %d bytes, got room for %d", c.room, n)
	}
	return nil
}

// received is what a call has left on a rank.
type received struct {
	name string
	data []byte
}

// ofGoroutines returns what the calls leave on a rank of [train.NewGroup].
func ofGoroutines(rank, size int) ([]received, error) {
	groups, err := train.NewGroup(size)
	if err != nil {
		return nil, err
	}
	results, errs := make([][]received, size), make([]error, size)
	var all sync.WaitGroup
	for r, g := range groups {
		all.Go(func() { results[r], errs[r] = allCalls(g) })
	}
	all.Wait()
	return results[rank], errors.Join(errs...)
}

// allCalls makes every call with nothing, little and much. Sums are of whole
// numbers: no order of additions rounds them.
func allCalls(g train.Group) ([]received, error) {
	var all []received
	rank, size := g.Rank(), g.Size()
	for _, n := range []int{0, 1, 3, 100, 5003, 30001} {
		rng := rand.New(rand.NewPCG(uint64(n), uint64(rank)))
		f32, f64 := make([]float32, n), make([]float64, n)
		for i := range n {
			f32[i], f64[i] = float32(rng.IntN(1000)), float64(rng.IntN(1000))
		}
		b, send, receive := random(rng, n), random(rng, size*n), make([]byte, size*n)
		unequal := make([]byte, 0)
		if rank != 1 {
			unequal = random(rng, n*(rank+1)/2)
		}
		all = append(all, received{name: fmt.Sprint("Size ", size)})
		for _, call := range []struct {
			name string
			do   func() ([]byte, error)
		}{
			{"SumFloat32", func() ([]byte, error) { err := g.SumFloat32(f32); return raw(f32), err }},
			{"Gather", func() ([]byte, error) { m, err := g.Gather(b); return bytes.Join(m, []byte{'|'}), err }},
			{"Gather of unequal messages", func() ([]byte, error) { m, err := g.Gather(unequal); return bytes.Join(m, []byte{'|'}), err }},
			{"Exchange", func() ([]byte, error) { err := g.Exchange(receive, send); return receive, err }},
			{"SumFloat64", func() ([]byte, error) { err := g.SumFloat64(f64); return raw(f64), err }},
			{"Broadcast", func() ([]byte, error) { err := g.Broadcast(b); return b, err }},
		} {
			data, err := call.do()
			if err != nil {
				return nil, fmt.Errorf("%s of %d: %w", call.name, n, err)
			}
			all = append(all, received{fmt.Sprint(call.name, " of ", n), bytes.Clone(data)})
		}
	}
	return all, nil
}

func random(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// raw is the bytes of numbers.
func raw(v any) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(err)
	}
	return b
}

// sameBits sums numbers that every addition rounds, and compares the ranks.
func sameBits(c *Comm) error {
	rng := rand.New(rand.NewPCG(1, uint64(c.Rank())))
	for _, n := range []int{1, 17, 4099, 100003} {
		f32, f64 := make([]float32, n), make([]float64, n)
		for i := range n {
			f32[i], f64[i] = float32(rng.NormFloat64()), rng.NormFloat64()
		}
		if err := errors.Join(c.SumFloat32(f32), c.SumFloat64(f64)); err != nil {
			return err
		}
		sums, err := c.Gather(append(raw(f32), raw(f64)...))
		if err != nil {
			return err
		}
		for r, s := range sums {
			if !bytes.Equal(s, sums[0]) {
				return fmt.Errorf("%d numbers: want the bits of rank 0 on rank %d, got others", n, r)
			}
		}
		if f64[0] == math.Trunc(f64[0]) {
			return fmt.Errorf("want a sum that is rounded, got %v", f64[0])
		}
	}
	return nil
}

// What one rank does wrong is an error on all, and no end of them.
func TestBadArguments(t *testing.T) {
	eachOf(t, []int{1, 3}, func(t *testing.T, ranks int, way string) { launch(t, "arguments", ranks, way).ends(0) })
}

func badArguments(c *Comm) error {
	last := c.Size() - 1
	at := c.Rank() == last
	more := map[bool]int{true: 1}[at] // elements of the last rank
	mpi := func(call, text string) string {
		return fmt.Sprintf("mpi: %s on rank %d of %d: %s", call, c.Rank(), c.Size(), text)
	}
	length := fmt.Sprintf("want the same length on all ranks, got 5 on rank 0 and 6 on rank %d", last)
	for _, wrong := range []struct {
		name string
		err  error
		text string
	}{
		{"SumFloat32", c.SumFloat32(make([]float32, 5+more)), mpi("SumFloat32", length)},
		{"SumFloat64", c.SumFloat64(make([]float64, 5+more)), mpi("SumFloat64", length)},
		{"Broadcast", c.Broadcast(make([]byte, 5+more)), mpi("Broadcast", length)},
		{"other calls", otherCalls(c, at), mpi(map[bool]string{true: "Barrier", false: "Gather"}[at],
			fmt.Sprintf("want the same call on all ranks, got Gather on rank 0 and Barrier on rank %d", last))},
	} {
		if c.Size() == 1 {
			wrong.text = "" // there is nobody to differ from
		}
		if !says(wrong.err, wrong.text) {
			return fmt.Errorf("%s: want %q, got %v", wrong.name, wrong.text, wrong.err)
		}
	}
	text := mpi("Exchange", fmt.Sprintf("want lengths that are right on all ranks, got others on rank %d", last))
	if at {
		text = mpi("Exchange", fmt.Sprintf("want receive and send of one length, a multiple of %d, got %d and %d", c.Size(), c.Size(), c.Size()+1))
	}
	if err := c.Exchange(make([]byte, c.Size()), make([]byte, c.Size()+more)); !says(err, text) {
		return fmt.Errorf("Exchange: want %q, got %v", text, err)
	}
	return sameAsGoroutines(c)
}

func otherCalls(c *Comm, at bool) error {
	if at {
		return c.Barrier()
	}
	_, err := c.Gather(nil)
	return err
}

// An error of MPI has the name of the call and MPI's text, is that of all
// later calls, and aborts the others at the end.
func TestErrorOfMPI(t *testing.T) {
	eachOf(t, []int{2}, func(t *testing.T, ranks int, way string) {
		launch(t, "truncated", ranks, way).ends(1, "mpi: rank 1 of 2: aborting all: seen\n",
			"mpi: Finalize on rank 1 of 2: MPI_Bcast: MPI_ERR_TRUNCATE: message truncated")
	})
}

// truncated sends more than rank 1 takes, behind the back of the heads.
func truncated(c *Comm) error {
	err := c.call(broadcast, 1, nil, func() error { return bcast(make([]byte, 8-4*c.Rank())) })
	if c.Rank() == 0 {
		return err
	}
	for name, err := range map[string]error{"Broadcast": err, "Barrier": c.Barrier()} {
		want := "mpi: " + name + " on rank 1 of 2: MPI_Bcast: MPI_ERR_TRUNCATE: message truncated"
		if !says(err, want) {
			return fmt.Errorf("want %q, got %v", want, err)
		}
	}
	return errors.New("seen")
}
