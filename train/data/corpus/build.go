package corpus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// maker makes token files of a source.
type maker struct {
	path   string // of the source, for errors
	source source
	split  bool // by the source
	cfg    Config
	room   data.Room

	sum      string // of the text
	total    int64  // bytes of it
	replaced int64  // bytes that were no UTF-8
	bounds   []int64
}

// pass feeds all texts, or those of one split, to a function of blocks.
func (m *maker) pass(ctx context.Context, what, kind string, only int, emit func(b block) error) (*feeder, error) {
	meter := m.room.Meter(what, m.total)
	defer meter.Close()
	f := &feeder{kind: kind, bounds: m.bounds, emit: func(b block) error {
		meter.Add(int64(len(b.text)))
		if only >= 0 && b.split != only {
			return nil
		}
		return emit(b)
	}}
	err := m.source(ctx, func(t text) error {
		if only >= 0 && t.split != only && t.split != whole {
			return nil
		}
		return f.feed(t)
	})
	return f, err
}

// measure reads the text once, for its checksum, and finds where it is to be split.
func (m *maker) measure(ctx context.Context) error {
	h := sha256.New()
	var sizes [4]int64
	var names hash.Hash = sha256.New() // where texts end: each is encoded by itself
	last := ""
	f, err := m.pass(ctx, "reading "+m.path, tokenizer.KindByte, -1, func(b block) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if b.name != last || b.line == 1 {
			fmt.Fprintf(names, "%d at %d\n", b.split, m.total)
			last = b.name
		}
		h.Write(b.text)
		sizes[b.split] += int64(len(b.text))
		m.total += int64(len(b.text))
		return nil
	})
	if err != nil {
		return err
	}
	if m.replaced = f.replaced; m.total == 0 {
		return fmt.Errorf("%s: want a text, got none in it", m.path)
	}
	if m.split && sizes[train] == 0 {
		return fmt.Errorf("%s: want a text to train with, got none in it", m.path)
	}
	m.sum = hex.EncodeToString(h.Sum(names.Sum(nil)))
	if !m.split {
		of := func(share float64) int64 { return int64(math.Round(float64(m.total) * share)) }
		m.bounds = []int64{m.total - of(m.cfg.ValFraction+m.cfg.TestFraction), m.total - of(m.cfg.TestFraction)}
	}
	return nil
}

// tokenizer returns the tokenizer of the training text that the configuration says.
func (m *maker) tokenizer(ctx context.Context) (tokenizer.Tokenizer, error) {
	kind := m.cfg.Tokenizer
	if kind == tokenizer.KindByte {
		return tokenizer.Bytes(), nil
	}
	all, err := tokenizer.NewCounts(kind)
	if err != nil {
		return nil, err
	}
	c := &crew{ctx: ctx,
		work: func(j *job) (err error) {
			if j.counts, err = tokenizer.NewCounts(kind); err != nil {
				return err
			}
			return j.counts.Add(j.text)
		},
		done: func(j *job) error { return all.Merge(j.counts) },
	}
	if err := m.run(ctx, "counting", kind, train, c); err != nil {
		return nil, err
	}
	cfg := tokenizer.VocabConfig{Size: m.cfg.VocabSize, MinFreq: m.cfg.MinFreq, Closed: m.cfg.Closed}
	switch kind {
	case tokenizer.KindChar:
		return tokenizer.Chars(all, cfg)
	case tokenizer.KindBPE:
		return tokenizer.TrainBPE(ctx, all, cfg)
	}
	return tokenizer.Words(all, cfg)
}

// run feeds the text, or that of one split, to a crew.
func (m *maker) run(ctx context.Context, what, kind string, only int, c *crew) error {
	_, err := m.pass(ctx, what+" "+m.path, kind, only, c.add)
	if err == nil {
		err = c.run()
	}
	if c.err != nil {
		return c.err // with its own place
	}
	return err
}

// encode writes the token file.
func (m *maker) encode(ctx context.Context, t tokenizer.Tokenizer, w *writer) error {
	ends, _ := t.(tokenizer.Ends)
	c := &crew{ctx: ctx,
		work: func(j *job) (err error) {
			j.ids, j.ends = j.ids[:0], j.ends[:0]
			if ends != nil {
				j.ids, j.ends, err = ends.EncodeEnds(j.ids, j.ends, j.text)
			} else {
				j.ids, err = t.Encode(j.ids, j.text)
			}
			j.words, j.inside = tokenizer.CountWords(j.text, false)
			return err
		},
		done: w.add,
	}
	if err := m.run(ctx, "encoding", t.Kind(), -1, c); err != nil {
		return err
	}
	return w.finish()
}
