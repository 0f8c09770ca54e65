package generate

import "slices"

// Stats is what an Engine has done and is doing.
type Stats struct {
	Rows, MaxRows    int // that the batch has, and may have
	Ingesting        int // requests whose prompts wait to be read, or are being read
	Queued, MaxQueue int // requests that wait for a row, and that may

	Requests uint64 // that were taken on
	Busy     uint64 // that were not, with ErrBusy
	// Stopped, Length, Cancelled and Failed are texts that have ended, by their
	// FinishReason.
	Stopped, Length, Cancelled, Failed uint64
	Tokens, PromptTokens               uint64 // written, and read of prompts
	Steps                              uint64 // of the batch
	StepTime                           Histogram
}

// Histogram counts durations.
type Histogram struct {
	Bounds []float64 // in seconds, ascending
	Counts []uint64  // of those that are at most Bounds[i], and more than the bound before; the last one of those above all
	Sum    float64   // of all, in seconds
	Count  uint64    // of all
}

func newHistogram() Histogram {
	b := []float64{5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}
	return Histogram{Bounds: b, Counts: make([]uint64, len(b)+1)}
}

// add counts a duration in seconds.
func (h *Histogram) add(x float64) {
	i, _ := slices.BinarySearch(h.Bounds, x)
	h.Counts[i]++
	h.Sum += x
	h.Count++
}

// end counts a text that has ended.
func (s *Stats) end(r *Result) {
	switch r.FinishReason {
	case Stop:
		s.Stopped++
	case Length:
		s.Length++
	case Cancelled:
		s.Cancelled++
	default:
		s.Failed++
	}
}

// Stats returns what the Engine has done and is doing.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.MaxRows, s.Queued, s.MaxQueue = e.cfg.MaxRows, len(e.queue), e.cfg.MaxQueue
	s.Ingesting += len(e.prompts)
	s.StepTime.Bounds, s.StepTime.Counts = slices.Clone(s.StepTime.Bounds), slices.Clone(s.StepTime.Counts)
	return s
}
