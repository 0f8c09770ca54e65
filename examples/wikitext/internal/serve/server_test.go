package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go"

	"github.com/gorgonia-s4/s4/generate"
)

// patience is how long a test waits for what must come to pass.
const patience = time.Minute

// eventually waits for something to become true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s has not come to pass in %v", what, patience)
		}
	}
}

// codeOf is the code of an error as clients see it.
func codeOf(t *testing.T, body string) string {
	t.Helper()
	var e struct {
		Error struct {
			Message, Type string
			Code          *string
		}
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error.Message == "" || e.Error.Type == "" {
		t.Errorf("got %q, want an error of the protocol", body)
		return ""
	}
	if e.Error.Code == nil {
		return ""
	}
	return *e.Error.Code
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s, a := alphabetServer(t, Config{Key: "key", MaxBody: 1000, MaxPrompt: 500, Origins: []string{"https://good.example"}})
	const good = `{"prompt":"a"}`
	key := []string{"Authorization", "Bearer key"}
	with := func(header ...string) []string {
		return append(append([]string{"Content-Type", "application/json"}, key...), header...)
	}
	for _, test := range []struct {
		method, path, body string
		header             []string
		status             int
		code               string
	}{
		{"POST", "/v1/completions", good, with(), 200, ""},
		{"POST", "/v1/completions", good, with("Content-Type", "Application/JSON; charset=utf-8"), 200, ""},
		{"POST", "/v1/completions", good, with("Authorization", "bearer  key"), 200, ""},
		{"POST", "/v1/completions", good, with("Authorization", ""), 401, "invalid_api_key"},
		{"POST", "/v1/completions", good, with("Authorization", "Bearer kez"), 401, "invalid_api_key"},
		{"POST", "/v1/completions", good, with("Authorization", "Basic key"), 401, "invalid_api_key"},
		{"GET", "/metrics", "", nil, 401, "invalid_api_key"},
		{"GET", "/v1/models", "", nil, 401, "invalid_api_key"},
		{"DELETE", "/v1/sessions/x", "", nil, 401, "invalid_api_key"},
		{"GET", "/healthz", "", nil, 200, ""},
		{"POST", "/v1/completions", good, with("Content-Type", "text/plain"), 415, "unsupported_media_type"},
		{"POST", "/v1/completions", good, with("Content-Type", ""), 415, "unsupported_media_type"},
		{"POST", "/v1/completions", good, with("Content-Encoding", "gzip"), 415, "unsupported_encoding"},
		{"POST", "/v1/completions", `{"prompt":"` + strings.Repeat("a", 990) + `"}`, with(), 413, "body_too_large"},
		{"POST", "/v1/completions", `{"prompt":"` + strings.Repeat("a", 600) + `"}`, with(), 400, "context_length_exceeded"},
		{"POST", "/v1/completions", `{"prompt":"#"}`, with(), 400, ""},
		{"POST", "/v1/completions", `{"prompt"`, with(), 400, "malformed_json"},
		{"POST", "/v1/completions", `{"model":"gpt"}`, with(), 404, "model_not_found"},
		{"POST", "/v1/completions", `{"session":{"from":"no"}}`, with(), 404, "session_not_found"},
		{"GET", "/v1/completions", "", with(), 405, "method_not_allowed"},
		{"BREW", "/v1/completions", "", with(), 405, "method_not_allowed"},
		{"POST", "/healthz", "", with(), 405, "method_not_allowed"},
		{"OPTIONS", "/v1/completions", "", with(), 405, "method_not_allowed"},
		{"GET", "/v1/chat/completions", "", with(), 404, "not_found"},
		{"GET", "/page.js", "", with(), 404, "not_found"},
		{"GET", "/../../etc/passwd", "", with(), 404, "not_found"},
		{"GET", "/v1/models/..%2f..%2fetc%2fpasswd", "", with(), 404, "model_not_found"},
		{"GET", "/v1/sessions/..%2f..%2fetc%2fpasswd/state", "", with(), 404, "session_not_found"},
		{"GET", "/healthz", "", []string{"Host", "evil.example"}, 421, "unknown_host"},
		{"GET", "/healthz", "", []string{"Host", "localhost:8000"}, 200, ""},
		{"GET", "/healthz", "", []string{"Host", "[::1]:8000"}, 200, ""},
		{"POST", "/v1/completions", good, with("Origin", "https://evil.example"), 403, "cross_origin"},
		{"POST", "/v1/completions", good, with("Sec-Fetch-Site", "cross-site"), 403, "cross_origin"},
		{"POST", "/v1/completions", good, with("Origin", "https://good.example"), 200, ""},
		{"POST", "/v1/completions", good, with("Origin", s.url), 200, ""},
	} {
		status, h, body := s.do(t, test.method, test.path, test.body, test.header...)
		if status != test.status {
			t.Errorf("%s %s %.40s %v: got %d %s, want %d", test.method, test.path, test.body, test.header, status, body, test.status)
			continue
		}
		if status >= 400 && codeOf(t, body) != test.code {
			t.Errorf("%s %s %.40s: got %s, want the code %q", test.method, test.path, test.body, body, test.code)
		}
		if (status == 405) != (h.Get("Allow") != "") || (status == 401) != (h.Get("WWW-Authenticate") != "") || h.Get("X-Request-Id") == "" ||
			h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s %s: got header %v", test.method, test.path, h)
		}
		if got := h.Get("Access-Control-Allow-Origin"); (got != "") != strings.Contains(fmt.Sprint(test.header), "good.example") {
			t.Errorf("%s %s %v: allows the origin %q", test.method, test.path, test.header, got)
		}
	}
	if n := len(a.requests()); n != 5 {
		t.Errorf("the engine has had %d requests, want 5", n)
	}
}

