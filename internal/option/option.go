// Package option is what the commands of this module share in reading their
// command lines, and in how they end: options that take one of a few values,
// errors that say what is allowed, help with every default.
package option

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Choice declares an option that takes one of the allowed values; what v holds
// is its default.
func Choice[S ~string](fs *flag.FlagSet, name string, v *S, usage string, allowed []S) {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	list := strings.Join(names, ", ")
	fs.Var(&choice[S]{v, allowed, list}, name, fmt.Sprintf("%s: `%s`", usage, list))
}

// choice is the flag.Value of Choice.
type choice[S ~string] struct {
	v       *S
	allowed []S
	list    string
}

func (c *choice[S]) String() string {
	if c.v == nil {
		return ""
	}
	return string(*c.v)
}

func (c *choice[S]) Set(s string) error {
	if !slices.Contains(c.allowed, S(s)) {
		return fmt.Errorf("want one of %s", c.list)
	}
	*c.v = S(s)
	return nil
}

// Parse reads a command line that consists of options only. After -h, which
// calls help, the error is flag.ErrHelp.
func Parse(fs *flag.FlagSet, args []string, help func()) error {
	fs.SetOutput(io.Discard)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			help()
			return err
		}
		return fmt.Errorf("%w (-h lists the options)", err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("want options only, got %q (-h lists them)", fs.Arg(0))
	}
	return nil
}

// Print writes the help for one option: its name, what it does, its default. A
// Value with a method Arg says by it what it takes.
func Print(out io.Writer, f *flag.Flag) {
	arg, usage := flag.UnquoteUsage(f)
	if v, ok := f.Value.(interface{ Arg() string }); ok && arg == "value" {
		arg = v.Arg()
	}
	if strings.Contains(arg, ", ") { // a list of choices: it is part of the text
		arg = ""
	}
	if f.DefValue != "" && f.DefValue != "false" {
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	name := strings.TrimRight("-"+f.Name+" "+arg, " ")
	if len(name) > 21 {
		fmt.Fprintf(out, "  %s\n", name)
		name = ""
	}
	for _, line := range wrap(usage, 76) {
		fmt.Fprintf(out, "  %-21s %s\n", name, line)
		name = ""
	}
}

// wrap breaks text between words into lines of at most width bytes, as far as
// the words allow.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}
