package serve

import (
	"log/slog"
	"net/http"
	"time"
)

// statusLeft stands in metrics and logs for the status of a request whose client has
// gone away.
const statusLeft = 499

// response is a ResponseWriter that knows what has been written, and gives a client a
// limited time to take it.
type response struct {
	http.ResponseWriter
	timeout time.Duration
	id      string
	begun   time.Time

	route   string
	status  int // 0: nothing written
	written int64
	left    bool
	more    []slog.Attr // for the log
}

// requestID is the id of the request that is answered.
func requestID(w http.ResponseWriter) string { return w.(*response).id }

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// arm gives the client its time for the next bytes.
func (w *response) arm() {
	http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.timeout))
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.arm()
	w.ResponseWriter.WriteHeader(status)
}

// largestWrite is how many bytes a client has to take in the time of one write.
const largestWrite = 64 << 10

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	total := 0
	for len(p) > 0 {
		w.arm()
		n, err := w.ResponseWriter.Write(p[:min(len(p), largestWrite)])
		total += n
		w.written += int64(n)
		if err != nil {
			return total, err
		}
		p = p[n:]
	}
	return total, nil
}

// fail answers with a failure, unless something has been written.
func (w *response) fail(f *failure) {
	if w.status == 0 {
		f.write(w)
	}
}
