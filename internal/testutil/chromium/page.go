// Package chromium opens pages in a headless Chromium, for tests of pages.
package chromium

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must come to pass.
const patience = time.Minute

// Page is a page in a headless Chromium, spoken to by its debugging protocol.
type Page struct {
	t       *testing.T
	to      io.Writer
	session string

	mu      sync.Mutex
	next    int
	answers map[int]chan reply
	events  []notice
	ended   error
}

// reply answers a command, and notice tells of something else.
type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

type notice struct {
	Method string
	Params json.RawMessage
}

// variable is the variable of the environment that says, as "required", that a test is not
// to be skipped where there is no Chromium: that is an error then.
const variable = "S4_CHROMIUM"

// missing skips a test for want of Chromium, or fails where it is required.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv(variable) == "required" {
		t.Fatalf("%s=required: %s", variable, why)
	}
	t.Skip(why + ": Debian has it as the package chromium")
}

// path returns where Chromium is; where it is not, the test is skipped (see missing).
func path(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	missing(t, "there is no Chromium")
	return ""
}

// Open starts Chromium, which ends with the test, with an empty page. Where there is none the
// test is skipped, and with S4_CHROMIUM=required in the environment it fails.
func Open(t *testing.T) *Page {
	t.Helper()
	at := path(t)
	args := []string{"--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
		"--window-size=1000,1100", "--user-data-dir=" + t.TempDir(), "about:blank"}
	if os.Geteuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...)
	}
	cmd := exec.Command(at, args...)
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{in, out} // 3 and 4
	if err := cmd.Start(); err != nil {
		missing(t, fmt.Sprintf("Chromium does not start: %v", err))
	}
	in.Close()
	out.Close()
	b := &Page{t: t, to: to, answers: map[int]chan reply{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(from)
	}()
	t.Cleanup(func() {
		b.session = ""
		b.send("Browser.close", nil)
		end := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer end.Stop()
		cmd.Wait()
		to.Close()
		from.Close()
		<-read
	})
	var target struct{ TargetID string }
	b.Call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.Call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.Call(domain+".enable", nil, nil)
	}
	return b
}

// read takes what Chromium says: JSON, with a zero behind each.
func (b *Page) read(from io.Reader) {
	r := bufio.NewReader(from)
	for {
		text, err := r.ReadBytes(0)
		b.mu.Lock()
		if err != nil {
			b.ended = err
			for _, c := range b.answers {
				close(c)
			}
			b.answers = nil
			b.mu.Unlock()
			return
		}
		var m struct {
			ID int
			reply
			notice
		}
		if err := json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m); err == nil {
			if c := b.answers[m.ID]; c != nil {
				delete(b.answers, m.ID)
				c <- m.reply
			} else {
				b.events = append(b.events, m.notice)
			}
		}
		b.mu.Unlock()
	}
}

// send gives a command and returns where its answer comes.
func (b *Page) send(method string, params any) <-chan reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	c := make(chan reply, 1)
	if b.answers == nil {
		close(c)
		return c
	}
	b.answers[b.next] = c
	if params == nil {
		params = map[string]any{}
	}
	m := map[string]any{"id": b.next, "method": method, "params": params}
	if b.session != "" {
		m["sessionId"] = b.session
	}
	text, _ := json.Marshal(m)
	b.to.Write(append(text, 0))
	return c
}

// Call gives a command and reads its answer into v, unless that is nil.
func (b *Page) Call(method string, params, v any) {
	b.t.Helper()
	select {
	case a, ok := <-b.send(method, params):
		if !ok {
			b.t.Fatalf("%s: Chromium has ended", method)
		}
		if a.Error != nil {
			b.t.Fatalf("%s: %s", method, a.Error.Message)
		}
		if v != nil {
			if err := json.Unmarshal(a.Result, v); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(patience):
		b.t.Fatalf("%s: no answer in %v", method, patience)
	}
}

// Eval evaluates an expression, a promise too, and returns its value as text.
func (b *Page) Eval(expression string) string {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.Call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	if e := r.ExceptionDetails; e != nil {
		b.t.Fatalf("%s: %s %s", expression, e.Text, e.Exception.Description)
	}
	return fmt.Sprint(r.Result.Value)
}

// Until waits for an expression to be true.
func (b *Page) Until(expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); b.Eval(expression) != "true"; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%s has not come to pass in %v", expression, patience)
		}
	}
}

// Heard returns what has been told by a method.
func (b *Page) Heard(method string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, e := range b.events {
		if e.Method == method {
			all = append(all, string(e.Params))
		}
	}
	return all
}

// Screenshot keeps a picture of the page where S4_SCREENSHOTS says.
func (b *Page) Screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("S4_SCREENSHOTS")
	if dir == "" {
		return
	}
	var shot struct{ Data string }
	b.Call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), png, 0o644)
	}
	if err != nil {
		b.t.Error(err)
	}
}
