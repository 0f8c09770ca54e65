package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// smallModel is a language model of bytes with random parameters.
func smallModel(t *testing.T, mixer layers.MixerConfig) *models.LanguageModel {
	t.Helper()
	block := layers.BlockConfig{Mixer: mixer, PreNorm: true}
	if _, whole := mixer.(layers.TransformerConfig); whole {
		block = layers.BlockConfig{Mixer: mixer, Norm: layers.NoNorm, NoResidual: true}
	}
	m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, models.LanguageModelConfig{
		Vocab: 256, InitScale: 3, Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{block}},
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// modelServer serves a small model.
func modelServer(t *testing.T, mixer layers.MixerConfig, cfg Config, rows int) *running {
	t.Helper()
	e, err := generate.NewEngine(smallModel(t, mixer), tokenizer.Bytes(), generate.EngineConfig{MaxRows: rows})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after that of serve
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return serve(t, actual{e}, tokenizer.Bytes(), cfg)
}

var s4d = layers.S4DConfig{DModel: 16, DState: 8}

func TestModelWritesWhatItWritesAlone(t *testing.T) {
	t.Parallel()
	g, err := generate.New(smallModel(t, s4d), tokenizer.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	const clients, tokens = 12, 40
	var want [clients]string
	prompt := func(i int) string { return strings.Repeat("Once upon a time. ", i%4+1) + fmt.Sprint(i) }
	for i := range want {
		r, err := g.Text(context.Background(), prompt(i), generate.Options{MaxTokens: tokens, Temperature: 0.9, TopP: 0.95, Seed: uint64(i)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want[i] = r.Text
	}
	s := modelServer(t, s4d, Config{}, 5)
	c := s.publicClient()
	var all sync.WaitGroup
	for i := range want {
		all.Go(func() {
			p := params(prompt(i), tokens)
			p.Temperature, p.TopP, p.Seed = openai.Float(0.9), openai.Float(0.95), openai.Int(int64(i))
			if i%2 == 0 {
				got, err := c.Completions.New(context.Background(), p)
				if err != nil {
					t.Errorf("client %d: %v", i, err)
				} else if ch := got.Choices[0]; ch.Text != want[i] || ch.FinishReason != "length" || got.Usage.CompletionTokens != tokens {
					t.Errorf("client %d: got %q, want %q", i, ch.Text, want[i])
				}
				return
			}
			st := c.Completions.NewStreaming(context.Background(), p)
			defer st.Close()
			var text strings.Builder
			for st.Next() {
				for _, ch := range st.Current().Choices {
					text.WriteString(ch.Text)
				}
			}
			if st.Err() != nil || text.String() != want[i] {
				t.Errorf("client %d: got %q, %v, want %q", i, text.String(), st.Err(), want[i])
			}
		})
	}
	all.Wait()
	if n := valueOf(t, s.scrape(t)["s4_engine_tokens_total"], ""); n != clients*tokens {
		t.Errorf("the engine has written %g tokens, want %d", n, clients*tokens)
	}
}

// write asks for tokens of a session and returns the choice.
func (r *running) write(t *testing.T, prompt, from string, tokens int) choice {
	t.Helper()
	body, _ := json.Marshal(map[string]any{"prompt": prompt, "max_tokens": tokens, "temperature": 0.8, "seed": 5, "session": map[string]any{"from": from, "keep": true}})
	status, _, text := r.post(t, "/v1/completions", string(body))
	return firstChoice(t, status, text)
}

func TestModelGoesOnFromASession(t *testing.T) {
	t.Parallel()
	s := modelServer(t, s4d, Config{}, 5)
	whole := s.write(t, "The light on the shore ", "", 60).Text
	first := s.write(t, "The light on the shore ", "", 25)
	second := s.write(t, "", first.Session, 35)
	if got := first.Text + second.Text; got != whole {
		t.Errorf("in two parts: got %q, want %q", got, whole)
	}

	// The same by way of another server, which has the state in bytes alone.
	_, _, state := s.do(t, http.MethodGet, "/v1/sessions/"+first.Session+"/state", "")
	other := modelServer(t, s4d, Config{}, 5)
	status, _, body := other.do(t, http.MethodPost, "/v1/sessions", state, "Content-Type", octets)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != 201 {
		t.Fatalf("got %d %s", status, body)
	}
	if got := first.Text + other.write(t, "", made.ID, 35).Text; got != whole {
		t.Errorf("on another server: got %q, want %q", got, whole)
	}

	// That of another model does no harm.
	larger := modelServer(t, layers.S4DConfig{DModel: 16, DState: 16}, Config{}, 5)
	if status, _, body = larger.do(t, http.MethodPost, "/v1/sessions", state, "Content-Type", octets); status != 400 || codeOf(t, body) != "invalid_state" {
		t.Errorf("on a server of another model: got %d %s", status, body)
	}
}

func TestStateOfATextDoesNotGrow(t *testing.T) {
	t.Parallel()
	size := func(s *running, tokens int) int64 {
		return s.sessions.get(s.write(t, "a", "", tokens).Session).bytes
	}
	s := modelServer(t, s4d, Config{}, 5)
	// Behind 256 tokens the latest ones, which penalties look at, are all there.
	short, long := size(s, 300), size(s, 1200)
	if short != long || short > 16<<10 {
		t.Errorf("S4D: %d bytes behind 300 tokens, %d behind 1200, want as many, and a few kilobytes", short, long)
	}
	s = modelServer(t, layers.TransformerConfig{DModel: 16, Heads: 2, Causal: true}, Config{MaxState: 100_000}, 5)
	if short, long := size(s, 10), size(s, 110); long < short+100*2*2*16*4 {
		t.Errorf("Transformer: %d bytes behind 10 tokens, %d behind 110, want keys and values of 100 more", short, long)
	}
	if c := s.write(t, "a", "", 1000); c.Session != "" || !strings.Contains(c.SessionError, "want a state of at most 100000 bytes") {
		t.Errorf("Transformer: got the session %q, %q, want none for want of room", c.Session, c.SessionError)
	}
}

func TestBusyModelIsTriedAgain(t *testing.T) {
	t.Parallel()
	e, err := generate.NewEngine(smallModel(t, s4d), tokenizer.Bytes(), generate.EngineConfig{MaxRows: 2, MaxQueue: -1})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, actual{e}, tokenizer.Bytes(), Config{})
	t.Cleanup(func() { // before that of serve: the server finds its engine closed
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if status, _, body := s.post(t, "/v1/completions", `{"prompt":"a"}`); status != 503 || codeOf(t, body) != "going_down" {
			t.Errorf("over an engine that is closed: got %d %s", status, body)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // the client leaves the answers unread that it tries again after
	c := s.publicClient(option.WithMaxRetries(10))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			if _, err := c.Completions.New(ctx, params("a", 200)); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]Config{
		"want MaxBody >= 0, got -1":      {MaxBody: -1},
		"want Grace >= 0, got -5s":       {Grace: -5 * time.Second},
		"want Origins as https":          {Origins: []string{"https://a.example/path"}},
		`want Hosts as example.org, got`: {Hosts: []string{"http://a"}},
	} {
		if _, err := New(&generate.Engine{}, letters{}, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := New(nil, letters{}, Config{}); err == nil {
		t.Error("took no engine")
	}
	if _, err := New(&generate.Engine{}, nil, Config{}); err == nil {
		t.Error("took no tokenizer")
	}
}
