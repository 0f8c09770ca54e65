package guard_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/guard"
)

func guarded(f func()) (err error) {
	defer guard.Panic(&err)
	f()
	return nil
}

func TestPanic(t *testing.T) {
	if err := guarded(func() {}); err != nil {
		t.Errorf("got error %v", err)
	}
	for want, f := range map[string]func(){
		"a panic at guard_test.go:23: as asked for":                    func() { panic("as asked for") },
		"a panic at guard_test.go:24: runtime error: index out of ran": func() { _ = make([]int, 1)[len(want())] },
		"a panic at guard_test.go:25: runtime error: invalid memory":   func() { var p *struct{ n int }; p.n++ },
		"a panic at guard_test.go:26: EOF":                             func() { panic(io.EOF) },
	} {
		if err := guarded(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if err := guarded(func() { panic(io.EOF) }); !errors.Is(err, io.EOF) {
		t.Errorf("%v does not wrap the error that it is of", err)
	}
}

func want() string { return "abc" }
