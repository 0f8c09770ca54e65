package serve

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

// browser is a page in a headless Chromium, spoken to by its debugging protocol.
type browser struct {
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

// openBrowser starts Chromium, and skips the test where there is none.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("there is no Chromium")
	}
	args := []string{"--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
		"--window-size=1000,1100", "--user-data-dir=" + t.TempDir(), "about:blank"}
	if os.Geteuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...)
	}
	cmd := exec.Command(path, args...)
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
		t.Skipf("Chromium does not start: %v", err)
	}
	in.Close()
	out.Close()
	b := &browser{t: t, to: to, answers: map[int]chan reply{}}
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
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// read takes what Chromium says: JSON, with a zero behind each.
func (b *browser) read(from io.Reader) {
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
func (b *browser) send(method string, params any) <-chan reply {
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

// call gives a command and reads its answer into v, unless that is nil.
func (b *browser) call(method string, params, v any) {
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

// eval evaluates an expression, a promise too, and returns its value as text.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	if e := r.ExceptionDetails; e != nil {
		b.t.Fatalf("%s: %s %s", expression, e.Text, e.Exception.Description)
	}
	return fmt.Sprint(r.Result.Value)
}

// until waits for an expression to be true.
func (b *browser) until(expression string) {
	b.t.Helper()
	eventually(b.t, expression, func() bool { return b.eval(expression) == "true" })
}

// heard returns what has been told by a method.
func (b *browser) heard(method string) []string {
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

// screenshot keeps a picture of the page where S4_SCREENSHOTS says.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("S4_SCREENSHOTS")
	if dir == "" {
		return
	}
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), png, 0o644)
	}
	if err != nil {
		b.t.Error(err)
	}
}
