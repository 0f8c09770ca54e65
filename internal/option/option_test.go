package option_test

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/option"
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

func TestLists(t *testing.T) {
	for in, want := range map[string]string{
		"a,b": "[a b]", " a , b ": "[a b]", "a,\tb": "[a b]", "a": "[a]", "": "[]", "  ": "[]",
		"a,,b": `invalid value "a,,b" for flag -names: want items separated by commas, got an empty one (-h lists the options)`,
		"a,":   `invalid value "a," for flag -names: want items separated by commas, got an empty one (-h lists the options)`,
	} {
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		names := []string{"x", "y"}
		option.Strings(fs, "names", &names, "`names` of things")
		if def := fs.Lookup("names").DefValue; def != "x,y" {
			t.Errorf("default %q, want x,y", def)
		}
		err := option.Parse(fs, []string{"-names", in}, nil)
		if got := fmt.Sprint(names); err == nil && got != want || err != nil && err.Error() != want {
			t.Errorf("%q: got %s, error %v, want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"1,2": "[1 2]", " 1 , -2 ": "[1 -2]", "": "[]",
		"1,x": `invalid value "1,x" for flag -sizes: want whole numbers, got "x" (-h lists the options)`,
	} {
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		var sizes []int
		option.Ints(fs, "sizes", &sizes, "`sizes`")
		err := option.Parse(fs, []string{"-sizes", in}, nil)
		if got := fmt.Sprint(sizes); err == nil && got != want || err != nil && err.Error() != want {
			t.Errorf("%q: got %s, error %v, want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"0.1,2": "[0.1 2]", " 1e-3 , -2 ": "[0.001 -2]", "": "[]",
		"1,x": `invalid value "1,x" for flag -parts: want finite numbers, got "x" (-h lists the options)`,
		"NaN": `invalid value "NaN" for flag -parts: want finite numbers, got "NaN" (-h lists the options)`,
	} {
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		var parts []float64
		option.Floats(fs, "parts", &parts, "`parts`")
		err := option.Parse(fs, []string{"-parts", in}, nil)
		if got := fmt.Sprint(parts); err == nil && got != want || err != nil && err.Error() != want {
			t.Errorf("%q: got %s, error %v, want %s", in, got, err, want)
		}
	}
}

func TestSpeak(t *testing.T) {
	fields := option.Fields{"LR": "-lr", "LRA": "-lr-a", "Overwrite": "-overwrite", "d_state": "-d-state", "block.lr": "-lr-ssm", "DtMin": "-dt-min", "min-length": "-min-length"}
	for in, want := range map[string]string{
		"train: Config: want LR > 0, got -1":                           "train: want -lr > 0, got -1",
		"models: ClassifierConfig: BlockConfig: want LRA, got LR":      "models: want -lr-a, got -lr",
		"/runs/LR/last.json is there: set Overwrite":                   "/runs/LR/last.json is there: set -overwrite",
		"block.s4d.d_state is 2 in the checkpoint; block.lr is 1 here": "-d-state is 2 in the checkpoint; -lr-ssm is 1 here",
		"train.chosen.min-length is \"1\"":                             "-min-length is \"1\"",
		"want 0 < DtMin, got DtMin = 2":                                "want 0 < -dt-min, got -dt-min = 2",
	} {
		err := errors.New(in)
		got := fields.Speak(err)
		if got.Error() != want || !errors.Is(got, err) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if fields.Speak(nil) != nil {
		t.Error("no error became one")
	}
}

func TestIndex(t *testing.T) {
	var v *int
	fs := flag.NewFlagSet("x", flag.ContinueOnError)
	option.Index(fs, "block", &v, "all", "the `block`")
	for _, c := range []struct{ arg, want string }{{"", "all"}, {"3", "3"}, {"all", "all"}} {
		if c.arg != "" {
			if err := fs.Set("block", c.arg); err != nil {
				t.Fatal(err)
			}
		}
		if got := fs.Lookup("block").Value.String(); got != c.want || (v == nil) != (c.want == "all") {
			t.Errorf("%q: got %s", c.arg, got)
		}
	}
	for _, bad := range []string{"-1", "none", "1.5", ""} {
		if err := fs.Set("block", bad); err == nil || err.Error() != "want a number from 0, or all" {
			t.Errorf("%q: got error %v", bad, err)
		}
	}
}
