package experiment

import (
	"bytes"
	"errors"
	"testing"
)

// Elsewhere than on a terminal there is a line now and then, and one at the end.
func TestSpeaker(t *testing.T) {
	var out bytes.Buffer
	s := newSpeaker(&out)
	s.progress("reading", 1, 4)
	s.progress("reading", 2, 4)
	s.warn(errors.New("a cache is damaged"))
	s.progress("reading", 4, 4)
	s.progress("counting", 7, 0)
	want := "reading: 1 of 4 (25 %)\nwarning: a cache is damaged\nreading: 4 of 4 (100 %)\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	s.terminal = true
	s.progress("reading", 1, 4)
	s.warn(errors.New("x"))
	s.progress("reading", 4, 4)
	if want := "\r\x1b[Kreading: 1 of 4 (25 %)\nwarning: x\n\r\x1b[Kreading: 4 of 4 (100 %)\n"; out.String() != want {
		t.Errorf("on a terminal: got %q, want %q", out.String(), want)
	}
}
