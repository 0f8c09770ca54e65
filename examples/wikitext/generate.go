package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/layers"
)

// maxPrompt bounds what is read of a prompt.
const maxPrompt = 64 << 20

// writing is what the command line of generate sets.
type writing struct {
	run, prompt, promptFile string
	state                   string
	stop                    stopList
	n, beam                 int
	json                    bool
	o                       generate.Options

	model *trained
	g     *generate.Generator
	set   map[string]bool
	out   io.Writer
}

// writeText lets the model of a run write.
func writeText(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	w := &writing{n: 1, out: out, o: generate.Options{MaxTokens: 200, Temperature: 0.8, TopP: 0.95, RepetitionPenalty: 1}}
	fs := w.flags()
	if err := option.Parse(fs, args, func() {
		usage(fs, out, "generate -run DIR [options]", "Let the model of a run write.")
	}); err != nil {
		return err
	}
	w.set = make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { w.set[f.Name] = true })
	if !w.set["seed"] {
		w.o.Seed = rand.Uint64()
	}
	w.o.Stop = w.stop
	if err := w.validate(); err != nil {
		return err
	}
	prompt, err := w.readPrompt(in)
	if err != nil {
		return err
	}
	if w.model, err = openRun(w.run); err != nil {
		return err
	}
	if w.g, err = generate.New(w.model.model, w.model.tokens); err != nil {
		return err
	}
	if w.beam > 0 {
		return w.search(ctx, prompt)
	}
	return w.write(ctx, prompt)
}

// flags declares the options.
func (w *writing) flags() *flag.FlagSet {
	fs, o := flag.NewFlagSet("wikitext", flag.ContinueOnError), &w.o
	fs.StringVar(&w.run, "run", "", "the `directory` of the run, or of its model")
	fs.StringVar(&w.prompt, "prompt", "", "the `text` to go on with")
	fs.StringVar(&w.promptFile, "prompt-file", "", "a `file` of it; -: standard input")
	fs.IntVar(&o.MaxTokens, "max-tokens", o.MaxTokens, "tokens to write; 0: read the prompt only, for -state")
	fs.Float64Var(&o.Temperature, "temperature", o.Temperature, "what scores are divided by: the higher, the wilder; 0: always the likeliest")
	fs.IntVar(&o.TopK, "top-k", o.TopK, "choose among the so many likeliest; 0: all")
	fs.Float64Var(&o.TopP, "top-p", o.TopP, "choose among the likeliest that together have this probability, in (0, 1]")
	fs.Float64Var(&o.MinP, "min-p", o.MinP, "choose among those with this part of the probability of the likeliest; 0: all")
	fs.Float64Var(&o.RepetitionPenalty, "repetition-penalty", o.RepetitionPenalty, "above 1: against what has been written lately")
	fs.Var(&w.stop, "stop", "end before this `text`; may be repeated")
	fs.Uint64Var(&o.Seed, "seed", 0, "the same seed writes the same; if not given, another each time")
	fs.IntVar(&w.beam, "beam", 0, "search the likeliest text with so many `beams`, in the place of drawing; 0: none")
	fs.IntVar(&w.n, "n", w.n, "texts, the seeds of which follow one another; of -beam the best")
	fs.BoolVar(&w.json, "json", false, "write a line of JSON for each text when it has ended")
	fs.StringVar(&w.state, "state", "", "a `file` of what the model remembers: go on from it if it is there, and keep it there at the end; its size does not depend on how much has been read, where the state of the layers keeps its size")
	return fs
}

// stopList is the flag.Value of -stop.
type stopList []string

func (l *stopList) String() string { return "" }

func (l *stopList) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// drawing are the options that are about drawing.
var drawing = []string{"temperature", "top-k", "top-p", "min-p", "repetition-penalty", "seed", "stop", "state"}

// validate reports the first option that is out of range.
func (w *writing) validate() error {
	switch {
	case w.prompt != "" && w.promptFile != "":
		return errors.New("-prompt and -prompt-file: want one of them")
	case w.n < 1:
		return fmt.Errorf("-n: want >= 1, got %d", w.n)
	case w.beam < 0:
		return fmt.Errorf("-beam: want >= 0, got %d", w.beam)
	case w.beam > 0 && w.n > w.beam:
		return fmt.Errorf("-n: want no more than the %d of -beam, got %d", w.beam, w.n)
	case w.state != "" && w.n > 1:
		return fmt.Errorf("-state is of one text: want no -n with it, got %d", w.n)
	case w.o.MaxTokens == 0 && w.state == "":
		return errors.New("-max-tokens: want >= 1, or -state with 0, got 0")
	case w.o.TopP == 0:
		return errors.New("-top-p: want a number in (0, 1], got 0")
	case w.o.RepetitionPenalty == 0:
		return errors.New("-repetition-penalty: want a number > 0, got 0")
	}
	if w.beam > 0 {
		for _, name := range drawing {
			if w.set[name] {
				return fmt.Errorf("-%s is about drawing: want none with -beam", name)
			}
		}
		if err := (generate.BeamOptions{Width: w.beam, N: w.n}).Validate(); err != nil {
			return beamFields.Speak(err)
		}
	}
	return optionFields.Speak(w.o.Validate())
}

