package generate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers"
)

// EngineConfig bounds what an Engine takes on.
type EngineConfig struct {
	// MaxRows is how many requests have a row of the batch, or a prompt that is being
	// read for one; 0: 64. The memory is that of so many states.
	MaxRows int `json:"max_rows,omitempty"`
	// MaxQueue is how many more may wait; 0: 256, -1: none.
	MaxQueue int `json:"max_queue,omitempty"`
	// MaxPrompt is the longest prompt, in tokens; 0: 2^20.
	MaxPrompt int `json:"max_prompt,omitempty"`
	// MaxTokens is the largest Options.MaxTokens of a request; 0: 4096.
	MaxTokens int `json:"max_tokens,omitempty"`
	// Buffer is how many pieces of a Stream may wait to be read; 0: 4096.
	Buffer int `json:"buffer,omitempty"`
}

// Validate reports the first field that is out of range.
func (c EngineConfig) Validate() error {
	for _, f := range []struct {
		name     string
		v, least int
	}{{"max_rows", c.MaxRows, 0}, {"max_queue", c.MaxQueue, -1}, {"max_prompt", c.MaxPrompt, 0}, {"max_tokens", c.MaxTokens, 0}, {"buffer", c.Buffer, 0}} {
		if f.v < f.least {
			return fmt.Errorf("EngineConfig: want %s >= %d, got %d", f.name, f.least, f.v)
		}
		if err := size.Field(f.name, f.v); err != nil {
			return fmt.Errorf("EngineConfig: %w", err)
		}
	}
	return nil
}

// full returns the configuration with its defaults.
func (c EngineConfig) full() EngineConfig {
	for _, f := range []struct {
		v  *int
		by int
	}{{&c.MaxRows, 64}, {&c.MaxQueue, 256}, {&c.MaxPrompt, 1 << 20}, {&c.MaxTokens, 4096}, {&c.Buffer, 4096}} {
		if *f.v == 0 {
			*f.v = f.by
		}
	}
	c.MaxQueue = max(0, c.MaxQueue)
	return c
}

// Why a request is not taken, or does not end as it should.
var (
	// ErrBusy says that all rows are taken and the queue is full: try again later.
	ErrBusy = errors.New("generate: Engine: all rows are taken and the queue is full")
	// ErrClosed says that the Engine has been closed.
	ErrClosed = errors.New("generate: Engine: closed")
	// ErrSlow says that more pieces of a Stream have waited to be read than may.
	ErrSlow = errors.New("generate: Engine: more pieces than EngineConfig.Buffer have not been read")
)

// Engine writes texts for many at a time. One goroutine steps all of them together, as
// rows of one batch; another one reads the prompts, each a slice at a time in turn, so
// that neither those that write nor short prompts wait for a long one. A request has a
// row from the moment that its prompt is begun until its text ends; those that find
// none wait in a queue, in the order in which they came, and if that is full they are
// not taken.
//
// Nobody waits for who reads a Stream: pieces that are not read are kept, as many as
// EngineConfig.Buffer says, and if there are more the text ends with ErrSlow.
//
// An Engine is safe for many goroutines. It has to be closed.
type Engine struct {
	of  *source
	cfg EngineConfig

	mu      sync.Mutex
	changed sync.Cond        // what the goroutines wait for
	queue   []*Stream        // have no row
	prompts []*Stream        // have one, and a prompt to be read
	ready   []*Stream        // their prompts have been read
	live    map[*Stream]bool // all that have not ended
	rows    int              // that are taken
	closed  bool
	stats   Stats

	done    chan struct{}  // closed when both goroutines have returned
	leaving sync.WaitGroup // calls of leave that may come
}

// NewEngine returns an Engine that writes with a model in the tokens of a tokenizer,
// which may be nil, as New's.
func NewEngine(m Model, t Tokenizer, cfg EngineConfig) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	of, err := newSource(m, t)
	if err != nil {
		return nil, fmt.Errorf("generate: Engine: %w", err)
	}
	p, err := of.newPrompts()
	if err != nil {
		return nil, fmt.Errorf("generate: Engine: %w", err)
	}
	e := &Engine{of: of, cfg: cfg.full(), live: map[*Stream]bool{}, done: make(chan struct{})}
	e.changed.L = &e.mu
	e.stats.StepTime = newHistogram()
	var both sync.WaitGroup
	both.Go(func() { e.read(p) })
	both.Go(e.step)
	go func() {
		both.Wait()
		close(e.done)
	}()
	return e, nil
}

