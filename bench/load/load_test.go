package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// server answers each request with its seed in pieces, and calls end in the place of the
// end of an answer.
func server(t *testing.T, end func(w http.ResponseWriter, r request)) options {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var r request
		if err := json.NewDecoder(req.Body).Decode(&r); err != nil || req.URL.Path != "/v1/completions" || !r.Stream {
			t.Errorf("got %s %s, %+v, %v", req.Method, req.URL, r, err)
		}
		for piece := range 3 {
			fmt.Fprintf(w, "data: {\"choices\":[{\"text\":\"%d.%d \",\"finish_reason\":null}]}\n\n", r.Seed, piece)
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
		end(w, r)
	}))
	t.Cleanup(s.Close)
	return options{url: s.URL, clients: []int{1, 4}, requests: 8, tokens: 3, prompt: 300, timeout: time.Minute}
}

// finish is a good end.
func finish(w http.ResponseWriter, text string) {
	fmt.Fprintf(w, "data: {\"choices\":[{\"text\":%q,\"finish_reason\":\"length\"}]}\n\n", text)
	fmt.Fprint(w, "data: {\"choices\":[],\"usage\":{\"completion_tokens\":4}}\n\ndata: [DONE]\n\n")
}

func TestLoad(t *testing.T) {
	o := server(t, func(w http.ResponseWriter, _ request) { finish(w, "end") })
	o.out = filepath.Join(t.TempDir(), "results")
	if err := run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"load.md", "load.csv", "load.png"} {
		if info, err := os.Stat(filepath.Join(o.out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: got %v, %v", name, info, err)
		}
	}
	table, _ := os.ReadFile(filepath.Join(o.out, "load.md"))
	if !strings.Contains(string(table), "| 0 | 0 | 0 |") {
		t.Errorf("want no error, none lost and none other, got\n%s", table)
	}
	csv, _ := os.ReadFile(filepath.Join(o.out, "load.csv"))
	if n := strings.Count(string(csv), "\n"); n != 1+2*8 {
		t.Errorf("want a line for each request of each round, got %d:\n%s", n, csv)
	}
}

func TestAnswer(t *testing.T) {
	o := server(t, func(w http.ResponseWriter, _ request) { finish(w, "end") })
	c := newClient(o)
	a := c.ask(context.Background(), c.request(6))
	if a.err != nil || a.text != "7.0 7.1 7.2 end" || a.finish != "length" || a.tokens != 4 {
		t.Errorf("got %+v", a)
	}
	if a.first <= 0 || a.last < a.first+2*time.Millisecond || a.whole < a.last {
		t.Errorf("want times in order, got %+v", a)
	}
	if n := next(&a); len(n) != 1 || n[0] != (a.last-a.first)/3 {
		t.Errorf("want the time of each of the 3 tokens behind the first, got %v of %+v", n, a)
	}
	if r := c.request(6); len(r.Prompt) != 300 || r.Prompt == c.request(5).Prompt {
		t.Errorf("want prompts of 300 bytes that differ, got %q", r.Prompt)
	}
}

// What is no good is found, counted and reported.
func TestBadAnswers(t *testing.T) {
	var asked atomic.Int64
	for _, c := range []struct {
		name, want          string
		end                 func(w http.ResponseWriter, r request)
		failed, lost, other int
	}{
		{"lost", "breaks off before its end", func(w http.ResponseWriter, r request) {
			if r.Seed != 3 {
				finish(w, "end")
			}
		}, 0, 1, 0},
		{"error", "out of luck", func(w http.ResponseWriter, r request) {
			if r.Seed == 3 {
				fmt.Fprint(w, "data: {\"error\":{\"message\":\"out of luck\"}}\n\n")
				return
			}
			finish(w, "end")
		}, 1, 0, 0},
		{"no reason", "no finish_reason", func(w http.ResponseWriter, r request) {
			if r.Seed == 3 {
				fmt.Fprint(w, "data: [DONE]\n\n")
				return
			}
			finish(w, "end")
		}, 1, 0, 0},
		{"other", "not those of a client alone", func(w http.ResponseWriter, r request) {
			if asked.Add(1) > 8 && r.Seed == 3 {
				finish(w, "another end")
				return
			}
			finish(w, "end")
		}, 0, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := server(t, c.end)
			if err := run(context.Background(), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want error %q, got %v", c.want, err)
			}
			client := newClient(o)
			asked.Store(0)
			alone := client.round(context.Background(), 1, o.requests)
			r := client.round(context.Background(), 4, o.requests)
			r.compare(alone.answers)
			if r.failed() != c.failed || r.lost() != c.lost || r.other() != c.other {
				t.Errorf("got %d errors, %d lost, %d other, want %d, %d, %d", r.failed(), r.lost(), r.other(), c.failed, c.lost, c.other)
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"error":{"message":"try later"}}`)
	}))
	defer s.Close()
	o := options{url: s.URL, clients: []int{1, 2}, requests: 2, tokens: 1, prompt: 1, timeout: time.Minute}
	if err := run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "429 Too Many Requests: try later") {
		t.Errorf("got %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	o := server(t, func(w http.ResponseWriter, _ request) { finish(w, "end") })
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := run(ctx, o); err != context.Canceled {
		t.Errorf("want %v, got %v", context.Canceled, err)
	}
}

func TestPercentile(t *testing.T) {
	var d []time.Duration
	for i := range 200 {
		d = append(d, time.Duration(i+1))
	}
	for _, c := range []struct {
		d       []time.Duration
		percent int
		want    time.Duration
	}{{d, 50, 100}, {d, 99, 198}, {d[:1], 50, 1}, {d[:1], 99, 1}, {nil, 50, 0}} {
		if got := percentile(c.d, c.percent); got != c.want {
			t.Errorf("%d of %d: want %d, got %d", c.percent, len(c.d), c.want, got)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-url nowhere", "-url: want http://HOST:PORT"},
		{"-clients 4,1", "-clients: want 1 first"},
		{"-clients 1,x", "-clients: want numbers from 1 on"},
		{"-requests 3", "-requests: want at least one for each of 64 clients"},
		{"-tokens 0", "-tokens: want at least 1"},
		{"-prompt 0", "-prompt: want at least 1"},
		{"-timeout 0s", "-timeout: want a positive duration"},
		{"more", "want no arguments"},
	} {
		if _, err := parse(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want error %q, got %v", c.args, c.want, err)
		}
	}
}
