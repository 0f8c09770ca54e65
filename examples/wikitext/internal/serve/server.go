package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gorgonia-s4/s4/generate"
)

// Server answers requests with what an engine writes.
type Server struct {
	cfg       Config
	engine    engine
	tokenizer generate.Tokenizer
	handler   http.Handler
	sessions  *sessions
	metrics   *metrics
	bodies    budget
	created   time.Time

	active   atomic.Int64            // requests
	down     atomic.Bool             // no new ones
	listener atomic.Pointer[limited] // nil before Serve
	loopback atomic.Bool             // that of Serve
}

// New returns a server of an engine, whose requests are texts of a tokenizer. The
// engine stays the caller's, who closes it when the server has ended.
func New(e *generate.Engine, t generate.Tokenizer, cfg Config) (*Server, error) {
	if e == nil || t == nil {
		return nil, errors.New("serve: New: want an engine and a tokenizer, got nil")
	}
	return newServer(actual{e}, t, cfg)
}

func newServer(e engine, t generate.Tokenizer, cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, engine: e, tokenizer: t, created: time.Now(), bodies: budget{most: cfg.MaxBodies}}
	s.sessions = newSessions(cfg.MaxSessions, cfg.MaxSessionBytes, cfg.MaxState, cfg.SessionAge, modelOf(cfg.Model, cfg.Version, t))
	s.metrics = newMetrics(s)
	var err error
	s.handler, err = s.routes()
	return s, err
}

// Handler returns what Serve answers requests with, without its limits of connections
// and headers.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers requests until the context ends. Then no new texts are begun; for
// Config.Notice those who ask are told so, /healthz included, behind that the listener is
// closed; texts that are being written have Config.Grace to come to their end, and what is
// left is cut off with an error. After a clean end, cut off or not, the error is
// nil. A server serves once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ll := limit(l, s.cfg.MaxConnections)
	if !s.listener.CompareAndSwap(nil, ll) {
		l.Close()
		return errors.New("serve: Serve: want a server that has not served yet")
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	s.loopback.Store(ok && addr.IP.IsLoopback())
	base, cut := context.WithCancelCause(context.Background())
	defer cut(nil)
	h := &http.Server{
		Handler:           s.handler,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		ReadTimeout:       s.cfg.HeaderTimeout + s.cfg.BodyTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    s.cfg.MaxHeader,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(ll) }()
	s.cfg.Log.Info("serving", "address", l.Addr().String(), "model", s.cfg.Model)
	select {
	case err := <-ended:
		h.Close()
		return err
	case <-ctx.Done():
	}
	s.drain(h, cut)
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Durations of an end.
const (
	afterwards = 2 * time.Second        // for requests that were cut off to say so
	quiet      = 500 * time.Millisecond // without a request, after which nobody is waited for
)

// drain ends a server that is serving.
func (s *Server) drain(h *http.Server, cut context.CancelCauseFunc) {
	s.down.Store(true)
	time.Sleep(s.cfg.Notice)
	begun := time.Now()
	s.cfg.Log.Info("going down", "requests", s.active.Load())
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Grace+afterwards)
	defer cancel()
	shut := make(chan struct{})
	go func() {
		defer close(shut)
		h.Shutdown(ctx) // closes the listener; waits for connections that are not idle
	}()
	grace := time.NewTimer(s.cfg.Grace)
	defer grace.Stop()
	look := time.NewTicker(quiet / 10)
	defer look.Stop()
	for busy := begun; ; {
		select {
		case <-shut:
			s.cfg.Log.Info("down", "seconds", time.Since(begun).Seconds())
			return
		case <-grace.C:
			s.cfg.Log.Warn("cutting off", "requests", s.active.Load())
			cut(errDown)
		case now := <-look.C:
			if s.active.Load() > 0 {
				busy = now
			} else if now.Sub(busy) > quiet { // those that are left have sent nothing whole
				h.Close()
			}
		}
	}
}