// Submit takes a request on, and does not wait for it: its text is what the Stream
// gives. It ends when ctx does.
//
// The error is ErrBusy, ErrClosed, that of a context that has ended already, or says
// what is wrong with the request.
func (e *Engine) Submit(ctx context.Context, q Request) (*Stream, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("generate: Engine: %w", context.Cause(ctx))
	}
	if err := e.admits(); err != nil {
		return nil, err
	}
	if n := q.Options.MaxTokens; n > e.cfg.MaxTokens {
		return nil, fmt.Errorf("generate: Engine: want max_tokens at most %d, got %d", e.cfg.MaxTokens, n)
	}
	r, err := e.of.begin(q)
	if err != nil {
		return nil, fmt.Errorf("generate: Engine: %w", err)
	}
	if n := r.result.Usage.Prompt; n > e.cfg.MaxPrompt {
		return nil, fmt.Errorf("generate: Engine: want a prompt of at most %d tokens, got %d", e.cfg.MaxPrompt, n)
	}
	s := newStream(ctx, e, r)
	if err := e.enter(s); err != nil {
		s.cancel(nil)
		return nil, err
	}
	return s, nil
}

// admits returns an error if a request would not be taken now.
func (e *Engine) admits() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.admitsLocked()
}

func (e *Engine) admitsLocked() error {
	switch {
	case e.closed:
		return ErrClosed
	case e.rows >= e.cfg.MaxRows && len(e.queue) >= e.cfg.MaxQueue:
		e.stats.Busy++
		return ErrBusy
	}
	return nil
}

// enter gives a request a row, or a place in the queue.
func (e *Engine) enter(s *Stream) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.admitsLocked(); err != nil {
		return err
	}
	e.leaving.Add(1)
	s.watch = context.AfterFunc(s.ctx, func() { e.leave(s) })
	e.stats.Requests++
	e.live[s] = true
	e.queue = append(e.queue, s)
	e.fill()
	return nil
}

// fill gives the first of the queue the rows that are free.
func (e *Engine) fill() {
	for e.rows < e.cfg.MaxRows && len(e.queue) > 0 {
		e.rows++
		e.prompts = append(e.prompts, e.queue[0])
		e.queue[0] = nil
		e.queue = e.queue[1:]
	}
	e.changed.Broadcast()
}

// leave is called when the context of a request has ended: one that waits in the queue
// ends at once, and others when the goroutine that has them sees it.
func (e *Engine) leave(s *Stream) {
	defer e.leaving.Done()
	e.mu.Lock()
	for i, q := range e.queue {
		if q == s {
			e.queue = append(e.queue[:i:i], e.queue[i+1:]...)
			e.mu.Unlock()
			e.end(s, nil, false, false)
			return
		}
	}
	e.changed.Broadcast()
	e.mu.Unlock()
}

// end ends a request, which has a row or not. A text that has not ended does so as its
// context has.
func (e *Engine) end(s *Stream, model layers.State, known, row bool) {
	r := s.row
	if !r.ended() {
		r.cancel()
		if err := context.Cause(s.ctx); errors.Is(err, ErrClosed) && r.err == nil {
			r.err = ErrClosed
		}
	}
	result := r.done(model, known)
	e.mu.Lock()
	e.stats.end(result)
	delete(e.live, s)
	if row {
		e.rows--
		e.fill()
	}
	e.changed.Broadcast()
	e.mu.Unlock()
	s.end(result, r.err)
}

// read reads prompts, until the engine is closed and has none left.
func (e *Engine) read(p *prompts) {
	var mem scratch
	for {
		e.mu.Lock()
		e.stats.Ingesting = 0
		for len(e.prompts) == 0 && !(e.closed && len(e.queue) == 0) {
			e.changed.Wait()
		}
		if len(e.prompts) == 0 {
			e.mu.Unlock()
			return
		}
		s := e.prompts[0]
		e.prompts[0] = nil
		e.prompts = e.prompts[1:]
		e.stats.Ingesting = 1
		e.mu.Unlock()
		e.readSlice(s, p, &mem)
	}
}

// readSlice reads a slice of a prompt. Behind the last one it writes the first token.
func (e *Engine) readSlice(s *Stream, p *prompts, mem *scratch) {
	r := s.row
	if cancelled(s.ctx) {
		e.end(s, nil, false, true)
		return
	}
	before := len(r.prompt)
	scores, err := r.read(s.ctx, p)
	switch {
	case cancelled(s.ctx):
		e.end(s, nil, false, true)
		return
	case err != nil:
		r.fail(err)
	case scores != nil:
		r.choose(scores, 0, mem)
		r.writeGuarded()
	}
	e.mu.Lock()
	e.stats.PromptTokens += uint64(before - len(r.prompt))
	e.stats.Tokens += uint64(r.result.Usage.Completion)
	switch {
	case r.ended():
		e.mu.Unlock()
		e.end(s, r.x0, r.err == nil, true)
		return
	case len(r.prompt) > 0:
		e.prompts = append(e.prompts, s)
	default:
		e.ready = append(e.ready, s)
		e.changed.Broadcast()
	}
	e.mu.Unlock()
}

