package serve

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
)

// memory is a session: what a model remembers behind the last token of a text. It never
// changes.
type memory struct {
	id      string
	state   layers.State
	bytes   int64
	created time.Time
	used    time.Time
}

// sessions are kept in memory, the one that was asked for last in front.
type sessions struct {
	most      int
	mostBytes int64
	mostState int
	age       time.Duration
	model     int64 // what states in bytes are of

	mu      sync.Mutex
	byID    map[string]*list.Element
	order   list.List // of *memory
	bytes   int64
	dropped int // for want of room or with time
}

func newSessions(most int, mostBytes int64, mostState int, age time.Duration, model int64) *sessions {
	return &sessions{most: most, mostBytes: mostBytes, mostState: mostState, age: age, model: model, byID: map[string]*list.Element{}}
}

// bytesOf is the size of a state.
func bytesOf(x layers.State) int64 {
	n := int64(0)
	for _, t := range x {
		n += int64(t.Value.MemSize()) + int64(len(t.Name))
	}
	return n
}

// put keeps a state under a new id, which nobody can guess.
func (s *sessions) put(x layers.State) (string, error) {
	m := &memory{id: "sess-" + rand.Text(), state: x, bytes: bytesOf(x), created: time.Now(), used: time.Now()}
	if m.bytes > int64(s.mostState) || m.bytes > s.mostBytes {
		return "", fmt.Errorf("want a state of at most %d bytes, got %d", min(int64(s.mostState), s.mostBytes), m.bytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[m.id] = s.order.PushFront(m)
	s.bytes += m.bytes
	s.sweep()
	return m.id, nil
}

// sweep drops what is too old, and what there is no room for.
func (s *sessions) sweep() {
	for e := s.order.Back(); e != nil; e = s.order.Back() {
		if s.order.Len() <= s.most && s.bytes <= s.mostBytes && time.Since(e.Value.(*memory).used) <= s.age {
			return
		}
		s.drop(e)
		s.dropped++
	}
}

// drop forgets a session.
func (s *sessions) drop(e *list.Element) {
	m := s.order.Remove(e).(*memory)
	delete(s.byID, m.id)
	s.bytes -= m.bytes
}

// get returns a copy of what is known of a session, or nil.
func (s *sessions) get(id string) *memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	e := s.byID[id]
	if e == nil {
		return nil
	}
	s.order.MoveToFront(e)
	m := e.Value.(*memory)
	m.used = time.Now()
	known := *m
	return &known
}

// remove forgets a session, and says whether there was one.
func (s *sessions) remove(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	e := s.byID[id]
	if e != nil {
		s.drop(e)
	}
	return e != nil
}

// stats returns the number of sessions, their bytes, and how many were dropped.
func (s *sessions) stats() (n int, bytes int64, dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	return s.order.Len(), s.bytes, s.dropped
}

// modelTensor is the tensor that states in bytes have in front: what model they are of.
const modelTensor = "serve.model"

// modelOf is a number for a model's name, version and vocabulary.
func modelOf(name, version string, t generate.Tokenizer) int64 {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %d\n", name, version, t.Vocab())
	for id := range t.Vocab() {
		fmt.Fprintf(h, "%q\n", t.Decode(nil, id))
	}
	return int64(binary.LittleEndian.Uint64(h.Sum(nil)))
}

// marshal returns a state in bytes.
func (s *sessions) marshal(x layers.State) ([]byte, error) {
	mark := layers.StateTensor{Name: modelTensor, Value: tensor.New(tensor.WithShape(1), tensor.WithBacking([]int64{s.model}))}
	return append(layers.State{mark}, x...).MarshalBinary()
}

// unmarshal reads what marshal returned.
func (s *sessions) unmarshal(b []byte) (layers.State, error) {
	var x layers.State
	if err := x.UnmarshalBinary(b); err != nil {
		return nil, err
	}
	if len(x) == 0 || x[0].Name != modelTensor {
		return nil, fmt.Errorf("want the state of a session, got another")
	}
	if of, ok := x[0].Value.Data().([]int64); !ok || len(of) != 1 || of[0] != s.model {
		return nil, fmt.Errorf("want a session of this model, got one of another")
	}
	x = x[1:]
	for _, t := range x {
		if !finite(t.Value.Data()) {
			return nil, fmt.Errorf("%.80q: want finite numbers", t.Name)
		}
	}
	return x, nil
}

// finite says whether floats are.
func finite(data any) bool {
	switch d := data.(type) {
	case []float32:
		for _, v := range d {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return false
			}
		}
	case []float64:
		for _, v := range d {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return false
			}
		}
	}
	return true
}

// noSession is the failure of a request for a session that is not there.
func noSession() *failure {
	return refused(http.StatusNotFound, "session_not_found", "there is no such session; with time, or where there are many, they are forgotten")
}

// sessionInfo is what a client is told of a session.
func (s *Server) sessionInfo(m *memory) map[string]any {
	return map[string]any{
		"id": m.id, "object": "session", "created": m.created.Unix(), "expires": m.used.Add(s.cfg.SessionAge).Unix(), "bytes": m.bytes,
	}
}

// session answers GET /v1/sessions/{id}.
func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	m := s.sessions.get(r.PathValue("id"))
	if m == nil {
		return noSession()
	}
	return writeJSON(w, http.StatusOK, s.sessionInfo(m))
}

// deleteSession answers DELETE /v1/sessions/{id}.
func (s *Server) deleteSession(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if !s.sessions.remove(id) {
		return noSession()
	}
	return writeJSON(w, http.StatusOK, map[string]any{"id": id, "object": "session.deleted", "deleted": true})
}

// exportSession answers GET /v1/sessions/{id}/state.
func (s *Server) exportSession(w http.ResponseWriter, r *http.Request) error {
	m := s.sessions.get(r.PathValue("id"))
	if m == nil {
		return noSession()
	}
	b, err := s.sessions.marshal(m.state)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", octets)
	w.Header().Set("Content-Disposition", `attachment; filename="session.safetensors"`)
	_, err = w.Write(b)
	return err
}

// octets is the type of a state in bytes.
const octets = "application/octet-stream"

// stateHeader is how many bytes a state may be longer than its numbers: names and
// shapes.
const stateHeader = 64 << 10

// importSession answers POST /v1/sessions.
func (s *Server) importSession(w http.ResponseWriter, r *http.Request) error {
	body, release, err := s.readBody(r, octets, s.cfg.MaxState+stateHeader)
	if err != nil {
		return err
	}
	defer release()
	x, err := s.sessions.unmarshal(body)
	if err == nil {
		err = s.engine.CheckState(x)
	}
	var id string
	if err == nil {
		id, err = s.sessions.put(x)
	}
	if err != nil {
		f := wrong("", "a state: %v", err)
		f.code = "invalid_state"
		return f
	}
	m := s.sessions.get(id)
	if m == nil { // there is less room than for one
		return noSession()
	}
	return writeJSON(w, http.StatusCreated, s.sessionInfo(m))
}
