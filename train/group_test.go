package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// onRanks calls f on n ranks at once, which leave when it returns, and returns the
// errors in their order.
func onRanks(t *testing.T, n int, f func(g Group) error) []error {
	t.Helper()
	errs := make([]error, n)
	if err := RunGroup(n, func(g Group) error { errs[g.Rank()] = f(g); return nil }); err != nil {
		t.Fatal(err)
	}
	return errs
}

func TestGroupOfThisProcess(t *testing.T) {
	for n := 1; n <= 5; n++ {
		sums := make([][]float32, n)
		for rank, err := range onRanks(t, n, func(g Group) error {
			for round := range 20 {
				length := round * 3 % 17
				f32, f64 := make([]float32, length), make([]float64, length)
				var want64 []float64
				for i := range length {
					f32[i] = 1 / float32(1+g.Rank()+i+round)
					f64[i] = 1 / float64(1+g.Rank()+i+round)
					sum := 0.
					for r := range n {
						sum += 1 / float64(1+r+i+round)
					}
					want64 = append(want64, sum)
				}
				if err := g.SumFloat32(f32); err != nil {
					return err
				}
				if err := g.SumFloat64(f64); err != nil {
					return err
				}
				sums[g.Rank()] = append(sums[g.Rank()], f32...)
				if !slices.Equal(f64, want64) {
					return fmt.Errorf("sum of float64 %v, want %v", f64, want64)
				}
				all, err := g.Gather(bytes.Repeat([]byte{byte(g.Rank())}, g.Rank()+round))
				if err != nil || len(all) != n {
					return fmt.Errorf("gathered %d messages, %v", len(all), err)
				}
				for r, m := range all {
					if !bytes.Equal(m, bytes.Repeat([]byte{byte(r)}, r+round)) {
						return fmt.Errorf("message %v of rank %d", m, r)
					}
				}
				b := bytes.Repeat([]byte{byte(g.Rank() + round)}, length)
				if err := g.Broadcast(b); err != nil || !bytes.Equal(b, bytes.Repeat([]byte{byte(round)}, length)) {
					return fmt.Errorf("broadcast %v, %v", b, err)
				}
				send, receive := make([]byte, 2*n), make([]byte, 2*n)
				for i := range send {
					send[i] = byte(10*g.Rank() + i)
				}
				if err := g.Exchange(receive, send); err != nil {
					return err
				}
				for i, v := range receive {
					if want := byte(10*(i/2) + 2*g.Rank() + i%2); v != want {
						return fmt.Errorf("exchange: byte %d is %d, want %d", i, v, want)
					}
				}
			}
			return nil
		}) {
			if err != nil {
				t.Errorf("rank %d of %d: %v", rank, n, err)
			}
			if !slices.Equal(sums[rank], sums[0]) {
				t.Errorf("rank %d of %d has another sum than rank 0", rank, n)
			}
		}
	}
	if _, err := NewGroup(0); err == nil || !strings.Contains(err.Error(), "want at least one rank, got 0") {
		t.Errorf("got error %v", err)
	}
}

// Calls that do not fit, and a rank that is no more, are errors on all ranks that
// there are, and none of them is left waiting.
func TestGroupEndsForAll(t *testing.T) {
	for want, f := range map[string]func(g Group) error{
		"train: Group: rank 1 has left": func(g Group) error {
			if g.Rank() == 1 {
				return nil
			}
			return g.SumFloat64([]float64{1})
		},
		"want the same call on all ranks, got Broadcast of rank 0 and SumFloat32 of rank 1": func(g Group) error {
			if g.Rank() == 1 {
				return g.SumFloat32(nil)
			}
			return g.Broadcast(nil)
		},
		"SumFloat32: want equal lengths, got 3 of rank 0 and 4 of rank 1":           func(g Group) error { return g.SumFloat32(make([]float32, 3+g.Rank())) },
		"Exchange: want 3 blocks to send and as many bytes to receive, got 4 bytes": func(g Group) error { return g.Exchange(make([]byte, 4), make([]byte, 4)) },
		"Exchange: want 3 blocks to send and as many bytes to receive, got 3 bytes": func(g Group) error { return g.Exchange(nil, make([]byte, 3)) },
		"train: Group: a call before this one has failed": func(g Group) error {
			if err := g.Exchange(nil, make([]byte, 1)); err == nil {
				return nil
			}
			return g.SumFloat64(nil)
		},
	} {
		for rank, err := range onRanks(t, 3, f) {
			if left := strings.HasSuffix(want, "has left") && rank == 1; (err == nil) != left || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("rank %d: got error %v, want %q", rank, err, want)
			}
		}
	}
}

