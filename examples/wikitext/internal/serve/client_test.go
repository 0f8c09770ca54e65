package serve

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"
)

// publicClient is a client of the protocol that others have made.
func (r *running) publicClient(opts ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{option.WithBaseURL(r.url + "/v1/"), option.WithAPIKey("k"), option.WithHTTPClient(http.DefaultClient), option.WithMaxRetries(0)}, opts...)...)
}

// params asks for n tokens behind a prompt.
func params(prompt string, n int64) openai.CompletionNewParams {
	return openai.CompletionNewParams{
		Model: "s4", MaxTokens: openai.Int(n),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String(prompt)},
	}
}

func TestPublicClientCompletes(t *testing.T) {
	t.Parallel()
	s, a := alphabetServer(t, Config{Key: "k"})
	p := params("xyz", 5)
	p.Logprobs, p.N, p.Seed, p.Echo = openai.Int(2), openai.Int(2), openai.Int(7), openai.Bool(false)
	p.Temperature, p.TopP = openai.Float(0.5), openai.Float(0.25)
	p.FrequencyPenalty, p.PresencePenalty = openai.Float(1), openai.Float(-1)
	p.LogitBias = map[string]int64{"97": -100}
	p.Stop = openai.CompletionNewParamsStopUnion{OfStringArray: []string{"q", "\n"}}
	p.User = openai.String("somebody")
	c := s.publicClient()
	got, err := c.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got.Object != "text_completion" || got.Model != "s4" || !strings.HasPrefix(got.ID, "cmpl-") || got.Created == 0 || len(got.Choices) != 2 {
		t.Errorf("got %s", got.RawJSON())
	}
	for i, ch := range got.Choices {
		l := ch.Logprobs
		if ch.Text != "abcde" || ch.Index != int64(i) || ch.FinishReason != "length" {
			t.Errorf("choice %d: got %s", i, ch.RawJSON())
		}
		if strings.Join(l.Tokens, "") != "abcde" || len(l.TokenLogprobs) != 5 || l.TextOffset[4] != 4 || len(l.TopLogprobs) != 5 ||
			len(l.TopLogprobs[0]) != 3 || l.TopLogprobs[1]["B"] != -1 || l.TopLogprobs[1]["b"] != l.TokenLogprobs[1] {
			t.Errorf("choice %d: got logprobs %s", i, l.RawJSON())
		}
	}
	if u := got.Usage; u.PromptTokens != 3 || u.CompletionTokens != 10 || u.TotalTokens != 13 {
		t.Errorf("got usage %s", u.RawJSON())
	}
	for i, r := range a.requests() {
		o := r.Options
		if o.MaxTokens != 5 || o.Seed != 7+uint64(i) || o.Temperature != 0.5 || o.TopP != 0.25 || o.FrequencyPenalty != 1 || o.PresencePenalty != -1 ||
			o.LogitBias[97] != -100 || len(o.Stop) != 2 || o.Stop[1] != "\n" || o.LogProbs != 2 || o.RepetitionPenalty != 1 || r.KeepState || r.State != nil {
			t.Errorf("row %d: the engine was asked for %+v", i, r)
		}
	}
}

func TestPublicClientStreams(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{})
	p := params("xyz", 100)
	p.N = openai.Int(3)
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	c := s.publicClient()
	st := c.Completions.NewStreaming(context.Background(), p)
	defer st.Close()
	var texts [3]strings.Builder
	var reasons [3]string
	var usage int64
	for st.Next() {
		now := st.Current()
		usage += now.Usage.TotalTokens
		for _, ch := range now.Choices {
			if reasons[ch.Index] != "" {
				t.Errorf("choice %d goes on behind its end", ch.Index)
			}
			texts[ch.Index].WriteString(ch.Text)
			reasons[ch.Index] = string(ch.FinishReason)
		}
	}
	if err := st.Err(); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("abcdefghijklmnopqrstuvwxyz", 4)[:100]
	for i := range texts {
		if texts[i].String() != want || reasons[i] != "length" {
			t.Errorf("choice %d: got %q, %q", i, &texts[i], reasons[i])
		}
	}
	if usage != 303 {
		t.Errorf("got a usage of %d tokens, want 303", usage)
	}
}

func TestPublicClientSendsEveryPrompt(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{})
	c := s.publicClient()
	type union = openai.CompletionNewParamsPromptUnion
	for _, test := range []struct {
		prompt union
		want   string
	}{
		{union{OfString: openai.String("a")}, "abc"},
		{union{OfArrayOfStrings: []string{"a", "b"}}, "abc bcd"},
		{union{OfArrayOfTokens: []int64{'a', 'm'}}, "amno"},
		{union{OfArrayOfTokenArrays: [][]int64{{'x'}, {'y', 'z'}}}, "xyz yzab"},
	} {
		p := params("", 2)
		p.Prompt, p.Echo = test.prompt, openai.Bool(true)
		got, err := c.Completions.New(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, ch := range got.Choices {
			all = append(all, ch.Text)
		}
		if text := strings.Join(all, " "); text != test.want {
			t.Errorf("%+v: got %q, want %q", test.prompt, text, test.want)
		}
	}
}

func TestPublicClientSeesErrorsAndModels(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{Key: "k"})
	ctx := context.Background()
	c := s.publicClient()
	bad := params("a", 5)
	bad.TopP = openai.Float(1.5)
	_, err := c.Completions.New(ctx, bad)
	var e *openai.Error
	if !errors.As(err, &e) || e.StatusCode != 400 || e.Type != "invalid_request_error" || e.Param != "top_p" || !strings.Contains(e.Message, "want a number in (0, 1], got 1.5") {
		t.Errorf("top_p 1.5: got %v", err)
	}
	other := params("a", 5)
	other.Model = "other"
	if _, err = c.Completions.New(ctx, other); !errors.As(err, &e) || e.StatusCode != 404 || e.Code != "model_not_found" || e.Param != "model" {
		t.Errorf("another model: got %v", err)
	}
	st := c.Completions.NewStreaming(ctx, bad)
	defer st.Close()
	if st.Next() || !errors.As(st.Err(), &e) || e.StatusCode != 400 {
		t.Errorf("top_p 1.5, streamed: got %v", st.Err())
	}
	stranger := s.publicClient(option.WithAPIKey("wrong"))
	if _, err = stranger.Completions.New(ctx, params("a", 5)); !errors.As(err, &e) || e.StatusCode != 401 || e.Code != "invalid_api_key" {
		t.Errorf("a wrong key: got %v", err)
	}
	list, err := c.Models.List(ctx)
	if err != nil || len(list.Data) != 1 || list.Data[0].ID != "s4" {
		t.Errorf("models: got %+v, %v", list, err)
	}
	m, err := c.Models.Get(ctx, "s4")
	if err != nil || m.ID != "s4" || m.Object != "model" || m.Created == 0 {
		t.Errorf("model: got %+v, %v", m, err)
	}
	if _, err = c.Models.Get(ctx, "other"); !errors.As(err, &e) || e.StatusCode != 404 {
		t.Errorf("another model: got %v", err)
	}
}
