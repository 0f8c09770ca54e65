package option_test

import (
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/option"
)

type colour string

// flags declares one option of each kind.
func flags(c *colour) *flag.FlagSet {
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	option.Choice(fs, "colour", c, "what to paint with", []colour{"red", "blue"})
	fs.Int("coats", 2, "how many `times`, one after the other has dried, which takes about an hour in summer and two in winter")
	return fs
}

func TestParse(t *testing.T) {
	c := colour("red")
	if err := option.Parse(flags(&c), nil, nil); err != nil || c != "red" {
		t.Errorf("no options: %q, %v", c, err)
	}
	if err := option.Parse(flags(&c), []string{"-colour", "blue"}, nil); err != nil || c != "blue" {
		t.Errorf("got %q, %v", c, err)
	}
	for want, args := range map[string][]string{
		`invalid value "green" for flag -colour: want one of red, blue (-h lists the options)`: {"-colour", "green"},
		"flag provided but not defined: -size (-h lists the options)":                          {"-size", "2"},
		`want options only, got "wall" (-h lists them)`:                                        {"-coats", "1", "wall"},
	} {
		if err := option.Parse(flags(&c), args, nil); err == nil || err.Error() != want {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
	helped := false
	if err := option.Parse(flags(&c), []string{"-h"}, func() { helped = true }); !errors.Is(err, flag.ErrHelp) || !helped {
		t.Errorf("-h: got error %v, helped %v", err, helped)
	}
}

func TestPrint(t *testing.T) {
	c := colour("red")
	var out strings.Builder
	flags(&c).VisitAll(func(f *flag.Flag) { option.Print(&out, f) })
	want := `  -coats times          how many times, one after the other has dried, which takes about an hour in
                        summer and two in winter (default 2)
  -colour               what to paint with: red, blue (default red)
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
