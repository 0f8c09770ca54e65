package serve

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"sync/atomic"
)

// budget bounds the bytes of all bodies that are being read, beyond the first ones of
// each: those of usual size are read whatever others send.
type budget struct {
	held atomic.Int64
	most int64
}

// take adds n bytes, if there is room for them.
func (b *budget) take(n int64) bool {
	if b.held.Add(n) > b.most {
		b.held.Add(-n)
		return false
	}
	return true
}

// bodyChunk is the room that every body has. It grows as bytes come: a client that
// promises much and sends little holds little.
const bodyChunk = 8 << 10

// readBody returns the body of a request, of at most most bytes. They count until
// release is called.
func (s *Server) readBody(r *http.Request, kind string, most int) (body []byte, release func(), err error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != kind {
		return nil, nil, refused(http.StatusUnsupportedMediaType, "unsupported_media_type", "want a body of type %s, got %.80q", kind, r.Header.Get("Content-Type"))
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, nil, refused(http.StatusUnsupportedMediaType, "unsupported_encoding", "want a body that is not compressed, got %.80q", e)
	}
	if r.ContentLength > int64(most) {
		return nil, nil, tooLong(most)
	}
	var held int64
	letGo := func() { s.bodies.held.Add(-held) }
	defer func() {
		if err != nil {
			letGo()
		}
	}()
	body = make([]byte, 0, min(bodyChunk, most+1))
	for {
		if len(body) == cap(body) {
			grow := int64(min(len(body), most+1-len(body)))
			if !s.bodies.take(grow) {
				return nil, nil, busy("too many bodies are being read")
			}
			held += grow
			body = append(make([]byte, 0, int64(len(body))+grow), body...)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if len(body) > most {
			return nil, nil, tooLong(most)
		}
		if err == io.EOF {
			return body, letGo, nil
		}
		if err != nil {
			return nil, nil, brokenBody(err)
		}
	}
}

// tooLong is the failure of a body beyond its limit.
func tooLong(most int) *failure {
	return refused(http.StatusRequestEntityTooLarge, "body_too_large", "want a body of at most %d bytes", most)
}

// brokenBody is the failure of a body that ended early or took too long.
func brokenBody(err error) *failure {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refused(http.StatusRequestTimeout, "body_timeout", "the body took too long")
	}
	return refused(http.StatusBadRequest, "broken_body", "the body ended early")
}