// step steps the batch, until the engine is closed and all texts have ended.
func (e *Engine) step() {
	g := newGroup(e.of)
	var join []*Stream
	for {
		e.mu.Lock()
		e.stats.Rows = len(g.rows)
		for len(e.ready) == 0 && len(g.rows) == 0 && !(e.closed && len(e.live) == 0) {
			e.changed.Wait()
		}
		if len(e.ready) == 0 && len(g.rows) == 0 {
			e.mu.Unlock()
			return
		}
		join, e.ready = append(join[:0], e.ready...), e.ready[:0]
		e.mu.Unlock()
		e.stepOnce(g, join)
	}
}

// stepOnce lets rows leave and join, and steps those that there are then.
func (e *Engine) stepOnce(g *group, join []*Stream) {
	for i, r := range g.rows {
		if !r.ended() && cancelled(r.stream.ctx) {
			e.endRow(g, i)
		}
	}
	in := g.join[:0]
	for _, s := range join {
		if cancelled(s.ctx) {
			e.end(s, s.row.x0, true, true)
			continue
		}
		in = append(in, s.row)
	}
	g.join = in
	if len(in) > 0 || g.leaving() {
		if err := g.regroup(in...); err != nil {
			e.failAll(g, err)
			return
		}
	}
	if len(g.rows) == 0 {
		return
	}
	start, written := time.Now(), 0
	if err := g.step(); err != nil {
		g.isolate(err)
	} else {
		for _, r := range g.rows {
			if r.writeGuarded(); r.err == nil {
				written++
			}
		}
	}
	e.count(written, time.Since(start))
	for i, r := range g.rows {
		if r.ended() {
			e.endRow(g, i)
		}
	}
	if !g.staying() {
		g.clear()
	}
}

// count counts a step that has written tokens.
func (e *Engine) count(tokens int, took time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Steps++
	e.stats.Tokens += uint64(tokens)
	e.stats.StepTime.add(took.Seconds())
}

// endRow ends the request of a row.
func (e *Engine) endRow(g *group, i int) {
	r := g.rows[i]
	x, known := layers.State(nil), r.err == nil
	if r.keep && known {
		var err error
		if x, err = g.state(i); err != nil {
			r.fail(err)
			known = false
		}
	}
	e.end(r.stream, x, known, true)
}

// failAll ends the requests of all rows with an error that is of none of them.
func (e *Engine) failAll(g *group, err error) {
	for _, r := range g.rows {
		if !r.ended() {
			r.fail(err)
			e.end(r.stream, nil, false, true)
		}
	}
	g.clear()
	g.r = nil
}

// CheckState reports what is wrong with a state that a Request is to have: of another
// model or vocabulary, or not of one row.
func (e *Engine) CheckState(x layers.State) error {
	p, err := e.of.placeOf(x)
	if err == nil && len(p.model) > 0 {
		err = e.of.check(p.model)
	}
	if err != nil {
		return fmt.Errorf("generate: Engine: %w", err)
	}
	return nil
}

// Refresh reads the model's parameters again, after training steps, also for texts that
// are being written. It may not be called while they change.
func (e *Engine) Refresh() error {
	if err := e.of.refresh(); err != nil {
		return fmt.Errorf("generate: Engine: %w", err)
	}
	return nil
}

// Close takes no more requests on, waits until all texts have ended, those in the queue
// too, and returns nil. If ctx ends first it ends them, with ErrClosed, and returns the
// error of ctx. When Close returns no goroutine of the Engine is left.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.changed.Broadcast()
	e.mu.Unlock()
	defer e.leaving.Wait()
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
	}
	e.mu.Lock()
	left := len(e.live)
	for s := range e.live {
		s.cancel(ErrClosed)
	}
	e.mu.Unlock()
	<-e.done
	if left == 0 {
		return nil
	}
	return fmt.Errorf("generate: Engine: closed before %d texts had ended: %w", left, context.Cause(ctx))
}

// writeGuarded is write, where a panic of a tokenizer is an error.
func (r *row) writeGuarded() {
	err := func() (err error) {
		defer guard.Panic(&err)
		r.write()
		return nil
	}()
	if err != nil {
		r.fail(err)
	}
}
