package serve

import (
	"encoding/json"
	"math"
	"strconv"
)

// Limits of single fields that no configuration changes.
const (
	maxName   = 256  // bytes of a model, user or session
	maxStop   = 256  // bytes of a stop string
	maxStops  = 16   // of them
	maxBiases = 1024 // entries of logit_bias
	maxRanked = 20   // logprobs
)

// prompt is a text, or its ids.
type prompt struct {
	text string
	ids  []int // if it was given so
}

// completion is what a request asks for, with defaults where it says nothing.
type completion struct {
	model       string
	prompts     []prompt
	maxTokens   int
	n, bestOf   int
	stream      bool
	usage       bool // stream_options.include_usage
	logProbs    int  // -1: none
	echo        bool
	stop        []string
	seed        *uint64 // nil: any
	temperature float64
	topK        int
	topP, minP  float64
	repetition  float64
	presence    float64
	frequency   float64
	bias        map[int]float64
	ignoreEOS   bool
	from        string // the session to go on from
	keep        bool   // a session of what was written
}

// bounds are the limits that a request is read with.
type bounds struct{ vocab, prompt, tokens, choices int }

// readCompletion reads the body of a request. No prompt is the empty text.
func readCompletion(body []byte, b bounds) (*completion, *failure) {
	c := &completion{maxTokens: min(16, b.tokens), n: 1, logProbs: -1, temperature: 1, topP: 1, repetition: 1}
	o := readObject(body, "")
	o.text("model", maxName, &c.model)
	c.readPrompts(o, b)
	o.integer("max_tokens", 0, b.tokens, &c.maxTokens)
	o.integer("n", 1, b.choices, &c.n)
	c.bestOf = c.n
	o.integer("best_of", 1, b.choices, &c.bestOf)
	o.boolean("stream", &c.stream)
	o.integer("logprobs", 0, min(maxRanked, b.vocab), &c.logProbs)
	o.boolean("echo", &c.echo)
	c.readStop(o)
	o.boolean("ignore_eos", &c.ignoreEOS)
	c.readSampling(o, b)
	c.readBias(o, b.vocab)
	var user, suffix string
	o.text("user", maxName, &user) // is not needed
	o.text("suffix", maxName, &suffix)
	c.readStreamOptions(o)
	c.readSession(o)
	if err := o.end(); err != nil {
		return nil, err
	}
	return c, c.check(b, suffix)
}

// check reports fields that do not go with each other.
func (c *completion) check(b bounds, suffix string) *failure {
	rows := len(c.prompts) * max(c.n, c.bestOf)
	switch {
	case suffix != "":
		return wrong("suffix", "suffix: text before another cannot be written by this model")
	case c.bestOf < c.n:
		return wrong("best_of", "best_of: want at least n = %d, got %d", c.n, c.bestOf)
	case c.bestOf > c.n && c.stream:
		return wrong("best_of", "best_of: want n = %d with stream, got %d", c.n, c.bestOf)
	case rows > b.choices:
		return wrong("n", "n: want at most %d choices in all, got %d", b.choices, rows)
	case c.usage && !c.stream:
		return wrong("stream_options", "stream_options: want stream with it")
	case c.echo && c.logProbs >= 0:
		return wrong("logprobs", "logprobs: those of a prompt that is echoed are not known")
	case c.maxTokens == 0 && !c.echo && !c.keep:
		return wrong("max_tokens", "max_tokens: want at least 1 unless the prompt is echoed or a session kept, got 0")
	}
	return nil
}