// optionFields are the options by the fields that they set, as errors name them.
var optionFields = option.Fields{
	"MaxTokens": "-max-tokens", "max_tokens": "-max-tokens", "Temperature": "-temperature", "temperature": "-temperature",
	"TopK": "-top-k", "top_k": "-top-k", "TopP": "-top-p", "top_p": "-top-p", "MinP": "-min-p", "min_p": "-min-p",
	"RepetitionPenalty": "-repetition-penalty", "repetition_penalty": "-repetition-penalty", "Stop": "-stop", "stop": "-stop",
}

// beamFields are the options of a search by the fields that they set.
var beamFields = option.Fields{"width": "-beam", "n": "-n"}

// readPrompt returns the text to go on with.
func (w *writing) readPrompt(in io.Reader) (string, error) {
	switch w.promptFile {
	case "":
		return w.prompt, nil
	case "-":
		if in == nil {
			return "", errors.New("-prompt-file: there is no standard input")
		}
		return limited(in, "standard input")
	}
	f, err := os.Open(w.promptFile)
	if err != nil {
		return "", fmt.Errorf("-prompt-file: %w", err)
	}
	defer f.Close()
	return limited(f, w.promptFile)
}

// limited reads a prompt.
func limited(r io.Reader, name string) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPrompt+1))
	if err == nil && len(text) > maxPrompt {
		err = fmt.Errorf("want at most %d bytes", maxPrompt)
	}
	if err != nil {
		return "", fmt.Errorf("-prompt-file: %s: %w", name, err)
	}
	return string(text), nil
}

// written is what -json writes of a text.
type written struct {
	Prompt       string         `json:"prompt"`
	Text         string         `json:"text"`
	FinishReason string         `json:"finish_reason"`
	Usage        generate.Usage `json:"usage"`
	LogProb      float64        `json:"logprob"`
	Score        *float64       `json:"score,omitempty"` // of a beam
	Seed         *uint64        `json:"seed,omitempty"`
	Seconds      float64        `json:"seconds,omitempty"`
}

// write draws texts, one after the other, and shows them as they come.
func (w *writing) write(ctx context.Context, prompt string) error {
	before, err := w.before()
	if err != nil {
		return err
	}
	for i := range w.n {
		o := w.o
		o.Seed += uint64(i)
		if !w.json {
			w.begin(i, prompt)
		}
		began := time.Now()
		q := w.model.request(prompt, before)
		q.Options, q.KeepState = o, w.state != ""
		r, err := w.g.Write(ctx, q, w.show)
		if err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		if err := w.end(r, prompt, o.Seed, took); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted after %d tokens", r.Usage.Completion)
		}
	}
	return nil
}

// begin writes what is before a text.
func (w *writing) begin(i int, prompt string) {
	if w.n > 1 {
		fmt.Fprintf(w.out, "--- %d of %d\n", i+1, w.n)
	}
	if w.promptFile == "" {
		fmt.Fprint(w.out, prompt)
	}
}

// show writes a piece of a text.
func (w *writing) show(p generate.Piece) error {
	if w.json {
		return nil
	}
	_, err := io.WriteString(w.out, p.Text)
	return err
}

// end writes what is behind a text, and keeps its state.
func (w *writing) end(r *generate.Result, prompt string, seed uint64, took float64) error {
	if w.json {
		err := w.line(written{Prompt: prompt, Text: r.Text, FinishReason: r.FinishReason, Usage: r.Usage, LogProb: r.LogProb, Seed: &seed, Seconds: took})
		if err != nil {
			return err
		}
	} else {
		fmt.Fprintln(w.out)
	}
	if w.state == "" || r.State == nil {
		return nil
	}
	if err := w.model.saveState(w.state, r.State); err != nil {
		return fmt.Errorf("-state: %w", err)
	}
	return nil
}

func (w *writing) line(v written) error {
	e := json.NewEncoder(w.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// before returns the state of -state, nil if there is none yet.
func (w *writing) before() (layers.State, error) {
	if w.state == "" {
		return nil, nil
	}
	x, err := w.model.readState(w.state)
	if err == nil {
		err = writable(w.state)
	}
	if err != nil {
		return nil, fmt.Errorf("-state: %w", err)
	}
	return x, nil
}

// search writes the likeliest texts.
func (w *writing) search(ctx context.Context, prompt string) error {
	q := w.model.request(prompt, nil)
	q.Options.MaxTokens = w.o.MaxTokens
	hs, err := w.g.Beam(ctx, q, generate.BeamOptions{Width: w.beam, N: w.n})
	if err != nil {
		return optionFields.Speak(err)
	}
	for i, h := range hs {
		if w.json {
			v := written{Prompt: prompt, Text: h.Text, FinishReason: h.FinishReason, Usage: h.Usage, LogProb: h.LogProb, Score: &h.Score}
			if err := w.line(v); err != nil {
				return err
			}
			continue
		}
		w.begin(i, prompt)
		fmt.Fprintln(w.out, strings.TrimRight(h.Text, "\n"))
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: these are the likeliest texts until then")
	}
	return nil
}
