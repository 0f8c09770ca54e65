package serve

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/internal/testutil/chromium"
)

func TestPageIsOneDocument(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{Key: "key"})
	status, h, body := s.do(t, http.MethodGet, "/", "")
	if status != 200 || h.Get("Content-Type") != "text/html; charset=utf-8" || !strings.HasPrefix(body, "<!DOCTYPE html>") {
		t.Errorf("got %d %v", status, h)
	}
	policy := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("got the policy %q, want %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(body, "http://") || strings.Contains(body, "https://") || strings.Contains(body, "src=") {
		t.Errorf("the page asks for more than itself")
	}
	if status, h, body := s.do(t, http.MethodHead, "/", ""); status != 200 || body != "" || h.Get("Content-Length") == "" {
		t.Errorf("HEAD: got %d %v %q", status, h, body)
	}
}

func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	b := chromium.Open(t)
	story := []string{"The ", "sea ", "<b>was</b> ", "& ", "is ", "calm. "}
	var block atomic.Bool
	a := &actor{t: t, rows: 10, script: func(ctx context.Context, r generate.Request, emit func(string) bool) error {
		if block.Load() {
			emit("waiting ")
			<-ctx.Done()
			return nil
		}
		for i := range r.Options.MaxTokens {
			emit(story[i%len(story)])
		}
		return nil
	}}
	s := run(t, a, Config{Model: "s4-small", Parameters: 1234567, MaxTokens: 1000})
	b.Call("Page.navigate", map[string]any{"url": s.url}, nil)
	b.Until(`document.readyState === 'complete' && $('model').textContent === 's4-small'`)
	if got := b.Eval(`$('size').textContent`); got != "256 tokens, 1,234,567 parameters" {
		t.Errorf("got the size %q", got)
	}
	if got := b.Eval(`$('max_tokens').max`); got != "1000" {
		t.Errorf("got at most %s tokens, want those of the server", got)
	}

	// Everything that can be used has a name, and nothing is wider than a phone.
	if got := b.Eval(`[...document.querySelectorAll('input, textarea, button')].filter(e => !(e.labels && e.labels.length) && !e.textContent.trim()).map(e => e.id).join()`); got != "" {
		t.Errorf("without a label: %s", got)
	}
	b.Call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": true}, nil)
	if got := b.Eval(`document.documentElement.scrollWidth <= 360`); got != "true" {
		t.Error("the page is wider than a phone")
	}
	b.Screenshot("page-phone.png")
	b.Call("Emulation.clearDeviceMetricsOverride", nil, nil)

	// Write.
	b.Eval(`$('prompt').value = 'Once there was a light on the shore.\n'; $('max_tokens').value = 24; $('seed').value = 7; $('top_k').value = 40; $('stops').value = '\\n\\n'; $('write').click()`)
	b.Until(`document.body.dataset.done === '1'`)
	want := strings.Repeat(strings.Join(story, ""), 4)
	if got := b.Eval(`$('text').textContent`); got != "Once there was a light on the shore.\n"+want {
		t.Errorf("got the text %q", got)
	}
	if got := b.Eval(`[$('tokens').textContent, $('speed').textContent > 0, $('first').textContent.endsWith(' ms'), $('memory').textContent, $('status').textContent].join('; ')`); got != "24 + 37 of the prompt; true; true; 8 bytes; As many tokens as were asked for." {
		t.Errorf("got the figures %s", got)
	}
	r := a.requests()[0]
	if o := r.Options; o.MaxTokens != 24 || o.Seed != 7 || o.TopK != 40 || o.Temperature != 0.8 || o.TopP != 0.95 || o.RepetitionPenalty != 1.1 || !o.IgnoreEOS || len(o.Stop) != 1 || o.Stop[0] != "\n\n" || !r.KeepState {
		t.Errorf("the engine was asked for %+v", r)
	}
	b.Screenshot("page.png")

	// Go on, in the dark.
	light := b.Eval(`getComputedStyle(document.body).backgroundColor`)
	b.Call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	if dark := b.Eval(`getComputedStyle(document.body).backgroundColor`); dark == light {
		t.Errorf("the page is as light in the dark: %s", dark)
	}
	b.Eval(`$('on').click()`)
	b.Until(`document.body.dataset.done === '2'`)
	if got := b.Eval(`$('written').textContent`); got != want+want {
		t.Errorf("going on: got %q", got)
	}
	if r := a.requests()[1]; r.State == nil || len(r.Prompt) != 0 {
		t.Errorf("going on: the engine was asked for %+v", r)
	}
	b.Screenshot("page-dark.png")

	// Stop, by the button and by a key.
	block.Store(true)
	for i, stop := range []string{`$('stop').click()`, `document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))`} {
		b.Eval(`$('write').click()`)
		b.Until(`$('written').textContent === 'waiting ' && $('write').disabled && !$('stop').disabled`)
		b.Eval(stop)
		b.Until(`document.body.dataset.done === '` + string(rune('3'+i)) + `' && $('status').textContent === 'Stopped.' && !$('write').disabled`)
		eventually(t, "giving the row back", func() bool { return a.now.Load() == 0 })
	}

	// What is wrong is said.
	b.Eval(`$('top_p').value = 5; $('write').click()`)
	if got := b.Eval(`$('status').className + $('status').textContent`); !strings.HasPrefix(got, "wrongTop p: ") {
		t.Errorf("top_p 5: got %q", got)
	}
	b.Eval(`$('top_p').value = 0.5; $('prompt').value = '#'; $('write').click()`)
	b.Until(`$('status').textContent === 'prompt: unknown token at byte 0'`)

	for _, e := range append(b.Heard("Runtime.exceptionThrown"), b.Heard("Log.entryAdded")...) {
		if !strings.Contains(e, "status of 400") {
			t.Errorf("the browser complains: %s", e)
		}
	}
	for _, e := range b.Heard("Network.requestWillBeSent") {
		var m struct{ Request struct{ URL string } }
		if err := json.Unmarshal([]byte(e), &m); err != nil || !strings.HasPrefix(m.Request.URL, s.url) && !strings.HasPrefix(m.Request.URL, "data:") {
			t.Errorf("the page asked for %q, %v", m.Request.URL, err)
		}
	}
}
