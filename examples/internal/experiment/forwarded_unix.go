//go:build unix

package experiment

import (
	"context"
	"os/signal"
	"syscall"
)

// untilForwarded returns a context that ends with SIGUSR1 too: mpirun forwards that to
// all ranks, and leaves them the time to save. Another ends the program at once.
func untilForwarded(ctx context.Context) context.Context {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGUSR1)
	context.AfterFunc(ctx, stop)
	return ctx
}
