package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// textCodec is the vocabulary of a model: the tokenizer as it is saved with it.
type textCodec struct {
	Tokenizer json.RawMessage `json:"tokenizer"`

	once   sync.Once
	tokens tokenizer.Tokenizer
	err    error
}

// newCodec returns the codec of a tokenizer.
func newCodec(t tokenizer.Tokenizer) (*textCodec, error) {
	b, err := tokenizer.Marshal(t)
	if err != nil {
		return nil, err
	}
	c := &textCodec{Tokenizer: b}
	c.once.Do(func() { c.tokens = t })
	return c, nil
}

// tokenizer returns the tokenizer.
func (c *textCodec) tokenizer() (tokenizer.Tokenizer, error) {
	c.once.Do(func() { c.tokens, c.err = tokenizer.Unmarshal(c.Tokenizer) })
	return c.tokens, c.err
}

// Matches implements experiment.Matcher: the tokens are to be the same.
func (c *textCodec) Matches(other experiment.Codec) error {
	o, ok := other.(*textCodec)
	if !ok {
		return fmt.Errorf("want a codec of text, got a %T", other)
	}
	want, err := c.tokenizer()
	if err != nil {
		return err
	}
	got, err := o.tokenizer()
	if err != nil {
		return err
	}
	a, errA := tokenizer.Fingerprint(want)
	b, errB := tokenizer.Fingerprint(got)
	if err := errors.Join(errA, errB); err != nil || a == b {
		return err
	}
	return fmt.Errorf("want the vocabulary that the model was trained with, %s, got %s", named(want, a), named(got, b))
}

// named says which vocabulary it is.
func named(t tokenizer.Tokenizer, print string) string {
	return fmt.Sprintf("%d tokens (%s, %.12s)", t.Vocab(), t.Kind(), print)
}

// Classes implements experiment.Codec: there are none.
func (*textCodec) Classes() []string { return nil }

// maxLine is how many bytes a line has at most that Read takes as an example.
const maxLine = 1 << 20

// Read implements experiment.Codec: each line is an example, with the end of the line.
func (c *textCodec) Read(r io.Reader, name string, f func(experiment.Example) error) error {
	t, err := c.tokenizer()
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(r, maxLine)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("%s:%d: want a line of at most %d bytes", name, n, lines.Size())
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if strings.TrimSpace(string(line)) != "" {
			e := experiment.Example{Origin: fmt.Sprintf("%s:%d", name, n), Target: task.Ignore}
			var encode error
			if e.Tokens, encode = t.Encode(nil, line); encode != nil {
				return fmt.Errorf("%s: %w", e.Origin, encode)
			}
			if err := f(e); err != nil {
				return err
			}
		}
		if err != nil { // the end
			return nil
		}
	}
}

// Show implements experiment.Codec.
func (c *textCodec) Show(e experiment.Example) report.Picture {
	p := report.Picture{Kind: report.Text}
	t, err := c.tokenizer()
	if err != nil {
		return p
	}
	p.Pieces = pieces(t, e.Tokens)
	return p
}

// pieces returns the text of each token in a row.
func pieces(t tokenizer.Tokenizer, ids []int) []string {
	d := tokenizer.NewDecoder(t)
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = d.Next(id)
	}
	if n := len(list); n > 0 {
		list[n-1] += d.Flush()
	}
	return list
}
