package generate_test

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
)

// newEngine returns an engine that is closed at the end of a test, which then checks
// that no goroutine of it is left.
func newEngine(t testing.TB, m generate.Model, tok generate.Tokenizer, cfg generate.EngineConfig) *generate.Engine {
	t.Helper()
	e, err := generate.NewEngine(m, tok, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
		checkGoroutines(t)
	})
	return e
}

// checkGoroutines reports goroutines of package generate that do not end.
func checkGoroutines(t testing.TB) {
	t.Helper()
	var left []string
	for range 200 {
		left = nil
		buf := make([]byte, 1<<20)
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "s4/generate.(*Engine)") || strings.Contains(g, "s4/generate.NewEngine") {
				left = append(left, g)
			}
		}
		if left == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
}

// submit submits a request that is taken.
func submit(t testing.TB, ctx context.Context, e *generate.Engine, q generate.Request) *generate.Stream {
	t.Helper()
	s, err := e.Submit(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// readAll reads a stream to its end, and checks that the pieces are what the result
// says.
func readAll(t testing.TB, s *generate.Stream) (*generate.Result, error) {
	t.Helper()
	var text strings.Builder
	var ids []int
	for {
		p, err := s.Next()
		if err != nil {
			r := s.Result()
			if !errors.Is(err, generate.ErrSlow) && (text.String() != r.Text || !slices.Equal(ids, r.IDs)) {
				t.Errorf("pieces %q of %v, result %+v", text.String(), ids, r)
			}
			return r, err
		}
		text.WriteString(p.Text)
		if p.ID >= 0 {
			ids = append(ids, p.ID)
		}
	}
}

// What an engine writes is what a generator does, whatever else it writes meanwhile.
func TestEngineIsAsAlone(t *testing.T) {
	tok := alphabet()
	for name, mixer := range map[string]layers.MixerConfig{"s4d": nil, "attention": layers.AttentionConfig{DModel: 8, Heads: 2, Causal: true}} {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, tensor.Float32, tok.Vocab(), mixer)
			g := newGenerator(t, m, tok)
			e := newEngine(t, m, tok, generate.EngineConfig{MaxRows: 5})
			qs := requests(40)
			streams := make([]*generate.Stream, len(qs))
			for i, q := range qs {
				streams[i] = submit(t, context.Background(), e, q)
			}
			for i, s := range streams {
				got, err := readAll(t, s)
				if want := write(t, g, qs[i]); err != io.EOF || !sameResult(t, got, want) {
					t.Errorf("text %d: got %+v, %v, want %+v", i, got, err, want)
				}
				// It goes on as that of a generator does.
				if x := got.State; x != nil {
					if err := e.CheckState(x); err != nil {
						t.Error(err)
					}
					q := generate.Request{State: x, Options: generate.Options{MaxTokens: 5}}
					next, err := readAll(t, submit(t, context.Background(), e, q))
					if want := write(t, g, q); err != io.EOF || !sameResult(t, next, want) {
						t.Errorf("text %d goes on: got %+v, %v, want %+v", i, next, err, want)
					}
				}
			}
		})
	}
}

