package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

// firstChoice is that of an answer.
func firstChoice(t *testing.T, status int, body string) choice {
	t.Helper()
	var a answer
	if err := json.Unmarshal([]byte(body), &a); err != nil || status != 200 || len(a.Choices) == 0 {
		t.Fatalf("got %d %s, want a choice", status, body)
	}
	return a.Choices[0]
}

func TestSessionsGoOn(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{})
	ask := func(body string) choice {
		t.Helper()
		status, _, text := s.post(t, "/v1/completions", body)
		return firstChoice(t, status, text)
	}
	first := ask(`{"prompt":"a","max_tokens":3,"session":{"keep":true}}`)
	if first.Text != "bcd" || !strings.HasPrefix(first.Session, "sess-") || len(first.Session) < 25 {
		t.Fatalf("got %+v", first)
	}
	from := fmt.Sprintf(`"session":{"from":"%s"`, first.Session)
	for range 2 { // a session does not change
		if c := ask(`{"max_tokens":2,` + from + `}}`); c.Text != "ef" || c.Session != "" {
			t.Errorf("got %+v, want ef", c)
		}
	}
	if c := ask(`{"prompt":"m","max_tokens":2,` + from + `}}`); c.Text != "no" {
		t.Errorf("with a prompt: got %+v, want no", c)
	}
	second := ask(`{"max_tokens":2,` + from + `,"keep":true}}`)
	if c := ask(`{"max_tokens":2,"session":{"from":"` + second.Session + `"}}`); c.Text != "gh" || second.Session == first.Session {
		t.Errorf("a session of a session: got %+v, want gh", c)
	}
	read := ask(`{"prompt":"pq","max_tokens":0,"session":{"keep":true}}`)
	if c := ask(`{"max_tokens":1,"session":{"from":"` + read.Session + `"}}`); read.Text != "" || c.Text != "r" {
		t.Errorf("a prompt that is only read: got %+v, then %+v, want r", read, c)
	}
	_, _, body := s.post(t, "/v1/completions", `{"prompt":"a","max_tokens":3,"n":2,"stream":true,"session":{"keep":true}}`)
	if strings.Count(body, `"session":"sess-`) != 2 || strings.Count(body, `"finish_reason":"length","session":"sess-`) != 2 {
		t.Errorf("streamed: got %s, want the session at the end of each choice", body)
	}
}

func TestSessionsComeAndGo(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{})
	status, _, body := s.post(t, "/v1/completions", `{"prompt":"a","max_tokens":3,"session":{"keep":true}}`)
	path := "/v1/sessions/" + firstChoice(t, status, body).Session
	status, _, body = s.do(t, http.MethodGet, path, "")
	var info struct {
		Bytes            int64
		Created, Expires int64
	}
	if err := json.Unmarshal([]byte(body), &info); err != nil || status != 200 || info.Bytes != 8 || info.Expires-info.Created != 3600 {
		t.Errorf("got %d %s, %v", status, body, err)
	}
	status, h, state := s.do(t, http.MethodGet, path+"/state", "")
	if status != 200 || h.Get("Content-Type") != octets || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
		t.Fatalf("got %d %v %q", status, h, state)
	}
	status, _, body = s.do(t, http.MethodPost, "/v1/sessions", state, "Content-Type", octets)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != 201 || made.ID == "" {
		t.Fatalf("a state that was sent back: got %d %s", status, body)
	}
	status, _, body = s.post(t, "/v1/completions", `{"max_tokens":2,"session":{"from":"`+made.ID+`"}}`)
	if c := firstChoice(t, status, body); c.Text != "ef" {
		t.Errorf("got %+v, want ef", c)
	}
	if status, _, body = s.do(t, http.MethodDelete, path, ""); status != 200 || !strings.Contains(body, `"deleted":true`) {
		t.Errorf("got %d %s", status, body)
	}
	for _, method := range []string{http.MethodDelete, http.MethodGet} {
		if status, _, body = s.do(t, method, path, ""); status != 404 || codeOf(t, body) != "session_not_found" {
			t.Errorf("%s of a session that was deleted: got %d %s", method, status, body)
		}
	}
}

