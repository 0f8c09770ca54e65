// Command reference trains the public PyTorch code of S4D as ours is trained, and compares
// how the two compute, learn, and how long they take:
//
//	go run ./results/reference check -code DIR -data FILE   the same to rounding, from the same parameters and batches?
//	go run ./results/reference alike -code DIR -data FILE   the same accuracy after as many steps, for some seeds?
//	go run ./results/reference hours -code DIR -data FILE   accuracy against hours, one after the other
//	go run ./results/reference export RUN DIR               what train.py reads, of a run of ours
//
// DIR is a checkout of state-spaces/s4, which is no part of this module. PyTorch, NumPy and
// einops are those of the interpreter that -python names. README.md says what is compared.
// What has come to its end in -out is not run again.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gorgonia-s4/s4/internal/option"
)

func main() {
	option.Exit("reference", run(option.UntilInterrupt(), os.Args[1:]))
}

// commands are those that compare, by name.
var commands = map[string]func(ctx context.Context, o options) error{"check": check, "alike": alike, "hours": hours}

// run is the command.
func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("want check, alike, hours or export, and -h behind it for its options")
	}
	name, args := args[0], args[1:]
	if name == "export" {
		if len(args) != 2 {
			return fmt.Errorf("export: want RUN and DIR, got %q", args)
		}
		return export(ctx, args[0], args[1])
	}
	command, ok := commands[name]
	if !ok {
		return fmt.Errorf("want check, alike, hours or export, got %q", name)
	}
	o, err := parse(name, args, os.Stdout)
	if err != nil {
		return err
	}
	return command(ctx, o)
}