// Under requests that come and go at random no token is lost or doubled, and all end.
func TestEngineUnderStress(t *testing.T) {
	tok := alphabet()
	m := newModel(t, tensor.Float32, tok.Vocab(), nil)
	g := newGenerator(t, m, tok)
	qs := requests(20)
	want := make([]*generate.Result, len(qs))
	for i, q := range qs {
		want[i] = write(t, g, q)
	}
	e := newEngine(t, m, tok, generate.EngineConfig{MaxRows: 6, MaxQueue: 8})
	var all sync.WaitGroup
	for c := range 12 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 1))
			for range 25 {
				ctx, cancel := context.WithCancel(context.Background())
				i := rng.IntN(len(qs))
				s, err := e.Submit(ctx, qs[i])
				if errors.Is(err, generate.ErrBusy) {
					cancel()
					time.Sleep(time.Millisecond)
					continue
				}
				if err != nil {
					t.Error(err)
					cancel()
					continue
				}
				switch rng.IntN(4) {
				case 0:
					time.AfterFunc(time.Duration(rng.IntN(3000))*time.Microsecond, cancel)
				case 1:
					go s.Close()
				}
				got, err := readAll(t, s)
				cancel()
				whole := sameResult(t, got, want[i])
				if err != io.EOF || !whole && (got.FinishReason != generate.Cancelled || !strings.HasPrefix(want[i].Text, got.Text) || !slices.Equal(got.IDs, want[i].IDs[:len(got.IDs)])) {
					t.Errorf("text %d: got %+v, %v, want %+v", i, got, err, want[i])
				}
			}
		})
	}
	all.Wait()
	s := e.Stats()
	if ended := s.Stopped + s.Length + s.Cancelled; s.Rows != 0 && s.Queued != 0 || s.Failed != 0 || ended != s.Requests || ended == 0 || s.Requests+s.Busy < 12*25 {
		t.Errorf("got %+v", s)
	}
}

// gated is a model that waits at one token, in the step that reads it.
func gated(vocab, at int) (m *scripted, open func()) {
	gate := make(chan struct{})
	return &scripted{vocab: vocab, script: func(read []int) []float64 {
		if read[len(read)-1] == at {
			<-gate
		}
		x := make([]float64, vocab)
		x[1] = 1
		return x
	}}, sync.OnceFunc(func() { close(gate) })
}

// Those who write do not wait for a prompt that takes long, and a full queue takes no
// more.
func TestLongPromptAndFullQueue(t *testing.T) {
	m, open := gated(4, 3)
	e := newEngine(t, m, nil, generate.EngineConfig{MaxRows: 2, MaxQueue: 1})
	o := generate.Options{MaxTokens: 20}
	ctx := context.Background()
	first := submit(t, ctx, e, generate.Request{Prompt: []int{0}, Options: o})
	if _, err := first.Next(); err != nil {
		t.Fatal(err)
	}
	long := submit(t, ctx, e, generate.Request{Prompt: []int{0, 3, 0}, Options: o})
	if r, err := readAll2(first); err != io.EOF || len(r.IDs) != 20 {
		t.Errorf("got %+v, %v", r, err)
	}
	second := submit(t, ctx, e, generate.Request{Prompt: []int{0}, Options: o}) // has a row, and waits for its prompt
	third := submit(t, ctx, e, generate.Request{Prompt: []int{0}, Options: o})  // in the queue
	if s := e.Stats(); s.Queued != 1 || s.Ingesting != 2 {
		t.Errorf("got %+v", s)
	}
	if _, err := e.Submit(ctx, generate.Request{Prompt: []int{0}, Options: o}); !errors.Is(err, generate.ErrBusy) {
		t.Errorf("got error %v, want ErrBusy", err)
	}
	// Who leaves the queue makes room in it.
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := readAll(t, third); err != io.EOF || r.FinishReason != generate.Cancelled || len(r.IDs) != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	third = submit(t, ctx, e, generate.Request{Prompt: []int{0}, Options: o})
	open()
	for _, s := range []*generate.Stream{long, second, third} {
		if r, err := readAll(t, s); err != io.EOF || len(r.IDs) != 20 {
			t.Errorf("got %+v, %v", r, err)
		}
	}
	if s := e.Stats(); s.Busy != 1 || s.Requests != 5 || s.Cancelled != 1 || s.Length != 4 || s.Tokens != 80 || s.PromptTokens != 6 || s.StepTime.Count != s.Steps || s.Steps < 19 {
		t.Errorf("got %+v", s)
	}
}

// readAll2 reads a stream of which pieces have been read before.
func readAll2(s *generate.Stream) (*generate.Result, error) {
	for {
		if _, err := s.Next(); err != nil {
			return s.Result(), err
		}
	}
}

