package serve

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
)

// complete answers POST /v1/completions.
func (s *Server) complete(w http.ResponseWriter, r *http.Request) error {
	begun := time.Now()
	c, err := s.receive(r)
	if err != nil {
		return err
	}
	requests, err := s.requests(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.cfg.RequestTimeout, errDeadline)
	defer cancel()
	rows, err := start(ctx, s.engine, requests)
	if err != nil {
		return err
	}
	defer rows.stop()
	j := &job{s: s, c: c, begun: begun, texts: make([]*text, len(requests))}
	for i := range j.texts {
		j.texts[i] = newText(i, c.logProbs >= 0, s.echo(c, i))
	}
	for i := range c.prompts {
		c.prompts[i].text = "" // may be long, and is not needed again
	}
	j.head = answer{ID: requestID(w), Object: "text_completion", Created: begun.Unix(), Model: s.cfg.Model}
	defer j.record(w)
	if c.stream {
		return j.stream(ctx, w, rows)
	}
	return j.whole(ctx, w, rows)
}

// receive reads and checks a request.
func (s *Server) receive(r *http.Request) (*completion, error) {
	body, release, err := s.readBody(r, "application/json", s.cfg.MaxBody)
	if err != nil {
		return nil, err
	}
	defer release()
	c, f := readCompletion(body, bounds{s.tokenizer.Vocab(), s.cfg.MaxPrompt, s.cfg.MaxTokens, s.cfg.MaxChoices})
	if f != nil {
		return nil, f
	}
	if c.model != "" && c.model != s.cfg.Model {
		return nil, noModel()
	}
	return c, nil
}

// requests are those of an engine for what a client has asked for: of each prompt as
// many as there are candidates.
func (s *Server) requests(c *completion) ([]generate.Request, error) {
	var from layers.State
	if c.from != "" {
		m := s.sessions.get(c.from)
		if m == nil {
			return nil, noSession()
		}
		from = m.state
	}
	anySeed := rand.Uint64()
	var rs []generate.Request
	for i, p := range c.prompts {
		ids, err := s.ids(p, from == nil)
		if err != nil {
			return nil, err
		}
		c.prompts[i].ids = ids
		for range c.bestOf {
			o := generate.Options{
				MaxTokens: c.maxTokens, Temperature: c.temperature, TopK: c.topK, TopP: c.topP, MinP: c.minP, RepetitionPenalty: c.repetition,
				PresencePenalty: c.presence, FrequencyPenalty: c.frequency, LogitBias: c.bias,
				Stop: c.stop, IgnoreEOS: c.ignoreEOS, Seed: c.seedOf(len(rs), anySeed), LogProbs: max(c.logProbs, 0),
			}
			rs = append(rs, generate.Request{Prompt: ids, State: from, Options: o, KeepState: c.keep})
		}
	}
	return rs, nil
}

// ids are the tokens of a prompt. An empty one at the beginning of a text is the end
// of another, or of a line where texts have no end.
func (s *Server) ids(p prompt, beginning bool) ([]int, error) {
	ids := p.ids
	if ids == nil {
		var err error
		if ids, err = s.tokenizer.Encode([]int{}, []byte(p.text)); err != nil {
			return nil, wrong("prompt", "prompt: %v", err)
		}
	}
	if len(ids) == 0 && beginning {
		if eos := s.tokenizer.EOS(); eos >= 0 {
			ids = []int{eos}
		} else if ids, _ = s.tokenizer.Encode(ids, []byte("\n")); len(ids) == 0 {
			return nil, wrong("prompt", "prompt: want at least one token")
		}
	}
	if len(ids) > s.cfg.MaxPrompt {
		f := wrong("prompt", "prompt: want at most %d tokens, got %d; a session takes a longer text in parts", s.cfg.MaxPrompt, len(ids))
		f.code = "context_length_exceeded"
		return nil, f
	}
	return ids, nil
}

// echo is the prompt of a row, if it is to be repeated.
func (s *Server) echo(c *completion, row int) string {
	p := c.prompts[row/c.bestOf]
	switch {
	case !c.echo:
		return ""
	case p.text != "":
		return p.text
	}
	return string(s.tokenizer.Decode(nil, p.ids...))
}

// job is a request that is being answered.
type job struct {
	s      *Server
	c      *completion
	begun  time.Time
	first  time.Time // the first token
	head   answer    // without choices
	texts  []*text   // one for each row
	tokens int       // that have been written
}

