package serve

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
)

// TestMain holds that no goroutine is left, but for the workers that all models share
// and that live as long as the program.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/gorgonia-s4/s4/internal/par.initPool.func1"))
}

// letters is a tokenizer whose ids are bytes. 0 ends a text.
type letters struct{}

func (letters) Vocab() int { return 256 }
func (letters) EOS() int   { return 0 }

func (letters) Encode(dst []int, text []byte) ([]int, error) {
	for i, b := range text {
		if b == '#' {
			return nil, fmt.Errorf("unknown token at byte %d", i)
		}
		dst = append(dst, int(b))
	}
	return dst, nil
}

func (letters) Decode(dst []byte, ids ...int) []byte {
	for _, id := range ids {
		dst = append(dst, byte(id))
	}
	return dst
}

// actor is an engine that writes what its script says.
type actor struct {
	t      *testing.T
	rows   int // at once; more are refused
	script func(ctx context.Context, r generate.Request, emit func(text string) bool) error

	now, all atomic.Int64
	mu       sync.Mutex
	asked    []generate.Request
}

// requests are those that were asked for so far.
func (a *actor) requests() []generate.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// alphabet writes as many letters as are asked for, from the one behind the last of the
// prompt.
func alphabet(_ context.Context, r generate.Request, emit func(string) bool) error {
	next := 0
	if r.State != nil {
		next = int(r.State[0].Value.Data().([]float32)[0])
	}
	if n := len(r.Prompt); n > 0 {
		next = r.Prompt[n-1] - 'a' + 1
	}
	for i := range r.Options.MaxTokens {
		if !emit(string(rune('a' + (next+i+26)%26))) {
			break
		}
	}
	return nil
}

// endless writes until the request ends.
func endless(ctx context.Context, _ generate.Request, emit func(string) bool) error {
	for ctx.Err() == nil && emit("x") {
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

type actorStream struct {
	pieces chan generate.Piece
	result *generate.Result
	err    error
}

func (a *actor) submit(ctx context.Context, r generate.Request) (stream, error) {
	if a.now.Add(1) > int64(a.rows) {
		a.now.Add(-1)
		return nil, fmt.Errorf("actor: %w", generate.ErrBusy)
	}
	a.all.Add(1)
	a.mu.Lock()
	a.asked = append(a.asked, r)
	a.mu.Unlock()
	s := &actorStream{pieces: make(chan generate.Piece, 4096)}
	go func() {
		defer a.now.Add(-1)
		s.play(ctx, a.script, r)
	}()
	return s, nil
}

func (s *actorStream) play(ctx context.Context, script func(context.Context, generate.Request, func(string) bool) error, r generate.Request) {
	res := &generate.Result{FinishReason: generate.Length}
	var text strings.Builder
	s.err = script(ctx, r, func(t string) bool {
		text.WriteString(t)
		p := generate.Piece{ID: int(t[0]), Token: t, Text: t, LogProb: -float64(len(res.IDs)+1) * float64(1+r.Options.Seed%7)}
		for i := range r.Options.LogProbs {
			p.Top = append(p.Top, generate.TokenLogProb{ID: 'A' + i, LogProb: -float64(i)})
		}
		res.IDs = append(res.IDs, p.ID)
		res.LogProb += p.LogProb
		select {
		case s.pieces <- p:
			return true
		case <-ctx.Done():
			return false
		}
	})
	res.Text = text.String()
	res.Usage = generate.Usage{Prompt: len(r.Prompt), Completion: len(res.IDs)}
	if r.KeepState {
		last := append(r.Prompt, res.IDs...)
		res.State = memoryOf(last[len(last)-1] - 'a' + 1)
	}
	if ctx.Err() != nil {
		res.FinishReason = generate.Cancelled
	}
	s.result = res
	close(s.pieces)
}

// memoryOf is a state: the next letter.
func memoryOf(next int) layers.State {
	return layers.State{{Name: "next", Value: tensor.New(tensor.WithShape(1, 1), tensor.WithBacking([]float32{float32(next)}))}}
}

func (s *actorStream) Next() (generate.Piece, error) {
	p, ok := <-s.pieces
	if ok {
		return p, nil
	}
	if s.err != nil {
		return p, s.err
	}
	return p, io.EOF
}

func (s *actorStream) Result() *generate.Result { return s.result }

func (a *actor) CheckState(x layers.State) error {
	if len(x) != 1 || x[0].Name != "next" {
		return fmt.Errorf("want a state with the tensor next")
	}
	return nil
}

func (a *actor) Stats() generate.Stats {
	return generate.Stats{
		Rows: int(a.now.Load()), MaxRows: a.rows, Requests: uint64(a.all.Load()),
		StepTime: generate.Histogram{Bounds: []float64{.001, .01}, Counts: []uint64{3, 1}, Sum: .02, Count: 5},
	}
}

// running is a server that serves.
type running struct {
	*Server
	url  string
	addr string
	log  *lockedBuffer
	stop func() // ends it, and waits; may be called twice
}

// lockedBuffer is a buffer for many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// run serves what an engine writes for the time of a test.
func run(t *testing.T, e engine, cfg Config) *running {
	t.Helper()
	return serve(t, e, letters{}, cfg)
}

// serve is run with another tokenizer.
func serve(t *testing.T, e engine, tok generate.Tokenizer, cfg Config) *running {
	t.Helper()
	r := &running{log: &lockedBuffer{}}
	cfg.Log = slog.New(slog.NewTextHandler(r.log, nil))
	s, err := newServer(e, tok, cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	r.Server, r.addr, r.url = s, l.Addr().String(), "http://"+l.Addr().String()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(r.stop)
	return r
}

// alphabetServer is a server of an actor that writes the alphabet.
func alphabetServer(t *testing.T, cfg Config) (*running, *actor) {
	a := &actor{t: t, rows: 1 << 20, script: alphabet}
	return run(t, a, cfg), a
}

// post sends a body, and returns status, header and body of the answer.
func (r *running) post(t *testing.T, path, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	return r.do(t, http.MethodPost, path, body, append([]string{"Content-Type", "application/json"}, header...)...)
}

func (r *running) do(t *testing.T, method, path, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}
