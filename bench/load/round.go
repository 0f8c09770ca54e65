package main

import (
	"fmt"
	"slices"
	"time"
)

// round is the answers to all requests of a number of clients.
type round struct {
	clients int
	time    time.Duration
	answers []answer
}

// compare marks the answers that are not those of a client alone.
func (r *round) compare(alone []answer) {
	for i := range r.answers {
		a := &r.answers[i]
		a.other = a.err == nil && alone[i].err == nil && (a.text != alone[i].text || a.finish != alone[i].finish || a.tokens != alone[i].tokens)
	}
}

// count is the number of answers of which something is true.
func (r *round) count(is func(*answer) bool) int {
	n := 0
	for i := range r.answers {
		if is(&r.answers[i]) {
			n++
		}
	}
	return n
}

// failed, lost and other are the numbers of answers that are no good.
func (r *round) failed() int { return r.count(func(a *answer) bool { return a.err != nil && !a.lost }) }
func (r *round) lost() int   { return r.count(func(a *answer) bool { return a.lost }) }
func (r *round) other() int  { return r.count(func(a *answer) bool { return a.other }) }

// err reports answers that are no good.
func (r *round) err() error {
	for i := range r.answers {
		if a := &r.answers[i]; a.err != nil {
			return fmt.Errorf("%d clients: %d errors and %d lost answers, the first of request %d: %w", r.clients, r.failed(), r.lost(), i, a.err)
		}
	}
	if n := r.other(); n > 0 {
		i := slices.IndexFunc(r.answers, func(a answer) bool { return a.other })
		return fmt.Errorf("%d clients: %d answers are not those of a client alone, the first of request %d: %.60q", r.clients, n, i, r.answers[i].text)
	}
	return nil
}

// speed is the tokens in a second of all clients together.
func (r *round) speed() float64 {
	n := 0
	for i := range r.answers {
		n += r.answers[i].tokens
	}
	return float64(n) / r.time.Seconds()
}

// times are sorted durations of all good answers.
func (r *round) times(of func(*answer) []time.Duration) []time.Duration {
	var all []time.Duration
	for i := range r.answers {
		if a := &r.answers[i]; a.err == nil {
			all = append(all, of(a)...)
		}
	}
	slices.Sort(all)
	return all
}

// first, next and whole are the times of a table.
func first(a *answer) []time.Duration {
	if a.first == 0 {
		return nil // an answer without text
	}
	return []time.Duration{a.first}
}
func next(a *answer) []time.Duration {
	if a.tokens < 2 || a.first == 0 {
		return nil
	}
	return []time.Duration{(a.last - a.first) / time.Duration(a.tokens-1)}
}
func whole(a *answer) []time.Duration { return []time.Duration{a.whole} }

// percentile is the smallest of sorted durations that so many percent are not above; 0
// of none.
func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}