// take adds an event to its text. After an end that is none it returns a failure.
func (j *job) take(ctx context.Context, ev event) *failure {
	t := j.texts[ev.row]
	switch {
	case ev.err != nil:
		return endFailure(ctx, ev.err)
	case ev.result != nil:
		t.result = ev.result
		if r := ev.result.FinishReason; r != generate.Stop && r != generate.Length {
			return endFailure(ctx, nil)
		}
		return nil
	}
	if ev.piece.ID >= 0 {
		j.tokens++
		j.s.metrics.written.Inc()
		if j.first.IsZero() {
			j.first = time.Now()
			j.s.metrics.first.Observe(j.first.Sub(j.begun).Seconds())
		}
	}
	t.add(j.s.tokenizer, ev.piece)
	return nil
}

// unfinished is a failure where a text has no end, as its context had one.
func (j *job) unfinished(ctx context.Context) *failure {
	for _, t := range j.texts {
		if t.result == nil {
			return endFailure(ctx, nil)
		}
	}
	return nil
}

// usage counts the tokens: those of a prompt once, however many choices it has, and
// those of all candidates.
func (j *job) usage() *usage {
	u := &usage{}
	for _, p := range j.c.prompts {
		u.Prompt += len(p.ids)
	}
	for _, t := range j.texts {
		if t.result != nil {
			u.Completion += t.result.Usage.Completion
		}
	}
	u.Total = u.Prompt + u.Completion
	return u
}

// last is the part of a text behind which nothing comes: it says why, and where what
// the model remembers is kept.
func (j *job) last(t *text) choice {
	c := t.send()
	c.FinishReason = &t.result.FinishReason
	if j.c.keep {
		id, err := j.s.sessions.put(t.result.State)
		if c.Session = id; err != nil {
			c.SessionError = err.Error()
		}
	}
	return c
}

// whole answers when all is written.
func (j *job) whole(ctx context.Context, w http.ResponseWriter, rows *rows) error {
	for ev := range rows.events {
		if f := j.take(ctx, ev); f != nil {
			return f
		}
	}
	if f := j.unfinished(ctx); f != nil {
		return f
	}
	a := j.head
	for i, t := range j.best() {
		t.index = i
		a.Choices = append(a.Choices, j.last(t))
	}
	a.Usage = j.usage()
	return writeJSON(w, http.StatusOK, a)
}

// best are the texts that are returned: of each prompt the n likeliest by the mean of
// a token.
func (j *job) best() []*text {
	if j.c.bestOf == j.c.n {
		return j.texts
	}
	var all []*text
	for of := range slices.Chunk(j.texts, j.c.bestOf) {
		slices.SortStableFunc(of, func(a, b *text) int { return cmp.Compare(meanLogProb(b.result), meanLogProb(a.result)) })
		all = append(all, of[:j.c.n]...)
	}
	return all
}

// stream answers as the text is written. A failure behind the first event is an event.
func (j *job) stream(ctx context.Context, w http.ResponseWriter, rows *rows) error {
	out := &sender{w: w}
	for _, t := range j.texts {
		if !t.empty() { // an echo
			if err := j.part(out, t.send()); err != nil {
				return err
			}
		}
	}
	for ev := range rows.events {
		if f := j.take(ctx, ev); f != nil {
			return j.broken(out, f)
		}
		t := j.texts[ev.row]
		var err error
		if ev.result != nil {
			err = j.part(out, j.last(t))
		} else if !t.empty() {
			err = j.part(out, t.send())
		}
		if err == nil && len(rows.events) == 0 {
			err = out.flush()
		}
		if err != nil {
			return err
		}
	}
	if f := j.unfinished(ctx); f != nil {
		return j.broken(out, f)
	}
	if j.c.usage {
		a := j.head
		a.Choices, a.Usage = []choice{}, j.usage()
		if err := out.add(a); err != nil {
			return err
		}
	}
	out.end()
	return out.flush()
}

// part adds an event with a part of a choice.
func (j *job) part(out *sender, c choice) error {
	a := j.head
	a.Choices = []choice{c}
	return out.add(a)
}

// broken ends a stream that failed.
func (j *job) broken(out *sender, f *failure) error {
	if !out.begun {
		return f
	}
	if err := out.add(f); err != nil {
		return err
	}
	return out.flush()
}

// record adds to the log what was asked for and done, in numbers.
func (j *job) record(w http.ResponseWriter) {
	u := j.usage()
	more := []slog.Attr{slog.Int("prompts", len(j.c.prompts)), slog.Int("rows", len(j.texts)), slog.Int("prompt_tokens", u.Prompt), slog.Int("written", j.tokens)}
	if !j.first.IsZero() {
		more = append(more, slog.Duration("first", j.first.Sub(j.begun)))
	}
	w.(*response).more = more
}
