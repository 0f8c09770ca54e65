package serve

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// handler answers a request. What it returns is told the client if nothing has been.
type handler func(http.ResponseWriter, *http.Request) error

// routes returns the handler of all requests.
func (s *Server) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	page, err := newPage()
	if err != nil {
		return nil, err
	}
	for pattern, by := range map[string]map[string]handler{
		"/v1/completions":         {http.MethodPost: s.keyed(s.open(s.complete))},
		"/v1/models":              {http.MethodGet: s.keyed(s.models)},
		"/v1/models/{id...}":      {http.MethodGet: s.keyed(s.model)},
		"/v1/sessions":            {http.MethodPost: s.keyed(s.open(s.importSession))},
		"/v1/sessions/{id}":       {http.MethodGet: s.keyed(s.session), http.MethodDelete: s.keyed(s.deleteSession)},
		"/v1/sessions/{id}/state": {http.MethodGet: s.keyed(s.exportSession)},
		"/healthz":                {http.MethodGet: s.health},
		"/metrics":                {http.MethodGet: s.keyed(s.metrics.answer)},
		"/{$}":                    {http.MethodGet: page.answer},
	} {
		mux.Handle(pattern, s.route(pattern, by))
	}
	mux.Handle("/", s.route("other", nil))
	return s.guard(mux), nil
}

// route answers requests of a pattern by their method.
func (s *Server) route(pattern string, by map[string]handler) http.Handler {
	if get := by[http.MethodGet]; get != nil {
		by[http.MethodHead] = get
	}
	var methods []string
	for m := range by {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res := w.(*response)
		res.route = pattern
		h := by[r.Method]
		switch {
		case by == nil:
			res.fail(refused(http.StatusNotFound, "not_found", "there is nothing at this path"))
		case r.Method == http.MethodOptions && s.allowOrigin(w, r):
			w.Header().Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
		case h == nil:
			w.Header().Set("Allow", strings.Join(methods, ", "))
			res.fail(refused(http.StatusMethodNotAllowed, "method_not_allowed", "want one of the methods %s", strings.Join(methods, ", ")))
		default:
			if err := h(w, r); err != nil {
				s.failed(res, r, err)
			}
		}
	})
}

// failed tells a client of an error, if it is there and has been told nothing else.
func (s *Server) failed(w *response, r *http.Request, err error) {
	var f *failure
	told := errors.As(err, &f)
	w.left = !told && (w.status != 0 || r.Context().Err() != nil) || told && f.status == statusLeft
	if w.left && !told {
		return // nobody is there
	}
	if !told {
		s.cfg.Log.Error("failed", "id", requestID(w), "error", err)
		f = refused(http.StatusInternalServerError, "internal_error", "the server failed")
	}
	w.fail(f)
}

// keyed lets requests with the key through.
func (s *Server) keyed(h handler) handler {
	if s.cfg.Key == "" {
		return h
	}
	want := sha256.Sum256([]byte(s.cfg.Key))
	return func(w http.ResponseWriter, r *http.Request) error {
		kind, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(key)))
		if !strings.EqualFold(kind, "Bearer") || subtle.ConstantTimeCompare(want[:], got[:]) == 0 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			return refused(http.StatusUnauthorized, "invalid_api_key", "want the right key as Authorization: Bearer KEY")
		}
		return h(w, r)
	}
}

// open lets requests through as long as new ones are taken.
func (s *Server) open(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.down.Load() {
			return goingDown()
		}
		return h(w, r)
	}
}

// policy is the Content-Security-Policy of all but the page, which has its own.
const policy = "default-src 'none'; frame-ancestors 'none'"