// readPrompts reads the field prompt: a string, strings, ids, or arrays of ids.
func (c *completion) readPrompts(o *object, b bounds) {
	raw := o.take("prompt")
	if raw == nil {
		c.prompts = []prompt{{}}
		return
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		c.prompts = []prompt{{text: text}}
		return
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil || len(parts) == 0 {
		o.fail("prompt", "want a string, or an array of strings, of ids or of arrays of ids, and not an empty one, got %s", kindOf(raw))
		return
	}
	if kind := parts[0][0]; kind != '"' && kind != '[' {
		c.prompts = make([]prompt, 1)
		c.prompts[0].ids = readIDs(o, raw, b)
		return
	}
	if len(parts) > b.choices {
		o.fail("prompt", "want at most %d prompts, got %d", b.choices, len(parts))
		return
	}
	c.prompts = make([]prompt, len(parts))
	for i, p := range parts {
		if p[0] != parts[0][0] {
			o.fail("prompt", "want all strings or all arrays of ids, got %s at %d", kindOf(p), i)
		} else if p[0] == '[' {
			c.prompts[i].ids = readIDs(o, p, b)
		} else if json.Unmarshal(p, &c.prompts[i].text) != nil {
			o.fail("prompt", "want a string at %d", i)
		}
	}
}

// readIDs reads the ids of a prompt.
func readIDs(o *object, raw json.RawMessage, b bounds) []int {
	var numbers []json.RawMessage
	if json.Unmarshal(raw, &numbers) != nil || len(numbers) == 0 || len(numbers) > b.prompt {
		o.fail("prompt", "want 1 to %d ids in each array, got %d", b.prompt, len(numbers))
		return nil
	}
	ids := make([]int, len(numbers))
	for i, n := range numbers {
		id, err := whole(n)
		if err != nil || id < 0 || id >= int64(b.vocab) {
			o.fail("prompt", "want ids in [0, %d], got %s at %d", b.vocab-1, kindOf(n), i)
			return nil
		}
		ids[i] = int(id)
	}
	return ids
}

// readStop reads the field stop: a string, or an array of them.
func (c *completion) readStop(o *object) {
	raw := o.take("stop")
	if raw == nil {
		return
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		c.stop = []string{one}
	} else if json.Unmarshal(raw, &c.stop) != nil {
		o.fail("stop", "want a string or an array of strings, got %s", kindOf(raw))
	}
	if len(c.stop) > maxStops {
		o.fail("stop", "want at most %d strings, got %d", maxStops, len(c.stop))
	}
	for _, s := range c.stop {
		if len(s) == 0 || len(s) > maxStop {
			o.fail("stop", "want strings of 1 to %d bytes, got %d", maxStop, len(s))
		}
	}
}

// readSampling reads the numbers that say how a token is chosen.
func (c *completion) readSampling(o *object, b bounds) {
	o.number("temperature", "in [0, 2]", within(0, 2), &c.temperature)
	o.integer("top_k", 0, math.MaxInt32, &c.topK)
	o.number("top_p", "in (0, 1]", func(v float64) bool { return v > 0 && v <= 1 }, &c.topP)
	o.number("min_p", "in [0, 1]", within(0, 1), &c.minP)
	o.number("repetition_penalty", "in [0.01, 100]", within(0.01, 100), &c.repetition)
	o.number("presence_penalty", "in [-2, 2]", within(-2, 2), &c.presence)
	o.number("frequency_penalty", "in [-2, 2]", within(-2, 2), &c.frequency)
	if raw := o.take("seed"); raw != nil {
		i, err := whole(raw)
		if err != nil {
			o.fail("seed", "want an integer of 64 bits, got %s", kindOf(raw))
		}
		seed := uint64(i)
		c.seed = &seed
	}
}

// readBias reads the field logit_bias: an object of ids and numbers.
func (c *completion) readBias(o *object, vocab int) {
	raw := o.take("logit_bias")
	if raw == nil {
		return
	}
	in := readObject(raw, "logit_bias.")
	if in.err == nil && len(in.fields) > maxBiases {
		in.err = wrong("logit_bias", "logit_bias: want at most %d entries, got %d", maxBiases, len(in.fields))
	}
	if in.err != nil {
		o.err = in.err
		return
	}
	c.bias = map[int]float64{}
	for name := range in.fields {
		id, err := strconv.Atoi(name)
		if err != nil || id < 0 || id >= vocab || strconv.Itoa(id) != name {
			o.fail("logit_bias", "want names that are ids in [0, %d], got %.80q", vocab-1, name)
			return
		}
		var v float64
		in.number(name, "in [-100, 100]", within(-100, 100), &v)
		c.bias[id] = v
	}
	o.err = in.end()
}

// readStreamOptions reads the field stream_options.
func (c *completion) readStreamOptions(o *object) {
	if raw := o.take("stream_options"); raw != nil {
		in := readObject(raw, "stream_options.")
		in.boolean("include_usage", &c.usage)
		o.err = in.end()
	}
}

// readSession reads the field session.
func (c *completion) readSession(o *object) {
	if raw := o.take("session"); raw != nil {
		in := readObject(raw, "session.")
		in.text("from", maxName, &c.from)
		in.boolean("keep", &c.keep)
		o.err = in.end()
	}
}

// seedOf is the seed of a choice, given one for requests that have none.
func (c *completion) seedOf(choice int, any uint64) uint64 {
	if c.seed != nil {
		any = *c.seed
	}
	return any + uint64(choice)
}
