package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// request is what is asked of the server.
type request struct {
	Prompt      string         `json:"prompt"`
	MaxTokens   int            `json:"max_tokens"`
	Temperature float64        `json:"temperature"`
	Seed        int            `json:"seed"`
	Stream      bool           `json:"stream"`
	Options     map[string]any `json:"stream_options"`
}

// event is a piece of an answer, or the error in its place.
type event struct {
	Choices []struct {
		Text   string  `json:"text"`
		Finish *string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Completion int `json:"completion_tokens"`
	} `json:"usage"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// answer is what came of a request.
type answer struct {
	text   string
	finish string
	tokens int
	err    error
	lost   bool // broke off before its end
	other  bool // is not what a client alone had

	first time.Duration // to the first piece
	last  time.Duration // to the last piece
	whole time.Duration // to the end
}

// errLost is what an answer that breaks off ends with.
var errLost = errors.New("the answer breaks off before its end")

// client sends requests.
type client struct {
	o    options
	http *http.Client
}

func newClient(o options) *client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxIdleConns = o.requests, 0
	return &client{o, &http.Client{Transport: t, Timeout: o.timeout}}
}

// text is what prompts are cut out of.
const text = `It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.
However little known the feelings or views of such a man may be on his first entering a neighbourhood, this truth is so well
fixed in the minds of the surrounding families, that he is considered as the rightful property of some one or other of their
daughters. `

// request returns request i: no two have the same seed.
func (c *client) request(i int) request {
	long := strings.Repeat(text, c.o.prompt/len(text)+2)
	from := 7 * i % len(text)
	return request{
		Prompt: long[from:][:c.o.prompt], MaxTokens: c.o.tokens, Temperature: 1, Seed: i + 1, Stream: true,
		Options: map[string]any{"include_usage": true},
	}
}

// round sends all requests, from as many clients at once.
func (c *client) round(ctx context.Context, clients, requests int) round {
	r := round{clients: clients, answers: make([]answer, requests)}
	var next atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range clients {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < requests && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				r.answers[i] = c.ask(ctx, c.request(i))
			}
		})
	}
	all.Wait()
	r.time = time.Since(begin)
	return r
}

// ask sends a request and reads its answer.
func (c *client) ask(ctx context.Context, r request) (a answer) {
	begin := time.Now()
	defer func() { a.whole = time.Since(begin) }()
	body, err := json.Marshal(r)
	if err != nil {
		return answer{err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.o.url, "/")+"/v1/completions", bytes.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	if c.o.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answer{err: refusal(resp)}
	}
	a.read(resp.Body, begin)
	return a
}

// refusal is the error of an answer that is none.
func refusal(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	var e event
	if json.Unmarshal(body, &e) == nil && e.Error != nil {
		return fmt.Errorf("%s: %s", resp.Status, e.Error.Message)
	}
	return errors.New(resp.Status)
}

// read reads the events of an answer.
func (a *answer) read(body io.Reader, begin time.Time) {
	var written strings.Builder
	defer func() { a.text = written.String() }()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			if a.finish == "" {
				a.err = errors.New("the answer has no finish_reason")
			}
			return
		}
		var e event
		if a.err = json.Unmarshal([]byte(data), &e); a.err == nil && e.Error != nil {
			a.err = errors.New(e.Error.Message)
		}
		if a.err != nil {
			return
		}
		for _, c := range e.Choices {
			if c.Text != "" {
				if a.last = time.Since(begin); a.first == 0 {
					a.first = a.last
				}
				written.WriteString(c.Text)
			}
			if c.Finish != nil {
				a.finish = *c.Finish
			}
		}
		if e.Usage != nil {
			a.tokens = e.Usage.Completion
		}
	}
	a.lost, a.err = true, errLost
	if err := lines.Err(); err != nil {
		a.err = fmt.Errorf("%w: %w", errLost, err)
	}
}
