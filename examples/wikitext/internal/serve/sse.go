package serve

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// encode writes a value as JSON, with "<" as it is.
func encode(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeJSON answers a request with a value.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	var b bytes.Buffer
	if err := encode(&b, v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// sender answers a request with server-sent events.
type sender struct {
	w       http.ResponseWriter
	waiting bytes.Buffer
	begun   bool
}

// add appends an event, which is sent by the next flush.
func (s *sender) add(v any) error {
	s.waiting.WriteString("data: ")
	if err := encode(&s.waiting, v); err != nil { // ends with a line feed
		return err
	}
	s.waiting.WriteByte('\n')
	return nil
}

// end appends the event behind which nothing comes.
func (s *sender) end() { s.waiting.WriteString("data: [DONE]\n\n") }

// flush sends what waits.
func (s *sender) flush() error {
	if s.waiting.Len() == 0 {
		return nil
	}
	if !s.begun {
		s.begun = true
		h := s.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("X-Accel-Buffering", "no") // a proxy would keep them back
		s.w.WriteHeader(http.StatusOK)
	}
	defer s.waiting.Reset()
	if _, err := s.w.Write(s.waiting.Bytes()); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}
