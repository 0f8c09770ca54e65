package generate

import (
	"bytes"

	"github.com/gorgonia-s4/s4/internal/runes"
)

// Tokenizer turns text into token ids and back, as a tokenizer.Tokenizer of package
// train/data/tokenizer does. It is safe for many goroutines.
type Tokenizer interface {
	// Vocab returns the number of ids.
	Vocab() int
	// EOS returns the id that ends a text, -1 if there is none.
	EOS() int
	// Encode appends the ids of a text.
	Encode(dst []int, text []byte) ([]int, error)
	// Decode appends the bytes of tokens that follow each other.
	Decode(dst []byte, ids ...int) []byte
}

// writer makes text of tokens as they come: whole characters, and nothing that may be
// the beginning of a stop string.
type writer struct {
	t      Tokenizer
	stops  [][]byte
	before []int  // the last tokens, on which the text of the next one may depend
	front  []byte // their text
	both   []byte // the same with that of the next one
	held   []byte // text that has not been given out
	found  string // the stop string that has been found
}

// nearby is how many tokens the text of the next one may depend on.
const nearby = 4

// newWriter returns a writer behind tokens, the latest of a sequence: if they end
// within a character, it is the first that is written.
func newWriter(t Tokenizer, stops []string, latest []int) *writer {
	w := &writer{t: t}
	for _, s := range stops {
		w.stops = append(w.stops, []byte(s))
	}
	text := t.Decode(nil, latest...)
	w.held = append(w.held, text[len(text)-runes.Unfinished(text):]...)
	w.before = append(w.before, latest[max(0, len(latest)-nearby):]...)
	return w
}

// token returns the bytes of the token that comes next, until another does.
func (w *writer) token(id int) []byte {
	w.front = w.t.Decode(w.front[:0], w.before...)
	if len(w.before) == nearby {
		copy(w.before, w.before[1:])
		w.before = w.before[:nearby-1]
		w.front = w.t.Decode(w.front[:0], w.before...)
	}
	w.before = append(w.before, id)
	w.both = w.t.Decode(w.both[:0], w.before...)
	if text, ok := bytes.CutPrefix(w.both, w.front); ok {
		return text
	}
	return w.t.Decode(w.both[:0], id)
}

// write takes bytes of text and returns what can be given out. Once a stop string is
// found, that is what comes before it, and found is set.
func (w *writer) write(text []byte) string {
	w.held = append(w.held, text...)
	if at, stop := firstStop(w.held, w.stops); stop != nil {
		w.found = string(stop)
		return w.give(at)
	}
	keep := runes.Unfinished(w.held)
	for _, stop := range w.stops {
		keep = max(keep, begins(w.held, stop))
	}
	return w.give(len(w.held) - keep)
}

// flush returns what has been held back. If the sequence goes on, the beginning of a
// character is not given out.
func (w *writer) flush(goesOn bool) string {
	n := len(w.held)
	if goesOn {
		n -= runes.Unfinished(w.held)
	}
	text := w.give(n)
	w.held = w.held[:0]
	return text
}

// give takes the first n bytes of what is held back.
func (w *writer) give(n int) string {
	text := runes.Valid(w.held[:n])
	w.held = w.held[:copy(w.held, w.held[n:])]
	return text
}

// firstStop returns the place of the stop string that ends first, of several the
// longest, and which it is; nil if there is none.
func firstStop(text []byte, stops [][]byte) (at int, stop []byte) {
	end := len(text) + 1
	for _, s := range stops {
		i := bytes.Index(text, s)
		if i >= 0 && (i+len(s) < end || i+len(s) == end && i < at) {
			at, stop, end = i, s, i+len(s)
		}
	}
	return at, stop
}

// begins returns the length of the longest end of a text that is a beginning of a
// longer string.
func begins(text, s []byte) int {
	for n := min(len(text), len(s)-1); n > 0; n-- {
		if bytes.Equal(text[len(text)-n:], s[:n]) {
			return n
		}
	}
	return 0
}
