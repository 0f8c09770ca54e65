package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/internal/runes"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// Sizes of the parts in which a text is worked on.
const (
	blockSize = 256 << 10
	// maxBlock is how much of a text may have no place where it may be cut.
	maxBlock = 16 << 20
)

// block is a part of a text that is encoded by itself.
type block struct {
	split int
	name  string // of the text
	line  int    // of the text, at the start of the block
	text  []byte
}

// feeder makes blocks of texts: clean ones, which end where the text may be cut. A text
// that has no LF at its end gets one.
type feeder struct {
	kind   string
	bounds []int64 // where all but the last split end, at the first LF behind; nil: texts have their splits
	emit   func(b block) error

	at       int64  // bytes of clean text before buf
	text     block  // the next block, but for its text
	begun    bool   // the text has been looked at for marks
	raw      []byte // what is not clean yet
	buf      []byte // clean
	uncut    int    // bytes of buf among which there is no place to cut
	open     bool   // the text so far does not end with a LF
	replaced int64  // bytes that are no UTF-8, of all texts
}

// feed makes blocks of a text.
func (f *feeder) feed(t text) error {
	split := t.split
	if f.bounds != nil {
		split = f.text.split // goes on
	}
	f.text = block{split: split, name: t.name, line: 1}
	f.begun, f.open, f.uncut = false, false, 0
	f.raw, f.buf = f.raw[:0], f.buf[:0]
	if err := t.copy(f); err != nil {
		return err
	}
	if err := f.clean(len(f.raw)); err != nil {
		return err
	}
	if f.open {
		f.buf = append(f.buf, '\n')
	}
	if err := f.cut(); err != nil {
		return err
	}
	return f.give(len(f.buf))
}

// Write adds to the text.
func (f *feeder) Write(p []byte) (int, error) {
	f.raw = append(f.raw, p...)
	const marks = 4 // bytes, at most
	if !f.begun && len(f.raw) < marks {
		return len(p), nil
	}
	if err := f.clean(complete(f.raw)); err != nil {
		return 0, err
	}
	return len(p), f.cut()
}

// complete returns how many bytes of a text can be made clean before the next ones are
// known.
func complete(b []byte) int {
	n := len(b) - runes.Unfinished(b)
	if n > 0 && b[n-1] == '\r' {
		n--
	}
	return n
}

// errUTF16 is about a text of another encoding.
var errUTF16 = errors.New("want UTF-8, got the byte order mark of UTF-16")

// clean moves the first n bytes of raw to buf, as text.Clean makes them.
func (f *feeder) clean(n int) error {
	b := f.raw[:n]
	if !f.begun {
		f.begun = true
		if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
			return errUTF16
		}
		b = bytes.TrimPrefix(b, []byte("\ufeff"))
	}
	if !bytes.Contains(b, []byte("\r\n")) && utf8.Valid(b) {
		f.buf = append(f.buf, b...)
	} else {
		f.replace(b)
	}
	if len(f.buf) > 0 {
		f.open = f.buf[len(f.buf)-1] != '\n'
	}
	f.raw = append(f.raw[:0], f.raw[n:]...)
	return nil
}

// replace appends a text that is not clean.
func (f *feeder) replace(b []byte) {
	for i := 0; i < len(b); {
		c, n := utf8.DecodeRune(b[i:])
		if c == utf8.RuneError && n == 1 {
			f.replaced++
		}
		i += n
		if c == '\r' && i < len(b) && b[i] == '\n' {
			continue
		}
		f.buf = utf8.AppendRune(f.buf, c)
	}
}

// cut gives the blocks that buf has.
func (f *feeder) cut() error {
	for f.bounds != nil && f.text.split < len(f.bounds) {
		from := f.bounds[f.text.split] - 1 - f.at
		if from < 0 { // the split has nothing
			f.text.split++
			continue
		}
		if from >= int64(len(f.buf)) {
			break
		}
		lf := bytes.IndexByte(f.buf[from:], '\n')
		if lf < 0 {
			break
		}
		if err := f.give(int(from) + lf + 1); err != nil {
			return err
		}
		f.text.split++
	}
	for len(f.buf) >= blockSize {
		n := f.place()
		switch {
		case n == 0 && len(f.buf) > maxBlock:
			space := "white space"
			if f.kind == tokenizer.KindBPE { // pieces of which may begin with the end of a line
				space = "a blank behind a word"
			}
			return &data.LineError{Line: f.text.line, Err: fmt.Errorf("want %s at least every %d bytes, got none in %d", space, maxBlock, len(f.buf))}
		case n == 0:
			return nil
		}
		if err := f.give(n); err != nil {
			return err
		}
	}
	return nil
}

// place returns where buf may be cut: at the end of its first block, or else anywhere; 0 if
// nowhere.
func (f *feeder) place() int {
	if f.uncut == 0 {
		if n := tokenizer.Cut(f.kind, f.buf[:blockSize]); n > 0 {
			return n
		}
	}
	from := max(f.uncut-2*utf8.UTFMax, 0) // with the characters at the place
	if n := tokenizer.Cut(f.kind, f.buf[from:]); n > 0 && from+n >= f.uncut {
		return from + n
	}
	f.uncut = len(f.buf)
	return 0
}

// give gives the first n bytes of buf, in parts if they are long.
func (f *feeder) give(n int) error {
	for n > 2*blockSize {
		part := tokenizer.Cut(f.kind, f.buf[:blockSize])
		if part == 0 {
			break
		}
		if err := f.give(part); err != nil {
			return err
		}
		n -= part
	}
	if n == 0 {
		return nil
	}
	b := f.text
	b.text = f.buf[:n]
	if err := f.emit(b); err != nil {
		return err
	}
	f.text.line += bytes.Count(b.text, []byte("\n"))
	f.at += int64(n)
	f.uncut = 0
	f.buf = append(f.buf[:0], f.buf[n:]...)
	return nil
}

// crew works on several blocks at once and takes what comes of them in order.
type crew struct {
	ctx  context.Context
	jobs []*job
	n    int // of jobs that are waiting
	work func(j *job) error
	done func(j *job) error
	err  error // with its place, which may be in another text than the one that is fed
}

// job is a block and what is made of it, in memory that is used again.
type job struct {
	block
	memory []byte
	ids    []int
	ends   []int
	words  int
	inside bool // the block ends in the middle of a word
	counts *tokenizer.Counts
}

// add adds a block, whose text is copied.
func (c *crew) add(b block) error {
	if c.n == len(c.jobs) {
		c.jobs = append(c.jobs, new(job))
	}
	j := c.jobs[c.n]
	j.memory = append(j.memory[:0], b.text...)
	j.block, j.text = b, j.memory
	if c.n++; c.n < 2*runtime.GOMAXPROCS(0) {
		return nil
	}
	return c.run()
}

// run does what there is to do.
func (c *crew) run() error {
	c.err = data.Each(c.ctx, c.n, func(i int) error { return c.jobs[i].place(c.work(c.jobs[i])) })
	for i := 0; c.err == nil && i < c.n; i++ {
		c.err = c.done(c.jobs[i])
	}
	c.n = 0
	return c.err
}

// place names the place of an error about a block.
func (j *job) place(err error) error {
	line := j.line
	if at := new(tokenizer.UnknownError); errors.As(err, &at) {
		line += bytes.Count(j.text[:at.Offset], []byte("\n"))
		err = fmt.Errorf("want a word or a character of the vocabulary, which is closed, got %q", at.Token)
	}
	if err != nil {
		err = fmt.Errorf("%s:%d: %w", j.name, line, err)
	}
	return err
}
