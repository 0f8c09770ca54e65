package experiment

import (
	"flag"
	"fmt"
	"io"

	"github.com/gorgonia-s4/s4/train"
)

// Check follows the command line of a training to where it would train on so many
// examples, of which the longest has so many steps, and returns its recipe.
func (p Program) Check(args []string, examples, longest int) (*Recipe, error) {
	o, err := p.parse(args, io.Discard)
	if err != nil {
		return nil, err
	}
	if err := o.bendTo(examples, longest); err != nil {
		return nil, err
	}
	s := known(o.shape)
	if _, err := o.modelConfig(s, longest); err != nil {
		return nil, err
	}
	if err := o.Train.Validate(); err != nil {
		return nil, err
	}
	if _, err := train.NewScheduler(o.Train.Schedule, o.steps(examples)); err != nil {
		return nil, err
	}
	if b := o.Train.Buckets; len(b) > 0 && b[len(b)-1] < longest {
		return nil, fmt.Errorf("want buckets for sequences of up to %d steps, got %v", longest, b)
	}
	return o.Recipe, nil
}

// Config returns the configuration of the model of a recipe, one of package models, for
// sequences of up to so many steps.
func (r *Recipe) Config(s Shape, longest int) (any, error) { return r.modelConfig(s, longest) }

// Options returns the options of a training with a command line's defaults, and the
// kinds of layers that those about a layer are about.
func (p Program) Options(args []string) (fs *flag.FlagSet, takers func(name string) []string, err error) {
	o, err := p.defaults(args)
	if err != nil {
		return nil, nil, err
	}
	fs, err = o.flags()
	return fs, o.takers, err
}

// PresetNames lists the presets of a task.
func (p Program) PresetNames(task string) []string { return p.presets(task) }

// ModelNames lists what -model takes.
func (p Program) ModelNames() []string { return kindNames() }