func TestForeignStatesAreRefused(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{MaxState: 1000})
	marshal := func(x layers.State) string {
		t.Helper()
		b, err := x.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	own := func(x layers.State) string {
		t.Helper()
		b, err := s.sessions.marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	other := func(v any) layers.State {
		return layers.State{{Name: "next", Value: tensor.New(tensor.WithShape(1, 1), tensor.WithBacking(v))}}
	}
	good := own(memoryOf(3))
	mark := func(v any) layers.StateTensor {
		return layers.StateTensor{Name: modelTensor, Value: tensor.New(tensor.WithShape(1), tensor.WithBacking(v))}
	}
	for name, test := range map[string]struct{ body, want string }{
		"nothing":             {"", "state"},
		"no state":            {"hello", "state"},
		"cut":                 {good[:len(good)-1], "state"},
		"longer":              {good + "x", "state"},
		"changed":             {good[:len(good)-1] + "\x01", "check sum"},
		"a promise":           {"\xff\xff\xff\xff\xff\xff\xff\x7f{", "header"},
		"without a model":     {marshal(memoryOf(3)), "want the state of a session"},
		"of another model":    {marshal(append(layers.State{mark([]int64{1})}, memoryOf(3)...)), "got one of another"},
		"of no model":         {marshal(append(layers.State{mark([]float32{1})}, memoryOf(3)...)), "got one of another"},
		"with other tensors":  {own(append(memoryOf(3), layers.StateTensor{Name: "more", Value: other([]float32{1})[0].Value})), "tensor next"},
		"with no other":       {own(nil), "tensor next"},
		"NaN":                 {own(memoryNaN(float32(math.NaN()))), "want finite numbers"},
		"infinite, of 64 bit": {own(other([]float64{math.Inf(-1)})), "want finite numbers"},
	} {
		status, _, body := s.do(t, http.MethodPost, "/v1/sessions", test.body, "Content-Type", octets)
		if status != 400 || codeOf(t, body) != "invalid_state" || !strings.Contains(body, test.want) {
			t.Errorf("%s: got %d %s, want 400, %q", name, status, body, test.want)
		}
	}
	if status, _, body := s.do(t, http.MethodPost, "/v1/sessions", strings.Repeat("x", 1000+stateHeader+1), "Content-Type", octets); status != 413 {
		t.Errorf("a large one: got %d %s", status, body)
	}
	if status, _, body := s.do(t, http.MethodPost, "/v1/sessions", good, "Content-Type", octets); status != 201 {
		t.Errorf("a good one: got %d %s", status, body)
	}
	if n, _, _ := s.sessions.stats(); n != 1 {
		t.Errorf("%d sessions are kept, want 1", n)
	}
}

func memoryNaN(v float32) layers.State {
	x := memoryOf(0)
	x[0].Value.Data().([]float32)[0] = v
	return x
}

// stateOf is a state of so many bytes, its name included.
func stateOf(bytes int) layers.State {
	n := (bytes - 4) / 4
	return layers.State{{Name: "next", Value: tensor.New(tensor.WithShape(1, n), tensor.WithBacking(make([]float32, n)))}}
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(3, 1000, 600, time.Hour, 1)
		put := func(bytes int) string {
			t.Helper()
			id, err := s.put(stateOf(bytes))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			return id
		}
		left := func(ids ...string) string {
			var b strings.Builder
			for _, id := range ids {
				b.WriteByte("-+"[map[bool]int{true: 1}[s.byID[id] != nil]])
			}
			return b.String()
		}
		a, b, c := put(100), put(100), put(100)
		s.get(a)
		d := put(100)
		if got := left(a, b, c, d); got != "+-++" {
			t.Errorf("four where three may be: got %s, want the one that nobody had asked for gone", got)
		}
		e := put(600)
		if got := left(a, c, d, e); got != "+-++" || s.bytes != 800 {
			t.Errorf("got %s, %d bytes", got, s.bytes)
		}
		f := put(400)
		if got := left(a, d, e, f); got != "--++" || s.bytes != 1000 {
			t.Errorf("bytes for two: got %s, %d bytes", got, s.bytes)
		}
		if id, err := s.put(stateOf(604)); err == nil || id != "" || !strings.Contains(err.Error(), "want a state of at most 600 bytes, got 604") {
			t.Errorf("a large state: got %q, %v", id, err)
		}
		time.Sleep(30 * time.Minute)
		s.get(e)
		time.Sleep(31 * time.Minute)
		if n, bytes, dropped := s.stats(); n != 1 || bytes != 600 || dropped != 5 || left(e, f) != "+-" {
			t.Errorf("after an hour: got %d, %d bytes, %d dropped, %s", n, bytes, dropped, left(e, f))
		}
		if s.remove(f) || !s.remove(e) || s.get(e) != nil || s.bytes != 0 || len(s.byID) != 0 || s.order.Len() != 0 {
			t.Error("something is left behind the end")
		}
	})
}

