package data

import (
	"io"
	"sync"
	"time"
)

// When a Meter speaks: first after patience, then every interval at most.
const (
	patience = 2 * time.Second
	interval = 200 * time.Millisecond
)

// telling lets one meter speak at a time: a room may have several.
var telling sync.Mutex

// Meter counts what is done of something and tells the room. Its methods may be
// called from several goroutines.
type Meter struct {
	what     string
	total    int64
	progress func(what string, done, total int64)
	now      func() time.Time

	mu     sync.Mutex
	done   int64
	next   time.Time // when to speak
	spoken bool
}

// Meter returns a meter of total units of something, such as bytes; total 0 means
// that their number is unknown.
func (r Room) Meter(what string, total int64) *Meter { return r.meter(what, total, time.Now) }

// meter is Meter with a clock.
func (r Room) meter(what string, total int64, now func() time.Time) *Meter {
	return &Meter{what: what, total: total, progress: r.Progress, now: now, next: now().Add(patience)}
}

// Add says that n more are done.
func (m *Meter) Add(n int64) {
	if m.progress == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	if now := m.now(); !now.Before(m.next) {
		m.next, m.spoken = now.Add(interval), true
		m.tell()
	}
}

// tell tells the count.
func (m *Meter) tell() {
	telling.Lock()
	defer telling.Unlock()
	m.progress(m.what, m.done, m.total)
}

// Close tells the last count if any was told.
func (m *Meter) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spoken {
		m.spoken = false
		m.tell()
	}
}

// Reader returns a reader of r whose bytes are counted.
func (m *Meter) Reader(r io.Reader) io.Reader { return &meteredReader{r, m} }

type meteredReader struct {
	r io.Reader
	m *Meter
}

func (r *meteredReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.m.Add(int64(n))
	return n, err
}
