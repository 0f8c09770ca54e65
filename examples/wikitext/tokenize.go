package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/train/data/corpus"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// tokenizing is what the command line of tokenize sets.
type tokenizing struct {
	tokenOptions
	data, run, cache string
	text, save       string
	first            int
}

// tokenize makes the tokens of a text, or shows them.
func tokenize(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
	z := &tokenizing{tokenOptions: tokenOptions{Tokenizer: tokenizer.KindWord}, first: 24}
	fs := z.flags()
	if err := option.Parse(fs, args, func() {
		usage(fs, out, "tokenize [options]", "Make a vocabulary and the tokens of a text, and say what they are.")
	}); err != nil {
		return err
	}
	if z.first < 0 {
		return fmt.Errorf("-first: want >= 0, got %d", z.first)
	}
	t, err := z.given()
	if err != nil {
		return err
	}
	if z.text != "" && t != nil && z.data == "" {
		return z.show(out, t)
	}
	if err := tokenFields.Speak(z.config().Validate()); err != nil {
		return err
	}
	room := experiment.Room(out)
	if room.Cache, err = experiment.CacheDir(z.cache, taskName); err != nil {
		return err
	}
	if z.save != "" {
		if err := writable(z.save); err != nil {
			return fmt.Errorf("-save: %w", err)
		}
	}
	c, err := z.load(ctx, z.data, t, room)
	if err != nil {
		return experiment.Explain(ctx, tokenFields.Speak(err), "in the tokens")
	}
	if err := z.report(out, c); err != nil {
		return err
	}
	return z.keep(out, c.Tokenizer)
}

// flags declares the options.
func (z *tokenizing) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("wikitext", flag.ContinueOnError)
	fs.StringVar(&z.data, "data", "", "the text: what -data of a training takes")
	fs.StringVar(&z.run, "run", "", "a `directory` of a run whose tokenizer it is")
	fs.StringVar(&z.cache, "cache", "", "`directory` where tokens are kept (default: the user's cache)")
	fs.StringVar(&z.text, "text", "", "show the tokens of this `text`; with -run or -tokenizer-file and without -data nothing else")
	fs.IntVar(&z.first, "first", z.first, "show so many of the first tokens of the training text")
	fs.StringVar(&z.save, "save", "", "write the tokenizer to a `file`, for -tokenizer-file")
	z.tokenOptions.Flags(fs)
	return fs
}

// given returns the tokenizer of -run or -tokenizer-file; nil if there is neither.
func (z *tokenizing) given() (tokenizer.Tokenizer, error) {
	switch {
	case z.run != "" && z.TokenizerFile != "":
		return nil, fmt.Errorf("-run and -tokenizer-file: want one of them")
	case z.run != "":
		t, err := openRun(z.run)
		if err != nil {
			return nil, err
		}
		return t.tokens, nil
	case z.TokenizerFile != "":
		t, err := tokenizer.Open(z.TokenizerFile)
		if err != nil {
			return nil, fmt.Errorf("-tokenizer-file: %w", err)
		}
		return t, nil
	}
	return nil, nil
}

// report says what the tokens of a text are.
func (z *tokenizing) report(out io.Writer, c *corpus.Data) error {
	t := c.Tokenizer
	print, err := tokenizer.Fingerprint(t)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "tokenizer: %s, %d tokens, %.12s\n", t.Kind(), t.Vocab(), print)
	for _, note := range c.Notes {
		fmt.Fprintln(out, note)
	}
	unk := tokenizer.Unknown(t)
	fmt.Fprintf(out, "%-10s %12s %12s %12s %12s %12s %10s\n", "part", "tokens", "words", "bytes", "bytes/token", "tokens/word", "unknown")
	for _, p := range []struct {
		name string
		of   *corpus.Tokens
	}{{"training", c.Train}, {"validation", c.Val}, {"test", c.Test}} {
		if p.of == nil {
			continue
		}
		n, w, b := p.of.Len(), p.of.Words(), p.of.Bytes()
		fmt.Fprintf(out, "%-10s %12d %12d %12d %12.3f %12.3f %9.3f%%\n", p.name, n, w, b, ratio(b, n), ratio(n, w), 100*ratio(count(p.of, unk), n))
	}
	ids := make([]int, min(z.first, c.Train.Len()))
	c.Train.Read(ids, 0)
	fmt.Fprintf(out, "first: %s\n", shown(t, ids))
	if z.text != "" {
		return z.show(out, t)
	}
	return nil
}

// show shows the tokens of a text.
func (z *tokenizing) show(out io.Writer, t tokenizer.Tokenizer) error {
	ids, err := t.Encode(nil, []byte(z.text))
	if err != nil {
		return fmt.Errorf("-text: %w", err)
	}
	var numbers []string
	for _, id := range ids {
		numbers = append(numbers, strconv.Itoa(id))
	}
	fmt.Fprintf(out, "%d tokens: %s\n%s\n", len(ids), shown(t, ids), strings.Join(numbers, " "))
	return nil
}

// keep writes the tokenizer where -save says.
func (z *tokenizing) keep(out io.Writer, t tokenizer.Tokenizer) error {
	if z.save == "" {
		return nil
	}
	b, err := tokenizer.Marshal(t)
	if err != nil {
		return err
	}
	err = atomicfile.Write(z.save, 0o666, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
	if err != nil {
		return fmt.Errorf("-save: %w", err)
	}
	fmt.Fprintf(out, "tokenizer in %s\n", z.save)
	return nil
}

// shown returns tokens for people to look at.
func shown(t tokenizer.Tokenizer, ids []int) string {
	var list []string
	for _, id := range ids {
		list = append(list, strconv.Quote(t.Token(id)))
	}
	return strings.Join(list, " ")
}

// count returns how often a token is in a text.
func count(t *corpus.Tokens, id int) int {
	if id < 0 {
		return 0
	}
	n := 0
	ids := make([]int, 1<<14)
	for at := 0; at < t.Len(); at += len(ids) {
		part := ids[:min(len(ids), t.Len()-at)]
		t.Read(part, at)
		for _, v := range part {
			if v == id {
				n++
			}
		}
	}
	return n
}

func ratio(a, b int) float64 { return float64(a) / float64(max(1, b)) }
