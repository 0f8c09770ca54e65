//go:build !unix

package experiment

import "context"

// untilForwarded is about a signal that there is not here.
func untilForwarded(ctx context.Context) context.Context { return ctx }