// What the ranks return is all told, and once what all of them know.
func TestRunGroup(t *testing.T) {
	own := errors.New("own")
	for want, f := range map[string]func(g Group) error{
		"": func(g Group) error { return g.Broadcast(nil) },
		"rank 1: spoiled": func(g Group) error {
			if g.Rank() == 1 {
				return Agree(g, errSpoiled)
			}
			return Agree(g, nil)
		},
		"train: Group: rank 1 has left\nown": func(g Group) error {
			if g.Rank() == 1 {
				return own
			}
			return g.SumFloat64([]float64{1})
		},
	} {
		err := RunGroup(3, f)
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("got error %v, want %q", err, want)
		}
		if strings.HasSuffix(want, "own") && !errors.Is(err, own) {
			t.Errorf("%v is not that of rank 1", err)
		}
	}
	err := RunGroup(3, func(g Group) error {
		if g.Rank() == 1 {
			panic("boom")
		}
		return g.SumFloat64([]float64{1})
	})
	for _, want := range []string{"rank 1 has left", "a panic at group_test.go:", "boom"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if err := RunGroup(0, nil); err == nil || !strings.Contains(err.Error(), "want at least one rank, got 0") {
		t.Errorf("got error %v", err)
	}
}

func TestAgree(t *testing.T) {
	boom := errors.New("train: boom")
	bad := &NonFiniteError{Param: "w", Gradient: true, Element: 3, Value: math.Inf(1)}
	for want, f := range map[string]func(rank int) error{
		"":                 func(int) error { return nil },
		"rank 1: boom":     func(rank int) error { return map[int]error{1: boom}[rank] },
		"ranks 1, 2: boom": func(rank int) error { return map[int]error{1: boom, 2: boom}[rank] },
		"all ranks: boom":  func(rank int) error { return boom },
		"rank 0: boom; rank 2: context canceled": func(rank int) error {
			return map[int]error{0: boom, 2: context.Canceled}[rank]
		},
		`rank 2: gradient of parameter "w" is +Inf at element 3`: func(rank int) error {
			if rank < 2 {
				return nil
			}
			return bad
		},
	} {
		for rank, err := range onRanks(t, 3, func(g Group) error {
			if err := Agree(g, nil); err != nil {
				return err
			}
			return Agree(g, f(g.Rank()))
		}) {
			if want == "" {
				if err != nil {
					t.Errorf("got error %v", err)
				}
				continue
			}
			var e *RankError
			if !errors.As(err, &e) || err.Error() != want {
				t.Fatalf("got error %v, want %q", err, want)
			}
			if own := f(rank); own != nil && !errors.Is(err, own) {
				t.Errorf("rank %d: %v is not its own error", rank, err)
			}
			var n *NonFiniteError
			if strings.Contains(want, "gradient") && (!errors.As(err, &n) || *n != *bad) {
				t.Errorf("rank %d: got %+v, want %+v", rank, n, bad)
			}
			if strings.Contains(want, "context") && !errors.Is(err, context.Canceled) {
				t.Errorf("rank %d: %v does not unwrap to that of the context", rank, err)
			}
		}
	}
	if err := Agree(nil, boom); err != boom {
		t.Errorf("got error %v", err)
	}
	for rank, err := range onRanks(t, 1, func(g Group) error { return Agree(g, boom) }) {
		if err != boom {
			t.Errorf("rank %d alone: got error %v", rank, err)
		}
	}
}

// Messages that are no messages of this package are errors, not panics.
func TestBadMessages(t *testing.T) {
	for want, message := range map[string][]byte{
		"rank 1: its message is too short":                       {magic >> 8, magic & 0xff, 0, 0, 0},
		"rank 1: it has another version of package train":        []byte("hello, this is not one of ours"),
		"the ranks have diverged: rank 0 is in Agree, at an agr": append([]byte{magic >> 8, magic & 0xff, 200, 201, ready}, make([]byte, 17)...),
	} {
		for rank, err := range onRanks(t, 2, func(g Group) error {
			if g.Rank() == 0 {
				return Agree(g, nil)
			}
			_, err := g.Gather(message)
			return err
		}) {
			if rank == 0 && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("got error %v, want %q", err, want)
			}
		}
	}
	for n := range 40 { // a list of 3 numbers, cut off
		b := appendFloats(appendString(nil, "name"), []float64{1, 2, 3})[:n]
		l := letter{b: b}
		l.string()
		if l.floats(nil); !l.short {
			t.Errorf("%d bytes are read as a whole message", n)
		}
		for _, read := range []func(*letter){func(l *letter) { l.meter(make([][]float64, 2)) }, func(l *letter) { l.states() }, func(l *letter) { l.outline() }, func(l *letter) { l.error() }} {
			read(&letter{b: b})
		}
	}
}
