// Package child starts programs that save when they are told to stop.
package child

import (
	"context"
	"os/exec"
)

// Command returns a command that is told to stop when ctx ends, and is waited for: it may
// save. On Linux it has a process group of its own, so that it is told of a Ctrl-C once, from
// here: a second one would end it before it has saved. Elsewhere it is in the group of this
// process, and the terminal tells it.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.SysProcAttr = attributes()
	c.Cancel = func() error { return Stop(c.Process) }
	return c
}
