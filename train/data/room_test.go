package data_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/train/data"
)

func TestRoom(t *testing.T) {
	warned := 0
	r := data.Room{Cache: "dir", Limit: 3, Warn: func(error) { warned++ }}
	c := r.Keep("name", "tag", 7)
	c.Warn(nil)
	if c.Dir != "dir" || c.Name != "name" || c.Tag != "tag" || c.Key != 7 || warned != 1 {
		t.Errorf("got %+v", c)
	}
	if got := []int{r.Limited(2), r.Limited(5), data.Room{}.Limited(5)}; !slices.Equal(got, []int{2, 3, 5}) {
		t.Errorf("limited to %v", got)
	}
}

// Nothing is said in the first two seconds, then now and then, and in the end.
func TestMeter(t *testing.T) {
	var said []string
	now := time.Unix(0, 0)
	r := data.Room{Progress: func(what string, done, total int64) { said = append(said, fmt.Sprint(what, done, "/", total)) }}
	m := r.MeterAt("bytes", 100, func() time.Time { return now })
	for range 40 {
		now = now.Add(100 * time.Millisecond)
		m.Add(1)
	}
	m.Add(1)
	m.Close()
	m.Close()
	want := []string{"bytes20/100", "bytes22/100", "bytes24/100", "bytes26/100", "bytes28/100", "bytes30/100", "bytes32/100", "bytes34/100", "bytes36/100", "bytes38/100", "bytes40/100", "bytes41/100"}
	if !slices.Equal(said, want) {
		t.Errorf("got %q, want %q", said, want)
	}
	said = nil
	m = r.MeterAt("quick", 0, func() time.Time { return now })
	m.Add(1)
	m.Close()
	silent := data.Room{}.Meter("silent", 0)
	silent.Add(1)
	silent.Close()
	if said != nil {
		t.Errorf("got %q, want nothing", said)
	}
	m = r.MeterAt("read", 0, func() time.Time { return now })
	now = now.Add(3 * time.Second)
	if b, err := io.ReadAll(m.Reader(strings.NewReader("text"))); string(b) != "text" || err != nil || len(said) == 0 || said[0] != "read4/0" {
		t.Errorf("got %q, %v, said %q", b, err, said)
	}
}

// A room is told of one thing at a time, whatever is going on in it.
func TestMetersAtOnce(t *testing.T) {
	inside, calls := atomic.Int64{}, 0
	r := data.Room{Progress: func(string, int64, int64) {
		calls++
		if inside.Add(1) != 1 {
			t.Error("called by two goroutines at once")
		}
		runtime.Gosched()
		inside.Add(-1)
	}}
	err := data.Each(t.Context(), 8, func(int) error {
		now := time.Unix(0, 0)
		m := r.MeterAt("x", 0, func() time.Time { now = now.Add(time.Second); return now })
		defer m.Close()
		for range 50 {
			m.Add(1)
		}
		return nil
	})
	if err != nil || calls < 8*40 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestEach(t *testing.T) {
	sum := atomic.Int64{}
	if err := data.Each(t.Context(), 1000, func(i int) error { sum.Add(int64(i)); return nil }); err != nil || sum.Load() != 499500 {
		t.Errorf("got %d, %v", sum.Load(), err)
	}
	for range 50 {
		err := data.Each(t.Context(), 1000, func(i int) error {
			switch {
			case i == 401:
				panic("at 401")
			case i >= 400:
				return fmt.Errorf("at %d", i)
			}
			return nil
		})
		if err == nil || err.Error() != "at 400" {
			t.Fatalf("got error %v, want the lowest", err)
		}
	}
	if err := data.Each(t.Context(), 1, func(int) error { panic("ouch") }); err == nil || !strings.Contains(err.Error(), "ouch") {
		t.Errorf("got error %v", err)
	}
	if err := data.Each(t.Context(), 0, nil); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := atomic.Int64{}
	err := data.Each(ctx, 1<<40, func(int) error { calls.Add(1); cancel(); return nil })
	if !errors.Is(err, context.Canceled) || calls.Load() > 1000 {
		t.Errorf("got error %v after %d calls", err, calls.Load())
	}
}

func TestChecksum(t *testing.T) {
	sum := func(path string) string {
		t.Helper()
		s, err := data.Checksum(t.Context(), path)
		if err != nil || len(s) != 64 {
			t.Fatalf("%s: got %q, %v", path, s, err)
		}
		return s
	}
	if got := sum(fileOf(t, []byte("abc"))); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("got %s", got)
	}
	dir := folderOf(t, entries...)
	seen := []string{sum(dir)}
	if sum(dir) != seen[0] {
		t.Error("another sum of the same folder")
	}
	for _, name := range []string{"audio-0123-samples.safetensors", ".audio-0123-samples.safetensors.tmp7"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if sum(dir) != seen[0] {
		t.Error("another sum of the folder with a cache in it")
	}
	path := filepath.Join(dir, "a.txt")
	for i, change := range []func() error{
		func() error { return os.WriteFile(path, []byte("longer"), 0o644) },
		func() error { return os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)) },
		func() error { return os.Rename(path, path+"2") },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		s := sum(dir)
		if slices.Contains(seen, s) {
			t.Errorf("change %d: the same sum", i)
		}
		seen = append(seen, s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{dir, path + "2"} {
		if _, err := data.Checksum(ctx, path); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v", path, err)
		}
	}
	if _, err := data.Checksum(t.Context(), filepath.Join(dir, "none")); err == nil {
		t.Error("no such file: no error")
	}
}