// Nobody waits for who does not read; and that one gets all that there was room for.
func TestSlowReader(t *testing.T) {
	m, open := gated(4, 3)
	open()
	e := newEngine(t, m, nil, generate.EngineConfig{Buffer: 5})
	slow := submit(t, context.Background(), e, generate.Request{Prompt: []int{0}, Options: generate.Options{MaxTokens: 50}})
	<-slow.Done()
	n := 0
	for {
		_, err := slow.Next()
		if err != nil {
			if !errors.Is(err, generate.ErrSlow) || n != 5 {
				t.Errorf("got error %v after %d pieces", err, n)
			}
			break
		}
		n++
	}
	if r := slow.Result(); r.FinishReason != generate.Failed || len(r.IDs) != 6 {
		t.Errorf("got %+v", r)
	}
}

func TestDeadlines(t *testing.T) {
	m, open := gated(4, 3)
	e := newEngine(t, m, nil, generate.EngineConfig{MaxRows: 1, MaxTokens: 1 << 20, Buffer: 1 << 20})
	o := generate.Options{MaxTokens: 3}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	blocked := submit(t, context.Background(), e, generate.Request{Prompt: []int{3}, Options: o})
	waiting := submit(t, ctx, e, generate.Request{Prompt: []int{0}, Options: o})
	if r, err := readAll(t, waiting); err != io.EOF || r.FinishReason != generate.Cancelled || r.Usage.Completion != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := e.Submit(ctx, generate.Request{Prompt: []int{0}, Options: o}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v", err)
	}
	open()
	if r, err := readAll(t, blocked); err != io.EOF || r.FinishReason != generate.Length {
		t.Errorf("got %+v, %v", r, err)
	}
}