// guard is what all requests go through: it counts and logs them, survives panics, and
// turns away what a browser has been talked into.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	for _, o := range s.cfg.Origins {
		if err := cross.AddTrustedOrigin(o); err != nil {
			panic(err) // Validate has seen it
		}
	}
	return http.HandlerFunc(func(plain http.ResponseWriter, r *http.Request) {
		s.active.Add(1)
		defer s.active.Add(-1)
		w := &response{ResponseWriter: plain, timeout: s.cfg.WriteTimeout, id: "cmpl-" + rand.Text(), begun: time.Now(), route: "other"}
		w.arm()
		defer s.finish(w, r)
		h := w.Header()
		h.Set("X-Request-Id", w.id)
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if l := s.listener.Load(); s.down.Load() || l != nil && l.crowded() {
			h.Set("Connection", "close")
		}
		switch {
		case !s.named(r.Host):
			w.fail(refused(http.StatusMisdirectedRequest, "unknown_host", "the server has another name: see its option for hosts"))
		case cross.Check(r) != nil:
			w.fail(refused(http.StatusForbidden, "cross_origin", "pages of this origin may not call the server"))
		default:
			s.allowOrigin(w, r)
			next.ServeHTTP(w, r)
		}
	})
}

// finish counts and logs a request, and answers one whose handler has panicked.
func (s *Server) finish(w *response, r *http.Request) {
	if p := recover(); p != nil {
		s.metrics.panics.Inc()
		s.cfg.Log.Error("panic", "id", w.id, "route", w.route, "what", nameOf(p), "stack", string(debug.Stack()))
		if w.status != 0 {
			s.count(w, r)
			panic(http.ErrAbortHandler) // a part of an answer must not look like all of it
		}
		w.Header().Set("Connection", "close")
		w.fail(refused(http.StatusInternalServerError, "internal_error", "the server failed"))
	}
	s.count(w, r)
}

// nameOf says what a panic is about, which is of a request only where the runtime
// speaks of an index.
func nameOf(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", p)
}

// count is the end of finish.
func (s *Server) count(w *response, r *http.Request) {
	took := time.Since(w.begun)
	status := w.status
	if w.left {
		status = statusLeft
	}
	s.metrics.observe(w.route, status, took)
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelWarn
	}
	method := r.Method
	if w.route == "other" {
		method = "other"
	}
	s.cfg.Log.LogAttrs(r.Context(), level, "request", append([]slog.Attr{
		slog.String("id", w.id), slog.String("method", method), slog.String("route", w.route), slog.Int("status", status),
		slog.Int64("bytes_in", max(r.ContentLength, 0)), slog.Int64("bytes_out", w.written), slog.Duration("took", took),
	}, w.more...)...)
}

// known says whether pages of an origin may call the API.
func (s *Server) known(origin string) bool { return slices.Contains(s.cfg.Origins, origin) }

// allowOrigin lets a page of a known origin read the answer.
func (s *Server) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if len(s.cfg.Origins) > 0 {
		w.Header().Set("Vary", "Origin")
	}
	if !s.known(origin) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
	return true
}

// named says whether the server goes by the name that a request has for it.
func (s *Server) named(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if len(s.cfg.Hosts) > 0 {
		return slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return h == "*" || strings.EqualFold(h, host) })
	}
	if !s.loopback.Load() {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// health answers GET /healthz.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	if s.down.Load() {
		return writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "going down"})
	}
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// model answers GET /v1/models/{id}.
func (s *Server) model(w http.ResponseWriter, r *http.Request) error {
	if r.PathValue("id") != s.cfg.Model {
		return noModel()
	}
	return writeJSON(w, http.StatusOK, s.modelInfo())
}

// models answers GET /v1/models.
func (s *Server) models(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []any{s.modelInfo()}})
}

func (s *Server) modelInfo() map[string]any {
	return map[string]any{
		"id": s.cfg.Model, "object": "model", "created": s.created.Unix(), "owned_by": "local",
		"max_prompt_tokens": s.cfg.MaxPrompt, "max_tokens": s.cfg.MaxTokens, "vocab": s.tokenizer.Vocab(), "parameters": s.cfg.Parameters,
	}
}

// noModel is the failure of a request for another model.
func noModel() *failure {
	f := refused(http.StatusNotFound, "model_not_found", "there is no such model: /v1/models lists those that are")
	f.param = "model"
	return f
}
