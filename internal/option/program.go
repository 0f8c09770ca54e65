package option

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// UntilInterrupt returns a context that ends with the first Ctrl-C or SIGTERM. A
// second one ends the program at once.
func UntilInterrupt() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

// Exit prints the error that a command ended with, if any, and ends the program
// with status 1. Asking for help is no error.
func Exit(command string, err error) {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, message(command, err))
	os.Exit(1)
}

// message is an error behind the name of the command, once: a package may have the same
// name.
func message(command string, err error) string {
	return command + ": " + strings.TrimPrefix(err.Error(), command+": ")
}
