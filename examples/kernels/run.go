package main

import (
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/gorgonia-s4/s4/internal/portrait"
)

// run draws what the arguments say.
func run(args []string, out io.Writer) error {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	subjects, err := o.subjects()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "layer\tkernels\teffective length\t\t\tpicture")
	fmt.Fprintln(w, "\t\tshortest\tmedian\tlongest\t")
	for _, s := range subjects {
		if s.layer == nil {
			fmt.Fprintf(w, "%s\t-\t-\t-\t-\tnone: the layer has no kernels of each feature: %s\n", s.title, s.kind)
			continue
		}
		ks, err := portrait.Kernels(s.graph, s.layer, o.length)
		if err != nil {
			return err
		}
		p, err := newPicture(s, ks, o)
		if err != nil {
			return err
		}
		path := filepath.Join(o.out, s.name+".png")
		if err := p.save(path); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\n", s.title, len(ks), ks[0].Reach, ks[len(ks)/2].Reach, ks[len(ks)-1].Reach, path)
	}
	return w.Flush()
}

// subjects returns the layers to be drawn.
func (o *options) subjects() ([]subject, error) {
	if o.model == "" {
		return makeStarts(o.start, o.length)
	}
	return loadModel(o.model, o.length, o.layer)
}