func TestBodyWithoutALengthIsBounded(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{MaxBody: 10_000})
	for n, want := range map[int]int{5_000: 200, 20_000: 413, 1 << 20: 413} {
		body := io.MultiReader(strings.NewReader(`{"max_tokens":1,"prompt":"`), strings.NewReader(strings.Repeat("a", n)+`"}`)) // sent in chunks
		res, err := http.Post(s.url+"/v1/completions", "application/json", body)
		if err != nil {
			if want == 200 {
				t.Error(err)
			}
			continue // the server has closed while more was sent
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes: got %d, want %d", n, res.StatusCode, want)
		}
	}
	if n := s.bodies.held.Load(); n != 0 {
		t.Errorf("%d bytes of bodies are held after all", n)
	}
}

func TestAllBodiesTogetherAreBounded(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{MaxBodies: 3 * bodyChunk})
	var open []net.Conn
	for range 3 {
		c := s.dial(t)
		open = append(open, c)
		fmt.Fprintf(c, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n%s", strings.Repeat(" ", bodyChunk))
	}
	eventually(t, "reading three bodies", func() bool { return s.bodies.held.Load() == 3*bodyChunk })
	large := `{"prompt":"` + strings.Repeat("a", bodyChunk) + `"}`
	status, h, body := s.post(t, "/v1/completions", large)
	if status != 429 || h.Get("Retry-After") == "" || codeOf(t, body) != "engine_busy" {
		t.Errorf("a fourth large body: got %d %v %s, want 429", status, h, body)
	}
	if status, _, body := s.post(t, "/v1/completions", `{}`); status != 200 {
		t.Errorf("a small one: got %d %s", status, body)
	}
	for _, c := range open {
		c.Close()
	}
	eventually(t, "letting go of them", func() bool { return s.bodies.held.Load() == 0 })
	if status, _, body := s.post(t, "/v1/completions", large); status != 200 {
		t.Errorf("afterwards: got %d %s", status, body)
	}
}

// dial opens a connection, which the test closes at its end.
func (r *running) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

