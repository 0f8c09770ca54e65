package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil/chromium"
)

// The page reads digits of the test set, and strokes of a pen, in a browser; the recurrence
// there says what the convolution says.
func TestPageInABrowser(t *testing.T) {
	b := chromium.Open(t)
	dir, err := site()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(siteHandler(dir))
	defer s.Close()

	// A digit that the address names, while the page is small and light.
	device(b, 360)
	b.Call("Page.navigate", map[string]any{"url": s.URL + "/?digit=7"}, nil)
	b.Until(`document.readyState === 'complete' && (document.body.dataset.read === '1' || $('status').className === 'wrong')`)
	wantText(t, b, "status", "Read: 7.")
	wantText(t, b, "class", "7")
	wantSame(t, b)
	wantFits(t, b, 360)
	b.Screenshot("phone-light.png")

	// All digits, by their buttons.
	var took, convolved []string
	for digit := range 10 {
		b.Eval(`document.body.dataset.read = 0; $('digits').children[` + strconv.Itoa(digit) + `].click()`)
		b.Until(`document.body.dataset.read === '1'`)
		wantText(t, b, "class", strconv.Itoa(digit))
		wantSame(t, b)
		took = append(took, b.Eval(`document.body.dataset.milliseconds`))
		convolved = append(convolved, b.Eval(`document.body.dataset.convolution`))
	}
	t.Logf("milliseconds of 784 steps: %v, of the convolution: %v", took, convolved)

	// A pen, whose stroke is read before it ends, but not yet as a convolution.
	device(b, 1200)
	b.Eval(`document.body.dataset.read = 0; $('clear').click()`)
	wantText(t, b, "answer", "Nothing yet.")
	lift := pen(b, [][2]float64{{0.28, 0.2}, {0.5, 0.2}, {0.7, 0.2}, {0.6, 0.4}, {0.5, 0.65}, {0.45, 0.85}})
	b.Until(`$('class') !== null`)
	if got := b.Eval(`document.body.dataset.read`); got != "0" {
		t.Errorf("while a stroke is under way the page was read as a whole %s times", got)
	}
	lift()
	b.Until(`document.body.dataset.read === '1'`)
	wantText(t, b, "class", "7")
	wantSame(t, b)
	wantFits(t, b, 1200)
	b.Screenshot("desk-light.png")

	// Half way, by the slider: another belief, and the states of then.
	end := b.Eval(`$('state0').toDataURL() + $('bars').innerText`)
	b.Eval(`$('at').value = 300; $('at').dispatchEvent(new Event('input'))`)
	wantText(t, b, "position", "300")
	if b.Eval(`$('state0').toDataURL() + $('bars').innerText`) == end {
		t.Error("half way, the state and the beliefs are those of the end")
	}
	b.Eval(`$('at').value = 780; $('play').click()`)
	b.Until(`$('position').textContent === '784' && $('play').textContent === 'Play'`)

	// Kernels are drawn, and everything that can be used has a name.
	if got := b.Eval(`document.querySelectorAll('#blocks svg').length + ' ' + document.querySelectorAll('#blocks .kernel').length`); got != "2 16" {
		t.Errorf("got %s drawings and curves of kernels, want 2 16", got)
	}
	if got := b.Eval(`[...document.querySelectorAll('input, button, canvas, svg')].filter(e => !e.getAttribute('aria-label') && !e.textContent.trim()).map(e => e.id).join()`); got != "" {
		t.Errorf("without a label: %s", got)
	}

	// In the dark.
	light := b.Eval(`getComputedStyle(document.body).backgroundColor`)
	b.Call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	if dark := b.Eval(`getComputedStyle(document.body).backgroundColor`); dark == light {
		t.Errorf("the page is as light in the dark: %s", dark)
	}
	b.Screenshot("desk-dark.png")
	device(b, 360)
	b.Eval(`$('digits').children[3].click(); $('at').value = 400; new Promise(r => setTimeout(r, 300))`)
	b.Eval(`$('at').value = 400; $('at').dispatchEvent(new Event('input'))`)
	wantFits(t, b, 360)
	b.Screenshot("phone-dark.png")

	// What the program refuses is said.
	for call, want := range map[string]string{
		`take(12)`:              "digits: want a digit 0 to 9, got 12",
		`call('at', 785)`:       "digits: want 0 to 784 pixels, got 785",
		`call('at', 'x')`:       "syscall/js: call of Value.Int on string",
		`call('kernels')`:       "kernels: want the number of a block",
		`call('kernels', 2)`:    "digits: want a block 0 to 1, got 2",
		`call('ink', [1])`:      "syscall/js: CopyBytesToGo: expected src to be a Uint8Array or Uint8ClampedArray",
		`call('nothing', 'at')`: "The program has ended, load the page again: window.s4[name] is not a function",
	} {
		b.Eval(`say(''); ` + call + `; 0`)
		wantText(t, b, "status", want)
		if b.Eval(`$('status').className`) != "wrong" {
			t.Errorf("%s: the error is not marked", call)
		}
	}

	// Escape clears.
	b.Eval(`document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))`)
	wantText(t, b, "answer", "Nothing yet.")

	wantNoComplaints(t, b, s.URL)
}

