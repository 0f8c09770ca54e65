package experiment

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/gorgonia-s4/s4/train/data"
)

// speaker shows how loaders get on: on a terminal in one line that it writes again
// and again, elsewhere in a line now and then.
type speaker struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	open     bool // the line on the terminal has no end yet
	next     time.Time
}

// between is the time between two lines that are not on a terminal.
const between = 10 * time.Second

// Room returns a room that keeps nothing and tells out of warnings and progress.
func Room(out io.Writer) data.Room {
	s := newSpeaker(out)
	return data.Room{Warn: s.warn, Progress: s.progress}
}

func newSpeaker(out io.Writer) *speaker {
	s := &speaker{out: out}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		s.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return s
}

// progress is Progress of a Room.
func (s *speaker) progress(what string, done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("%s: %d", what, done)
	if total > 0 {
		text = fmt.Sprintf("%s: %d of %d (%.0f %%)", what, done, total, 100*float64(done)/float64(total))
	}
	end := total > 0 && done >= total
	switch {
	case s.terminal:
		fmt.Fprintf(s.out, "\r\x1b[K%s", text)
		if s.open = !end; end {
			fmt.Fprintln(s.out)
		}
	case end || !time.Now().Before(s.next):
		fmt.Fprintln(s.out, text)
		s.next = time.Now().Add(between)
	}
}

// warn is Warn of a Room.
func (s *speaker) warn(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		fmt.Fprintln(s.out)
		s.open = false
	}
	fmt.Fprintln(s.out, "warning:", err)
}
