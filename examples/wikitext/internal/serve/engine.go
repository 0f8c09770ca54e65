package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
)

// engine is what a server needs of a generate.Engine. Tests have one that does as it
// is told.
type engine interface {
	submit(context.Context, generate.Request) (stream, error)
	CheckState(layers.State) error
	Stats() generate.Stats
}

// stream is what it needs of a generate.Stream, which ends when its context does.
type stream interface {
	Next() (generate.Piece, error)
	Result() *generate.Result
}

// actual is the engine of package generate.
type actual struct{ *generate.Engine }

func (e actual) submit(ctx context.Context, r generate.Request) (stream, error) {
	st, err := e.Submit(ctx, r)
	if err != nil {
		return nil, err
	}
	return st, nil
}

// event is something that has come to pass in a row: a piece, or the end.
type event struct {
	row    int
	piece  generate.Piece
	result *generate.Result // at the end
	err    error            // at the end
}

// rows are requests of an engine that are answered together.
type rows struct {
	events <-chan event // of each row some pieces and one end; then it is closed
	stop   func()       // cancels what is left, and returns when nothing of it is
}

// maxWaiting is the number of events that wait to be written. They are written
// together.
const maxWaiting = 64

// start submits requests, all or none.
func start(ctx context.Context, e engine, requests []generate.Request) (*rows, error) {
	ctx, cancel := context.WithCancel(ctx)
	streams := make([]stream, 0, len(requests))
	for _, r := range requests {
		st, err := e.submit(ctx, r)
		if err != nil {
			cancel()
			return nil, submitFailure(err)
		}
		streams = append(streams, st)
	}
	events := make(chan event, maxWaiting)
	var readers sync.WaitGroup
	for i, st := range streams {
		readers.Go(func() { follow(ctx, i, st, events) })
	}
	go func() {
		readers.Wait()
		close(events)
	}()
	return &rows{events, func() {
		cancel()
		for range events {
		}
	}}, nil
}

// follow turns what a stream says into events.
func follow(ctx context.Context, row int, st stream, events chan<- event) {
	for {
		p, err := st.Next()
		ev := event{row: row, piece: p}
		if err != nil {
			ev = event{row: row, result: st.Result()}
			if !errors.Is(err, io.EOF) {
				ev.err = err
			}
		}
		select {
		case events <- ev:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// submitFailure is what a client is told of an engine that does not take its request.
func submitFailure(err error) *failure {
	switch {
	case errors.Is(err, generate.ErrBusy):
		return busy("as many requests as are taken at once are being written or wait")
	case errors.Is(err, generate.ErrClosed):
		return goingDown()
	}
	return wrong("", "%v", err)
}

// errDeadline is why a context ends whose request has taken too long, and errDown why
// those of a server do that goes down.
var (
	errDeadline = errors.New("serve: the request took too long")
	errDown     = errors.New("serve: the server went down")
)

// endFailure is what a client is told of a row that did not come to its end.
func endFailure(ctx context.Context, err error) *failure {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errDeadline):
		f := refused(http.StatusServiceUnavailable, "request_timeout", "the text took too long: fewer tokens, or later")
		f.final = true
		return f
	case errors.Is(cause, errDown) || errors.Is(err, generate.ErrClosed):
		return goingDown()
	case errors.Is(err, generate.ErrSlow):
		return refused(http.StatusServiceUnavailable, "slow_reader", "what has been written was not read")
	case cause != nil:
		return &failure{status: statusLeft, text: "the client has left"}
	case err == nil:
		return refused(http.StatusServiceUnavailable, "cancelled", "the request was cancelled")
	}
	return refused(http.StatusInternalServerError, "engine_failed", "the model failed: %v", err)
}