func TestClientsThatTakeTheirTimeAreLeft(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{HeaderTimeout: 500 * time.Millisecond, BodyTimeout: 500 * time.Millisecond, IdleTimeout: 500 * time.Millisecond})
	const header = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
	for name, test := range map[string]struct{ sent, want string }{
		"says nothing":    {"", ""},
		"half a header":   {header[:60], "HTTP/1.1 400 Bad Request"},
		"half a body":     {header + `{"prompt":`, "HTTP/1.1 408 Request Timeout"},
		"goes on forever": {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 OK"},
		"large header":    {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 100<<10), "HTTP/1.1 431"},
		"no HTTP":         {"\x16\x03\x01\x00\x00 hello\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		"refused early":   {strings.Replace(header, "json", "xml", 1) + `{`, "HTTP/1.1 415"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.dial(t)
			c.Write([]byte(test.sent))
			got, err := io.ReadAll(c) // until the server closes
			var reset *net.OpError
			if err != nil && !errors.As(err, &reset) {
				t.Fatalf("the connection was left open: %v", err)
			}
			if !strings.HasPrefix(string(got), test.want) || test.want == "" && len(got) > 0 {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestBodyTimeoutIsOverWithTheBody(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	a := &actor{t: t, rows: 10, script: func(ctx context.Context, r generate.Request, emit func(string) bool) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		emit("x")
		return nil
	}}
	s := run(t, a, Config{HeaderTimeout: 600 * time.Millisecond, BodyTimeout: 600 * time.Millisecond})
	go func() {
		time.Sleep(1500 * time.Millisecond)
		close(release)
	}()
	if status, _, body := s.post(t, "/v1/completions", `{}`); status != 200 || !strings.Contains(body, `"text":"x"`) {
		t.Errorf("a text that takes longer than a body may: got %d %s", status, body)
	}
}

func TestBusyEngine(t *testing.T) {
	t.Parallel()
	a := &actor{t: t, rows: 3, script: endless}
	s := run(t, a, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	c := s.publicClient()
	st := c.Completions.NewStreaming(ctx, params("a", 10))
	defer st.Close()
	if !st.Next() {
		t.Fatal(st.Err())
	}
	status, h, body := s.post(t, "/v1/completions", `{"n":3}`)
	if status != 429 || h.Get("Retry-After") != "1" || codeOf(t, body) != "engine_busy" {
		t.Errorf("three rows where two are left: got %d %v %s, want 429", status, h, body)
	}
	eventually(t, "giving the two rows back", func() bool { return a.now.Load() == 1 })
	cancel()
	st.Close()
	eventually(t, "giving all rows back", func() bool { return a.now.Load() == 0 })
}

func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	a := &actor{t: t, rows: 10, script: endless}
	s := run(t, a, Config{})
	for _, body := range []string{`{"n":2}`, `{"n":2,"stream":true}`} {
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/completions", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		left := make(chan struct{})
		go func() {
			defer close(left)
			if res, err := http.DefaultClient.Do(req); err == nil {
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		}()
		eventually(t, "writing", func() bool { return a.now.Load() == 2 })
		cancel()
		<-left
		eventually(t, "giving up "+body, func() bool { return a.now.Load() == 0 })
	}
	eventually(t, "counting those that left", func() bool {
		_, _, text := s.do(t, http.MethodGet, "/metrics", "")
		return strings.Contains(text, `s4_http_requests_total{code="499",route="/v1/completions"} `)
	})
}

func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	a := &actor{t: t, rows: 10, script: func(ctx context.Context, _ generate.Request, emit func(string) bool) error {
		for emit(strings.Repeat("x", 10_000)) {
		}
		return nil
	}}
	s := run(t, a, Config{WriteTimeout: 100 * time.Millisecond})
	c := s.dial(t)
	c.(*net.TCPConn).SetReadBuffer(4096)
	body := `{"stream":true}`
	fmt.Fprintf(c, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	eventually(t, "writing", func() bool { return a.all.Load() == 1 })
	eventually(t, "giving up", func() bool { return a.now.Load() == 0 && s.active.Load() == 0 })
}

func TestWriteTimeoutIsThatOfEachWrite(t *testing.T) {
	t.Parallel()
	a := &actor{t: t, rows: 10, script: func(_ context.Context, r generate.Request, emit func(string) bool) error {
		for range r.Options.MaxTokens {
			emit("x")
			time.Sleep(50 * time.Millisecond)
		}
		return nil
	}}
	s := run(t, a, Config{WriteTimeout: time.Second})
	if status, _, body := s.post(t, "/v1/completions", `{"stream":true,"max_tokens":30}`); status != 200 || !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Errorf("a stream that takes longer than a write may: got %d %s", status, body)
	}
}

func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	s := run(t, &actor{t: t, rows: 10, script: endless}, Config{RequestTimeout: 500 * time.Millisecond})
	status, h, body := s.post(t, "/v1/completions", `{}`)
	if status != 503 || codeOf(t, body) != "request_timeout" || h.Get("X-Should-Retry") != "false" {
		t.Errorf("got %d %v %s", status, h, body)
	}
	status, _, body = s.post(t, "/v1/completions", `{"stream":true}`)
	events := strings.Split(strings.TrimSpace(body), "\n\n")
	last := strings.TrimPrefix(events[len(events)-1], "data: ")
	if status != 200 || len(events) < 2 || codeOf(t, last) != "request_timeout" {
		t.Errorf("streamed: got %d, %d events, the last %s", status, len(events), last)
	}
}

func TestEngineFails(t *testing.T) {
	t.Parallel()
	s := run(t, &actor{t: t, rows: 10, script: func(_ context.Context, r generate.Request, emit func(string) bool) error {
		for range r.Options.MaxTokens {
			emit("x")
		}
		return errors.New("generate: want finite scores, got NaN")
	}}, Config{})
	status, _, body := s.post(t, "/v1/completions", `{}`)
	if status != 500 || codeOf(t, body) != "engine_failed" || !strings.Contains(body, "got NaN") {
		t.Errorf("got %d %s", status, body)
	}
	if status, _, _ = s.post(t, "/v1/completions", `{"stream":true,"max_tokens":0,"session":{"keep":true}}`); status != 500 {
		t.Errorf("before the first event of a stream: got %d", status)
	}
	c := s.publicClient()
	st := c.Completions.NewStreaming(context.Background(), params("a", 3))
	defer st.Close()
	for st.Next() {
	}
	if st.Err() == nil || !strings.Contains(st.Err().Error(), "got NaN") {
		t.Errorf("streamed: got %v", st.Err())
	}
}

func TestHandlerPanics(t *testing.T) {
	t.Parallel()
	secret := "a secret of the client"
	s := run(t, &actor{t: t, rows: 10, script: alphabet}, Config{})
	s.engine = panicking{s.engine}
	status, _, body := s.post(t, "/v1/completions", `{"prompt":"`+secret+`"}`)
	if status != 500 || codeOf(t, body) != "internal_error" || strings.Contains(body, "secret") {
		t.Errorf("got %d %s", status, body)
	}
	if log := s.log.String(); !strings.Contains(log, "msg=panic") || !strings.Contains(log, "a *errors.errorString") || strings.Contains(log, secret) {
		t.Errorf("logged %s", log)
	}
	if _, _, text := s.do(t, http.MethodGet, "/metrics", ""); !strings.Contains(text, "s4_http_panics_total 1\n") {
		t.Error("the panic was not counted")
	}
}

// panicking is an engine that panics with what it was asked for.
type panicking struct{ engine }

func (panicking) submit(_ context.Context, r generate.Request) (stream, error) {
	panic(errors.New(string(letters{}.Decode(nil, r.Prompt...))))
}

func TestPanicAmidAStream(t *testing.T) {
	t.Parallel()
	flushed := make(chan struct{})
	a := &actor{t: t, rows: 10, script: func(_ context.Context, _ generate.Request, emit func(string) bool) error {
		emit("x")
		<-flushed
		emit("y")
		return nil
	}}
	s := serve(t, a, &fragile{}, Config{})
	res, err := http.Post(s.url+"/v1/completions", "application/json", strings.NewReader(`{"stream":true,"logprobs":1,"prompt":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	close(flushed) // the header has come
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("got %q, want an answer that is cut off", body)
	}
	eventually(t, "logging it", func() bool { return strings.Contains(s.log.String(), "msg=panic") })
}

// fragile is a tokenizer that panics at the second token that it is asked for by a
// request.
type fragile struct {
	letters
	decoded int
}

func (f *fragile) Decode(dst []byte, ids ...int) []byte {
	if f.decoded++; f.decoded == f.Vocab()+2 { // the server itself has asked for all
		panic("fragile")
	}
	return f.letters.Decode(dst, ids...)
}

func TestShutdownLetsStreamsEnd(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	a := &actor{t: t, rows: 10, script: func(ctx context.Context, r generate.Request, emit func(string) bool) error {
		emit("x")
		<-release
		emit("y")
		return nil
	}}
	s := run(t, a, Config{Notice: 1500 * time.Millisecond})
	c := s.publicClient()
	st := c.Completions.NewStreaming(context.Background(), params("a", 3))
	defer st.Close()
	if !st.Next() {
		t.Fatal(st.Err())
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.stop()
	}()
	eventually(t, "going down", func() bool { return s.down.Load() })
	status, _, _ := s.do(t, http.MethodGet, "/healthz", "")
	if status != 503 {
		t.Errorf("health while going down: got %d, want 503", status)
	}
	status, h, body := s.post(t, "/v1/completions", `{}`)
	if status != 503 || codeOf(t, body) != "going_down" || h.Get("Retry-After") == "" {
		t.Errorf("a new text while going down: got %d %v %s, want 503", status, h, body)
	}
	eventually(t, "refusing connections", func() bool {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(release)
	if !st.Next() || st.Current().Choices[0].Text != "y" {
		t.Errorf("the stream was cut off: %v", st.Err())
	}
	for st.Next() {
	}
	if st.Err() != nil {
		t.Error(st.Err())
	}
	<-stopped
}

func TestShutdownCutsOff(t *testing.T) {
	t.Parallel()
	a := &actor{t: t, rows: 10, script: endless}
	s := run(t, a, Config{Grace: 50 * time.Millisecond})
	c := s.publicClient()
	st := c.Completions.NewStreaming(context.Background(), params("a", 3))
	defer st.Close()
	if !st.Next() {
		t.Fatal(st.Err())
	}
	hung := s.dial(t)
	fmt.Fprint(hung, "POST /v1/completions HTTP/1.1\r\nHost: loc")
	waiting := make(chan int)
	go func() {
		status, _, _ := s.post(t, "/v1/completions", `{"n":2}`)
		waiting <- status
	}()
	eventually(t, "writing three rows", func() bool { return a.now.Load() == 3 })
	go s.stop()
	for st.Next() {
	}
	if st.Err() == nil || !strings.Contains(st.Err().Error(), "going_down") && !strings.Contains(st.Err().Error(), "goes down") {
		t.Errorf("the stream ended with %v", st.Err())
	}
	if status := <-waiting; status != 503 {
		t.Errorf("what was not streamed got %d, want 503", status)
	}
	s.stop()
	if n := a.now.Load(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestServerServesOnce(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "serving", func() bool { return s.listener.Load() != nil })
	if err := s.Serve(context.Background(), l); err == nil || !strings.Contains(err.Error(), "not served yet") {
		t.Errorf("got %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener was left open")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{MaxConnections: 4})
	ask := func(c net.Conn) {
		t.Helper()
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	answer := func(c net.Conn) *http.Response {
		t.Helper()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	var open []net.Conn
	for i := range 4 {
		c := s.dial(t)
		open = append(open, c)
		if i < 3 {
			ask(c)
			if res := answer(c); res.Close {
				t.Errorf("connection %d of 4 was not kept", i)
			}
		}
	}
	eventually(t, "accepting four", func() bool { return s.listener.Load().open() == 4 })
	waiting := s.dial(t)
	ask(waiting)
	waiting.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := waiting.Read(make([]byte, 1)); err == nil || n > 0 {
		t.Error("a fifth connection was answered")
	}
	waiting.SetReadDeadline(time.Now().Add(patience))
	ask(open[3])
	if res := answer(open[3]); !res.Close {
		t.Error("the last connection that there is room for is kept")
	}
	if res := answer(waiting); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestPagesOfOtherOrigins(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{Key: "key", Origins: []string{"https://good.example"}, Hosts: []string{"api.example"}})
	for origin, want := range map[string]int{"https://good.example": 204, "https://evil.example": 405} {
		status, h, _ := s.do(t, http.MethodOptions, "/v1/completions", "", "Host", "API.example:80", "Origin", origin, "Access-Control-Request-Method", "POST")
		allowed := h.Get("Access-Control-Allow-Methods") + h.Get("Access-Control-Allow-Headers")
		if status != want || (status == 204) != (allowed == "POSTAuthorization, Content-Type") || h.Get("Vary") != "Origin" {
			t.Errorf("%s: got %d, %v", origin, status, h)
		}
	}
	for host, want := range map[string]int{"api.example": 200, "localhost": 421, "127.0.0.1": 421} {
		if status, _, _ := s.do(t, http.MethodGet, "/healthz", "", "Host", host); status != want {
			t.Errorf("%s: got %d, want %d", host, status, want)
		}
	}
	all, _ := alphabetServer(t, Config{Hosts: []string{"*"}})
	if status, _, _ := all.do(t, http.MethodGet, "/healthz", "", "Host", "any.example"); status != 200 {
		t.Errorf("any name: got %d", status)
	}
}

// TestThousandConnections holds that honest clients are answered while others hold
// connections, of which there are fewer than clients.
func TestThousandConnections(t *testing.T) {
	t.Parallel()
	a := &actor{t: t, rows: 1 << 20, script: alphabet}
	s := run(t, a, Config{MaxConnections: 450, HeaderTimeout: 2 * time.Second, BodyTimeout: time.Second, IdleTimeout: time.Second})
	const clients = 1000
	var all sync.WaitGroup
	var good atomic.Int64
	begin := make(chan struct{})
	post := func(body string, promised int) string {
		return fmt.Sprintf("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", promised, body)
	}
	const body = `{"prompt":"abc","max_tokens":20,"stream":true}`
	for i := range clients {
		all.Go(func() {
			<-begin
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Errorf("client %d: %v", i, err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			switch i % 5 {
			case 0: // says nothing
			case 1:
				io.WriteString(c, post(body, len(body))[:50])
			case 2:
				io.WriteString(c, post(body, 900_000))
			case 3:
				io.WriteString(c, post(body, len(body))) // leaves without reading
				return
			case 4:
				io.WriteString(c, post(body, len(body)))
				res, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Errorf("honest client %d: %v", i, err)
					return
				}
				got, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != 200 || !strings.HasSuffix(string(got), "data: [DONE]\n\n") || strings.Count(string(got), `"text"`) != 21 {
					t.Errorf("honest client %d: got %d, %v, %s", i, res.StatusCode, err, got)
				}
				good.Add(1)
				return
			}
			io.Copy(io.Discard, c)
		})
	}
	close(begin)
	all.Wait()
	if good.Load() != clients/5 {
		t.Errorf("%d honest clients were answered, want %d", good.Load(), clients/5)
	}
	eventually(t, "letting go of all", func() bool { return s.listener.Load().open() == 0 && s.bodies.held.Load() == 0 && a.now.Load() == 0 })
}

func TestNothingOfARequestIsLogged(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{Key: "hunter2"})
	const secret = "xyzzy"
	for _, body := range []string{`{"prompt":"` + secret + `","user":"` + secret + `","stop":"` + secret + `"}`, `{"` + secret + `":1}`, `{"model":"` + secret + `"}`, secret} {
		s.post(t, "/v1/completions", body, "Authorization", "Bearer hunter2", "User-Agent", secret)
		s.post(t, "/v1/completions", body, "Authorization", "Bearer "+secret)
	}
	s.do(t, http.MethodGet, "/"+secret+"?"+secret+"="+secret, "")
	s.do(t, strings.ToUpper(secret), "/"+secret, "")
	s.do(t, http.MethodGet, "/v1/models/"+secret, "", "Host", secret+".example")
	eventually(t, "logging all", func() bool { return strings.Count(s.log.String(), "msg=request") == 11 })
	log := s.log.String()
	for _, word := range []string{secret, strings.ToUpper(secret), "hunter2"} {
		if strings.Contains(log, word) {
			t.Errorf("logged %q: %s", word, log)
		}
	}
	if !strings.Contains(log, "prompt_tokens=5") || !strings.Contains(log, "written=16") || !strings.Contains(log, "route=/v1/completions status=200") {
		t.Errorf("logged %s", log)
	}
}

func TestBestOf(t *testing.T) {
	t.Parallel()
	s, a := alphabetServer(t, Config{})
	c := s.publicClient()
	p := params("a", 2)
	p.Prompt = openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"a", "m"}}
	p.N, p.BestOf, p.Seed, p.Logprobs = openai.Int(2), openai.Int(3), openai.Int(5), openai.Int(0)
	got, err := c.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	// An actor's log probabilities are those of its seed % 7: 5, 6, 0 and 1, 2, 3.
	var all []string
	for i, ch := range got.Choices {
		if ch.Index != int64(i) {
			t.Errorf("choice %d has index %d", i, ch.Index)
		}
		all = append(all, fmt.Sprintf("%s %g", ch.Text, ch.Logprobs.TokenLogprobs[0]))
	}
	if text := strings.Join(all, ", "); text != "bc -1, bc -6, no -2, no -3" {
		t.Errorf("got %s", text)
	}
	if got.Usage.PromptTokens != 2 || got.Usage.CompletionTokens != 12 || len(a.requests()) != 6 {
		t.Errorf("got usage %s for %d rows", got.Usage.RawJSON(), len(a.requests()))
	}
}

func TestEmptyPromptIsABeginning(t *testing.T) {
	t.Parallel()
	s, a := alphabetServer(t, Config{})
	for _, body := range []string{`{}`, `{"prompt":""}`, `{"prompt":["",""]}`} {
		if status, _, text := s.post(t, "/v1/completions", body); status != 200 {
			t.Errorf("%s: got %d %s", body, status, text)
		}
	}
	for i, r := range a.requests() {
		if len(r.Prompt) != 1 || r.Prompt[0] != 0 {
			t.Errorf("row %d: got %v, want the end of a text", i, r.Prompt)
		}
	}
}

func TestTokensThatAreNoCharacters(t *testing.T) {
	t.Parallel()
	s := run(t, &actor{t: t, rows: 10, script: func(_ context.Context, _ generate.Request, emit func(string) bool) error {
		for _, b := range []byte("né") {
			emit(string([]byte{b}))
		}
		return nil
	}}, Config{})
	status, _, body := s.post(t, "/v1/completions", `{"logprobs":0}`)
	if status != 200 || !strings.Contains(body, `"tokens":["n","bytes:\\xc3","bytes:\\xa9"]`) || !strings.Contains(body, `"text_offset":[0,1,2]`) {
		t.Errorf("got %d %s", status, body)
	}
}
