package generate

import (
	"context"
	"io"
	"sync"
)

// Stream is a text that an Engine writes. It is for one goroutine, but for Close, Done
// and Result.
type Stream struct {
	row    *row
	buffer int
	ctx    context.Context
	cancel context.CancelCauseFunc
	watch  func() bool // stops watching ctx for the engine
	engine *Engine

	mu     sync.Mutex
	pieces []Piece // from first on, those that have not been read
	first  int
	more   chan struct{} // has an element if there may be pieces that Next has not seen
	result *Result       // nil: not ended
	err    error
	done   chan struct{} // closed at the end
}

// newStream returns the stream of a row, which writes to it.
func newStream(ctx context.Context, e *Engine, r *row) *Stream {
	s := &Stream{row: r, buffer: e.cfg.Buffer, more: make(chan struct{}, 1), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.engine, r.stream, r.emit = e, s, s.put
	return s
}

// release gives up what the context holds.
func (s *Stream) release() {
	if s.watch() {
		s.engine.leaving.Done()
	}
	s.cancel(nil)
}

// put keeps a piece to be read.
func (s *Stream) put(p Piece) error {
	s.mu.Lock()
	if s.first > 0 && len(s.pieces) == cap(s.pieces) {
		n := copy(s.pieces, s.pieces[s.first:])
		clear(s.pieces[n:])
		s.pieces, s.first = s.pieces[:n], 0
	}
	full := len(s.pieces)-s.first >= s.buffer
	if !full {
		s.pieces = append(s.pieces, p)
	}
	s.mu.Unlock()
	if full {
		return ErrSlow
	}
	select {
	case s.more <- struct{}{}:
	default:
	}
	return nil
}

// end ends the stream.
func (s *Stream) end(r *Result, err error) {
	s.mu.Lock()
	s.result, s.err = r, err
	s.mu.Unlock()
	s.release()
	close(s.done)
}

// Next returns the next piece, and waits for it. Behind the last one the error is io.EOF
// where the text has ended as Result says, also because its context has; or else what
// has ended it: ErrSlow, ErrClosed, or what is wrong with the scores of the model.
func (s *Stream) Next() (Piece, error) {
	for {
		s.mu.Lock()
		if s.first < len(s.pieces) {
			p := s.pieces[s.first]
			s.pieces[s.first] = Piece{}
			if s.first++; s.first == len(s.pieces) {
				s.pieces, s.first = s.pieces[:0], 0
			}
			s.mu.Unlock()
			return p, nil
		}
		ended, err := s.result != nil, s.err
		s.mu.Unlock()
		if ended {
			if err == nil {
				err = io.EOF
			}
			return Piece{}, err
		}
		select {
		case <-s.more:
		case <-s.done:
		}
	}
}

// Done is closed when the text has ended. There may be pieces that have not been read.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Result returns the text once it has ended, nil before.
func (s *Stream) Result() *Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.result
}

// Close ends the text, if it has not ended, and waits until it has.
func (s *Stream) Close() error {
	s.cancel(context.Canceled)
	<-s.done
	return nil
}
