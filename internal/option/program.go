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

// UntilInterrupt returns a context that ends with the first Ctrl-C or SIGTERM, or when
// the terminal is closed, unless nohup says that this is nothing to the program. A second
// Ctrl-C or SIGTERM ends the program at once; a second SIGHUP does not, as closing a
// terminal often sends two.
func UntilInterrupt() context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if hangup != nil && !signal.Ignored(hangup) {
		signals = append(signals, hangup)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, func() {
		if hangup != nil {
			signal.Ignore(hangup)
		}
		stop()
	})
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
