package experiment

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/option"
)

// Program is a command that trains, evaluates and applies models of some tasks.
type Program struct {
	// Name is that of the command, About a sentence of help.
	Name, About string
	// Tasks are what it can learn.
	Tasks []Task
	// Presets holds presets/TASK-PRESET.json.
	Presets fs.FS
	// Task and Preset are the defaults; a task without that preset has its first.
	Task, Preset string
	// Commands are subcommands of its own. One with the name of another, such as
	// "eval", takes its place.
	Commands []Command
}

// Command is a subcommand of a program.
type Command struct {
	// Name is the word before the options, About a line of help.
	Name, About string
	// Run runs it, with the options behind the word.
	Run func(ctx context.Context, args []string, in io.Reader, out io.Writer) error
}

// Main runs the command line of the process and ends it.
func (p Program) Main() {
	option.Exit(p.Name, p.Run(option.UntilInterrupt(), os.Args[1:], os.Stdin, os.Stdout))
}

// Run runs a command line: a subcommand, train if there is none, and its options.
func (p Program) Run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	word := "train"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		word, args = args[0], args[1:]
	}
	for _, c := range p.Commands {
		if c.Name == word {
			return c.Run(ctx, args, in, out)
		}
	}
	switch word {
	case "train":
		return p.train(ctx, args, out)
	case "eval":
		return p.eval(ctx, args, out)
	case "predict":
		return p.predict(ctx, args, in, out)
	case "report":
		return p.report(args, out)
	case "help":
		return p.train(ctx, []string{"-h"}, out)
	}
	return fmt.Errorf("want options, or one of %s before them, got %q (-h lists the options)", strings.Join(p.words(), ", "), word)
}

// words lists the subcommands.
func (p *Program) words() []string {
	all := []string{"train", "eval", "predict", "report"}
	for _, c := range p.Commands {
		if !slices.Contains(all, c.Name) {
			all = append(all, c.Name)
		}
	}
	return all
}
