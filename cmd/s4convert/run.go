package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/models/statespaces"
)

// run is the command. What it finds out is written to out, and what nothing says of
// the checkpoint to notes.
func run(args []string, out, notes io.Writer) error {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	info, err := os.Stat(o.in)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fromModel(o, out)
	}
	return fromCheckpoint(o, out, notes)
}

// fromCheckpoint converts a checkpoint.
func fromCheckpoint(o *options, out, notes io.Writer) error {
	c, err := statespaces.Read(o.in)
	if err != nil {
		return err
	}
	if o.inspect {
		if err := inspect(c, o, out); err != nil || o.out == "" && o.checkX == "" {
			return err
		}
	}
	if o.raw {
		return wrote(out, o.out, "safetensors", c.Write(o.out))
	}
	set := statespaces.With(o.hyper)
	if o.checkX != "" {
		found, err := fit(c, o, notes)
		if err != nil {
			return err
		}
		set = statespaces.With(found)
	}
	m, dt, err := newModel(c, o, set)
	if err != nil || o.out == "" {
		return err
	}
	l, err := c.Layout(set)
	if err != nil {
		return err
	}
	if err := note(c, set, notes); err != nil {
		return err
	}
	if o.to == "safetensors" {
		return wrote(out, o.out, "safetensors", l.Write(o.out, m))
	}
	if err := save(m, l, o.out); err != nil {
		return err
	}
	if err := wrote(out, o.out, "a model, "+m.Summary()[:strings.IndexByte(m.Summary(), '\n')], nil); err != nil || o.checkX == "" {
		return err
	}
	return checkSaved(o, dt, out)
}

// newModel makes the model of a checkpoint.
func newModel(c *statespaces.Checkpoint, o *options, set statespaces.Option) (*models.Classifier, tensor.Dtype, error) {
	dt := o.as(c.Dtype())
	m, err := c.ModelAs(G.NewGraph(), dt, set)
	return m, dt, err
}

// save writes a model with the names that it came with.
func save(m *models.Classifier, l statespaces.Layout, dir string) error {
	if err := m.Save(dir); err != nil {
		return err
	}
	return l.Save(dir)
}

// wrote says what has been written, unless that failed.
func wrote(out io.Writer, path, what string, err error) error {
	if err == nil {
		_, err = fmt.Fprintf(out, "wrote %s: %s\n", path, what)
	}
	return err
}

// note says what nothing says of a checkpoint.
func note(c *statespaces.Checkpoint, set statespaces.Option, notes io.Writer) error {
	in, err := c.Inspect(set)
	if err == nil && len(in.Assumed) > 0 {
		_, err = fmt.Fprintf(notes, "assumed, as neither the checkpoint nor an option says it: %s\n", strings.Join(in.Assumed, ", "))
	}
	return err
}

// fromModel converts a model.
func fromModel(o *options, out io.Writer) error {
	if len(o.hyper) > 0 || o.raw {
		return errors.New("-prenorm, -set, -hyper, -raw: a model has its options in config.json")
	}
	var opts []models.LoadOption
	if o.dtype != "" {
		opts = append(opts, models.As(o.as(tensor.Float32)))
	}
	m, err := models.LoadClassifier(G.NewGraph(), o.in, opts...)
	if err != nil {
		return err
	}
	if o.inspect {
		if _, err := fmt.Fprint(out, m.Summary()); err != nil {
			return err
		}
	}
	if o.checkX != "" {
		if err := checkModel(m, o, out); err != nil {
			return err
		}
	}
	switch {
	case o.out == "":
		return nil
	case o.to != "safetensors":
		return errors.New("want OUT to end in .safetensors, as IN is a model already")
	}
	l, err := layoutOf(m, o)
	if err != nil {
		return err
	}
	return wrote(out, o.out, "safetensors", l.Write(o.out, m))
}

// layoutOf returns the names to write: those that the model came with, or those of a
// style.
func layoutOf(m *models.Classifier, o *options) (statespaces.Layout, error) {
	if o.style == "" {
		l, err := statespaces.SavedLayout(o.in)
		if !errors.Is(err, fs.ErrNotExist) {
			return l, err
		}
		return statespaces.LayoutOf(m, statespaces.Example)
	}
	return statespaces.LayoutOf(m, o.style)
}

// inspect prints what is in a checkpoint.
func inspect(c *statespaces.Checkpoint, o *options, out io.Writer) error {
	var s strings.Builder
	fmt.Fprintf(&s, "format: %s, %d tensors\n\n", c.Format, len(c.Tensors))
	w := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	for _, t := range c.Tensors {
		fmt.Fprintf(w, "%s\t%s\t%v\n", t.Name, t.Dtype, t.Shape)
	}
	w.Flush()
	section(&s, "in the state dict, and no tensors", c.Others)
	section(&s, "in the file, and not read", c.Unread)
	if c.HyperParameters != nil {
		text, err := json.MarshalIndent(c.HyperParameters, "", "  ")
		if err != nil { // NaN, infinity
			text = fmt.Append(nil, c.HyperParameters)
		}
		fmt.Fprintf(&s, "\nhyper parameters: %s\n", text)
	}
	in, err := c.Inspect(statespaces.With(o.hyper))
	if err != nil {
		fmt.Fprintf(&s, "\nno model that is known: %v\n", err)
		_, err := io.WriteString(out, s.String())
		return err
	}
	section(&s, "no part of the model", in.Unknown)
	section(&s, "assumed, as neither the checkpoint nor an option says it", in.Assumed)
	cfg, err := in.Config()
	if err != nil {
		fmt.Fprintf(&s, "\nno configuration: %v\n", err)
	} else if text, err := json.MarshalIndent(cfg, "", "  "); err != nil {
		return err
	} else {
		fmt.Fprintf(&s, "\nconfiguration: %s\n", text)
	}
	_, err = io.WriteString(out, s.String())
	return err
}

// section writes a list, unless it is empty.
func section(s *strings.Builder, title string, items []string) {
	if len(items) > 0 {
		fmt.Fprintf(s, "\n%s:\n  %s\n", title, strings.Join(slices.Clone(items), "\n  "))
	}
}
