// Package guard keeps a panic in code that others have written, a mixer, a
// metric, a data set, from ending a process that has something to lose.
package guard

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// Panic makes an error of a panic, with its place in the source. It is deferred
// itself, not called by what is deferred:
//
//	defer guard.Panic(&err)
func Panic(err *error) {
	p := recover()
	if p == nil {
		return
	}
	if e, ok := p.(error); ok {
		*err = fmt.Errorf("a panic at %s: %w", origin(), e)
		return
	}
	*err = fmt.Errorf("a panic at %s: %v", origin(), p)
}

// origin returns file and line of the function that panicked: the first one below
// the runtime's own on the stack of the deferred call.
func origin() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(f.Function, "runtime."):
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}