// What is wrong is said on the page.
func TestErrorsInABrowser(t *testing.T) {
	b := chromium.Open(t)
	dir := t.TempDir()
	goal := filepath.Join(dir, "index.html")
	if err := os.WriteFile(goal, indexHTML, 0o666); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(siteHandler(dir))
	defer s.Close()
	for _, c := range []struct{ want, script, url string }{
		{"wasm_exec.js is not there", "", s.URL},
		{"main.wasm.gzip: the server answers 404", "window.Go = class {}", s.URL},
		{"This browser has no WebAssembly.", "delete window.WebAssembly", s.URL},
		{"This browser is too old", "delete window.DecompressionStream", s.URL},
		{"cannot read its program as a file", "window.Go = class {}", "file://" + filepath.ToSlash(goal)},
	} {
		var script struct {
			Identifier string `json:"identifier"`
		}
		b.Call("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": c.script}, &script)
		b.Call("Page.navigate", map[string]any{"url": c.url}, nil)
		b.Until(`document.readyState === 'complete' && document.getElementById('status')?.className === 'wrong'`)
		if got := b.Eval(`$('status').textContent`); !strings.Contains(got, c.want) {
			t.Errorf("the page says %q, want %q", got, c.want)
		}
		b.Call("Page.removeScriptToEvaluateOnNewDocument", script, nil)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.wasm.gzip"), []byte("no program"), 0o666); err != nil {
		t.Fatal(err)
	}
	b.Call("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": "window.Go = class { importObject = {} }"}, nil)
	b.Call("Page.navigate", map[string]any{"url": s.URL}, nil)
	b.Until(`document.readyState === 'complete' && document.getElementById('status')?.className === 'wrong'`)
	if got := b.Eval(`$('status').textContent`); !strings.Contains(got, "main.wasm.gzip is no program for this page") {
		t.Errorf("the page says %q", got)
	}
}

// device makes the window so wide.
func device(b *chromium.Page, width int) {
	b.Call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
}

// pen draws a stroke through places of the drawing area, 0 to 1, that lift ends.
func pen(b *chromium.Page, points [][2]float64) (lift func()) {
	var pad struct{ X, Y, Side float64 }
	json.Unmarshal([]byte(b.Eval(`scrollTo(0, 0); (r => JSON.stringify({X: r.left, Y: r.top, Side: r.width}))($('pad').getBoundingClientRect())`)), &pad)
	send := func(kind string, p [2]float64) {
		b.Call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": pad.X + p[0]*pad.Side, "y": pad.Y + p[1]*pad.Side, "button": "left", "buttons": 1, "clickCount": 1}, nil)
	}
	send("mousePressed", points[0])
	for _, p := range points[1:] {
		send("mouseMoved", p)
	}
	return func() { send("mouseReleased", points[len(points)-1]) }
}

// wantText checks the text of an element.
func wantText(t *testing.T, b *chromium.Page, id, want string) {
	t.Helper()
	if got := b.Eval(fmt.Sprintf(`$(%q)?.textContent`, id)); got != want {
		t.Errorf("%s: got %q, want %q; the page says %q", id, got, want, b.Eval(`$('status').textContent`))
	}
}

// wantSame checks that recurrence and convolution are the same to 1e-5.
func wantSame(t *testing.T, b *chromium.Page) {
	t.Helper()
	if got, err := strconv.ParseFloat(b.Eval(`document.body.dataset.apart`), 64); err != nil || !(got <= 1e-5) {
		t.Errorf("recurrence and convolution are %g apart, %v", got, err)
	}
}

// wantFits checks that nothing is wider than the window.
func wantFits(t *testing.T, b *chromium.Page, width int) {
	t.Helper()
	if got := b.Eval(`document.documentElement.scrollWidth - document.documentElement.clientWidth`); got != "0" {
		t.Errorf("in a window of %d the page is too wide by %s", width, got)
	}
}

// wantNoComplaints checks that the browser has found no fault, and asked for nothing but
// the page.
func wantNoComplaints(t *testing.T, b *chromium.Page, url string) {
	t.Helper()
	for _, e := range append(b.Heard("Runtime.exceptionThrown"), b.Heard("Log.entryAdded")...) {
		t.Errorf("the browser complains: %s", e)
	}
	for _, e := range b.Heard("Network.requestWillBeSent") {
		var m struct{ Request struct{ URL string } }
		if err := json.Unmarshal([]byte(e), &m); err != nil || !strings.HasPrefix(m.Request.URL, url) && !strings.HasPrefix(m.Request.URL, "data:") {
			t.Errorf("the page asked for %q, %v", m.Request.URL, err)
		}
	}
}