// Close lets texts end, those in the queue too, and takes no more.
func TestCloseDrains(t *testing.T) {
	m, open := gated(4, 3)
	open()
	e := newEngine(t, m, nil, generate.EngineConfig{MaxRows: 2})
	var streams []*generate.Stream
	for range 9 {
		streams = append(streams, submit(t, context.Background(), e, generate.Request{Prompt: []int{0}, Options: generate.Options{MaxTokens: 30}}))
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, s := range streams {
		if r, err := readAll(t, s); err != io.EOF || len(r.IDs) != 30 {
			t.Errorf("got %+v, %v", r, err)
		}
	}
	if _, err := e.Submit(context.Background(), generate.Request{Prompt: []int{0}}); !errors.Is(err, generate.ErrClosed) {
		t.Errorf("got error %v, want ErrClosed", err)
	}
}

// A Close that loses patience ends what there is, wherever it is.
func TestCloseLosesPatience(t *testing.T) {
	m, open := gated(4, 3)
	e := newEngine(t, m, nil, generate.EngineConfig{MaxRows: 2})
	var streams []*generate.Stream
	for _, id := range []int{0, 3, 0, 0} { // one that writes, one whose prompt takes long, two that wait
		streams = append(streams, submit(t, context.Background(), e, generate.Request{Prompt: []int{id}, Options: generate.Options{MaxTokens: 60}}))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	time.AfterFunc(20*time.Millisecond, open)
	if err := e.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "generate: Engine: closed before") {
		t.Errorf("got error %v", err)
	}
	for i, s := range streams {
		r, err := readAll(t, s)
		if whole := i == 0 && err == io.EOF; !whole && (!errors.Is(err, generate.ErrClosed) || r.FinishReason != generate.Cancelled) {
			t.Errorf("text %d: got %+v, %v", i, r, err)
		}
	}
}

// What goes wrong with one request is of no concern to others.
func TestOneRequestFails(t *testing.T) {
	m := &scripted{vocab: 6, script: func(read []int) []float64 {
		x := make([]float64, 6)
		switch last := read[len(read)-1]; {
		case read[0] == 2 && len(read) == 5:
			x[3] = math.NaN()
		case read[0] == 3 && len(read) == 5, last == 4:
			panic("as asked for")
		}
		x[1] = 1
		return x
	}}
	e := newEngine(t, m, letters{pieces: []string{"a", "b", "c", "d", "e", "f"}, eos: -1}, generate.EngineConfig{})
	var streams []*generate.Stream
	qs := []generate.Request{{Text: "a"}, {Text: "c"}, {Text: "d"}, {Text: "ea"}, {Text: "fa"}, {Text: "aaaa"}}
	for _, q := range qs {
		q.Options = generate.Options{MaxTokens: 20}
		streams = append(streams, submit(t, context.Background(), e, q))
	}
	for i, want := range []string{"EOF", "step 4, token 4 of the text: want scores that are finite or -Inf, got NaN for id 3", "as asked for", "the prompt: a panic at", "EOF", "EOF"} {
		r, err := readAll(t, streams[i])
		if err == nil || !strings.Contains(err.Error(), want) || (err == io.EOF) != (len(r.IDs) == 20) {
			t.Errorf("text %d: got %+v, error %v, want %q", i, r, err, want)
		}
	}
	if s := e.Stats(); s.Failed != 3 || s.Length != 3 {
		t.Errorf("got %+v", s)
	}
}

func TestBadSubmits(t *testing.T) {
	tok := alphabet()
	e := newEngine(t, newModel(t, tensor.Float32, tok.Vocab(), nil), tok, generate.EngineConfig{MaxPrompt: 3, MaxTokens: 10})
	for want, q := range map[string]generate.Request{
		"generate: Engine: want max_tokens at most 10, got 11":                 {Text: "a", Options: generate.Options{MaxTokens: 11}},
		"generate: Engine: want a prompt of at most 3 tokens, got 4":           {Text: "defg"},
		"generate: Engine: want a prompt of at least one token, got none":      {},
		"generate: Engine: want top_p in (0, 1], got 2":                        {Text: "a", Options: generate.Options{TopP: 2}},
		"generate: Engine: the prompt: token 0: want an id in [0, 36), got 99": {Prompt: []int{99}},
	} {
		if _, err := e.Submit(context.Background(), q); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	for want, cfg := range map[string]generate.EngineConfig{
		"want max_rows >= 0, got -1": {MaxRows: -1}, "want max_queue >= -1, got -2": {MaxQueue: -2}, "want max_prompt >= 0, got -1": {MaxPrompt: -1},
		"want max_tokens >= 0, got -1": {MaxTokens: -1}, "want buffer at most": {Buffer: math.MaxInt32 + 1},
	} {
		if _, err := generate.NewEngine(newModel(t, tensor.Float32, 4, nil), nil, cfg); err == nil || !strings.Contains(err.Error(), "generate: EngineConfig: "+want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if _, err := generate.NewEngine(nil, nil, generate.EngineConfig{}); err == nil {
		t.Error("no model was accepted")
	}
	if e.CheckState(layers.State{{Name: "generate.next"}}) == nil {
		t.Error("a state without numbers was accepted")
	}
	if err := e.CheckState(layers.State{{Name: "foreign", Value: tensor.New(tensor.WithShape(1, 2), tensor.Of(tensor.Float32))}}); err == nil {
		t.Error("a foreign state was accepted")
	}
}

// An engine takes on parameters that have been trained since, for texts under way too.
func TestEngineRefresh(t *testing.T) {
	tok := alphabet()
	m := newModel(t, tensor.Float32, tok.Vocab(), nil)
	e := newEngine(t, m, tok, generate.EngineConfig{})
	retrain(t, m)
	if err := e.Refresh(); err != nil {
		t.Fatal(err)
	}
	q := generate.Request{Text: "the", Options: generate.Options{MaxTokens: 30, Temperature: 1}}
	got, err := readAll(t, submit(t, context.Background(), e, q))
	if want := write(t, newGenerator(t, m, tok), q); err != io.EOF || got.Text != want.Text {
		t.Errorf("got %q, %v, want %q", got.Text, err, want.Text)
	}
}
