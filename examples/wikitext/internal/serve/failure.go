package serve

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Kinds of failures, as the protocol calls them.
const (
	badRequest  = "invalid_request_error"
	tooMany     = "rate_limit_error"
	serverError = "server_error"
)

// failure is an error that a client is told.
type failure struct {
	status      int
	kind        string
	param, code string        // "": null
	retry       time.Duration // after which to try again; 0: not said
	final       bool          // clients that try again by themselves should not
	text        string
}

func (f *failure) Error() string { return f.text }

// wrong is a failure of a field of a request.
func wrong(param, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, kind: badRequest, param: param, text: fmt.Sprintf(format, args...)}
}

// refused is a failure that has a status and a code.
func refused(status int, code, format string, args ...any) *failure {
	kind := badRequest
	if status >= http.StatusInternalServerError {
		kind = serverError
	}
	return &failure{status: status, kind: kind, code: code, text: fmt.Sprintf(format, args...)}
}

// busy is a failure that is over soon.
func busy(text string) *failure {
	return &failure{status: http.StatusTooManyRequests, kind: tooMany, code: "engine_busy", retry: time.Second, text: text}
}

// goingDown is a failure of a server that ends.
func goingDown() *failure {
	f := refused(http.StatusServiceUnavailable, "going_down", "the server goes down")
	f.retry = 5 * time.Second
	return f
}

// orNull is a text, or null for "".
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// MarshalJSON returns the failure as the protocol has it.
func (f *failure) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"error": map[string]any{
		"message": f.text, "type": f.kind, "param": orNull(f.param), "code": orNull(f.code),
	}})
}

// write answers a request with the failure.
func (f *failure) write(w http.ResponseWriter) error {
	if f.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retry.Seconds()))))
	}
	if f.final {
		w.Header().Set("X-Should-Retry", "false")
	}
	return writeJSON(w, f.status, f)
}