func TestLargeStatesAreNotKept(t *testing.T) {
	t.Parallel()
	s, _ := alphabetServer(t, Config{MaxState: 7})
	status, _, body := s.post(t, "/v1/completions", `{"prompt":"a","max_tokens":3,"session":{"keep":true}}`)
	if c := firstChoice(t, status, body); c.Text != "bcd" || c.Session != "" || !strings.Contains(c.SessionError, "at most 7 bytes, got 8") {
		t.Errorf("got %s", body)
	}
}

func TestManyUseSessionsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSessions(5, 1000, 600, time.Hour, 1)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 100 {
				id, err := s.put(stateOf(100))
				if err != nil {
					t.Error(err)
				}
				s.get(id)
				s.stats()
				s.remove(id)
			}
		})
	}
	all.Wait()
	if n, bytes, _ := s.stats(); n != 0 || bytes != 0 {
		t.Errorf("%d sessions and %d bytes are left", n, bytes)
	}
}

func TestAnotherVocabularyOrVersionIsAnotherModel(t *testing.T) {
	t.Parallel()
	a, b, c, d := modelOf("s4", "1", letters{}), modelOf("s4", "1", backwards{}), modelOf("s5", "1", letters{}), modelOf("s4", "2", letters{})
	if a == b || a == c || a == d || a != modelOf("s4", "1", letters{}) {
		t.Errorf("got %d, %d, %d, %d", a, b, c, d)
	}
}

// backwards has the tokens of letters in another order.
type backwards struct{ letters }

func (backwards) Decode(dst []byte, ids ...int) []byte {
	for i, id := range ids {
		ids[i] = 255 - id
	}
	return letters{}.Decode(dst, ids...)
}

// FuzzState holds that no bytes that are sent as a state panic, and that those that are
// taken come back as they were.
func FuzzState(f *testing.F) {
	s := newSessions(5, 1<<20, 1<<20, time.Hour, 1)
	for _, x := range []layers.State{memoryOf(3), stateOf(100), append(memoryOf(1), layers.StateTensor{Name: "generate.next", Value: tensor.New(tensor.WithShape(1, 1), tensor.WithBacking([]int64{5}))})} {
		b, err := s.marshal(x)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := s.unmarshal(b)
		if err != nil {
			return
		}
		again, err := s.marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		y, err := s.unmarshal(again)
		if err != nil || len(y) != len(x) {
			t.Fatalf("what was taken is not taken again: %v", err)
		}
		if third, err := s.marshal(y); err != nil || !bytes.Equal(again, third) {
			t.Errorf("what was taken does not come back: %v", err)
		}
	})
}
