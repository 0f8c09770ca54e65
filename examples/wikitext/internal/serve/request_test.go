package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

var testBounds = bounds{vocab: 256, prompt: 100, tokens: 50, choices: 8}

func TestReadCompletionRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	many := func(n int, s string) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }
	biases := make([]string, maxBiases+1)
	for i := range biases {
		biases[i] = fmt.Sprintf(`"%d":1`, i)
	}
	for _, test := range []struct{ body, param, want string }{
		{``, "", "want a JSON object: unexpected end of JSON input"},
		{` `, "", "unexpected end of JSON input"},
		{`{`, "", "unexpected end of JSON input"},
		{`null`, "", "got null"},
		{`[]`, "", "got an array"},
		{`"a"`, "", "got a string"},
		{`{"session": []}`, "session", "session: want a JSON object: got an array"},
		{`{"stream_options": "x"}`, "stream_options", "stream_options: want a JSON object: got a string"},
		{`{"logit_bias": 7}`, "logit_bias", "logit_bias: want a JSON object: got 7"},
		{`{}{}`, "", "invalid character '{' after top-level value"},
		{`{"prompt":"a"} x`, "", "invalid character 'x'"},
		{`{"prompt":"a",}`, "", "invalid character '}'"},
		{`{'prompt':'a'}`, "", `invalid character '\''`},
		{`{"prompt":NaN}`, "", "invalid character 'N'"},
		{`{"prompt":"\x"}`, "", "invalid character 'x' in string"},
		{"{\"prompt\":\"a\x00\"}", "", "in string literal"},
		{"{\"prompt\":\"\xff\"}", "", "want UTF-8"},
		{`{"prompt":"a","prompt":"b"}`, "", `got "prompt" twice`},
		{`{"prompt":` + deep + `}`, "", "at most 8 deep"},
		{`{"promt":"a"}`, "promt", `"promt" is no field`},
		{`{"PROMPT":"a"}`, "PROMPT", `"PROMPT" is no field`},
		{`{"messages":[]}`, "messages", "is no field"},
		{`{"prompt":1}`, "prompt", "want a string, or an array"},
		{`{"prompt":{}}`, "prompt", "got an object"},
		{`{"prompt":[]}`, "prompt", "not an empty one"},
		{`{"prompt":[[]]}`, "prompt", "want 1 to 100 ids in each array, got 0"},
		{`{"prompt":[["a"]]}`, "prompt", "got a string at 0"},
		{`{"prompt":[1,"a"]}`, "prompt", "got a string at 1"},
		{`{"prompt":["a",1]}`, "prompt", "want all strings or all arrays of ids, got 1 at 1"},
		{`{"prompt":[null]}`, "prompt", "got null at 0"},
		{`{"prompt":[256]}`, "prompt", "want ids in [0, 255], got 256 at 0"},
		{`{"prompt":[-1]}`, "prompt", "got -1 at 0"},
		{`{"prompt":[1.5]}`, "prompt", "got 1.5 at 0"},
		{`{"prompt":[99999999999999999999]}`, "prompt", "got 99999999999999999999"},
		{`{"prompt":[` + many(101, "1") + `]}`, "prompt", "want 1 to 100 ids in each array, got 101"},
		{`{"prompt":[` + many(9, `"a"`) + `]}`, "prompt", "want at most 8 prompts, got 9"},
		{`{"prompt":["a","b"],"n":5}`, "n", "want at most 8 choices in all, got 10"},
		{`{"n":0}`, "n", "want an integer in [1, 8], got 0"},
		{`{"n":9}`, "n", "got 9"},
		{`{"n":true}`, "n", "got true"},
		{`{"best_of":1,"n":2}`, "best_of", "want at least n = 2, got 1"},
		{`{"best_of":2,"stream":true}`, "best_of", "want n = 1 with stream, got 2"},
		{`{"max_tokens":51}`, "max_tokens", "want an integer in [0, 50], got 51"},
		{`{"max_tokens":-1}`, "max_tokens", "got -1"},
		{`{"max_tokens":0}`, "max_tokens", "want at least 1 unless"},
		{`{"max_tokens":"5"}`, "max_tokens", "got a string"},
		{`{"max_tokens":1e99}`, "max_tokens", "got 1e99"},
		{`{"max_tokens":2.5}`, "max_tokens", "got 2.5"},
		{`{"temperature":-0.1}`, "temperature", "want a number in [0, 2], got -0.1"},
		{`{"temperature":2.1}`, "temperature", "got 2.1"},
		{`{"temperature":1e999}`, "temperature", "got 1e999"},
		{`{"temperature":"hot"}`, "temperature", "got a string"},
		{`{"top_p":0}`, "top_p", "want a number in (0, 1], got 0"},
		{`{"top_p":1.01}`, "top_p", "got 1.01"},
		{`{"top_k":-1}`, "top_k", "got -1"},
		{`{"min_p":2}`, "min_p", "want a number in [0, 1], got 2"},
		{`{"repetition_penalty":0}`, "repetition_penalty", "got 0"},
		{`{"presence_penalty":3}`, "presence_penalty", "want a number in [-2, 2], got 3"},
		{`{"frequency_penalty":-3}`, "frequency_penalty", "got -3"},
		{`{"logprobs":21}`, "logprobs", "want an integer in [0, 20], got 21"},
		{`{"logprobs":true}`, "logprobs", "got true"},
		{`{"logprobs":1,"echo":true}`, "logprobs", "are not known"},
		{`{"echo":1}`, "echo", "want true or false, got 1"},
		{`{"stream":"yes"}`, "stream", "got a string"},
		{`{"stream_options":{"include_usage":true}}`, "stream_options", "want stream with it"},
		{`{"stream":true,"stream_options":{"usage":true}}`, "stream_options.usage", "is no field"},
		{`{"stream":true,"stream_options":[]}`, "stream_options", "want a JSON object"},
		{`{"stop":""}`, "stop", "want strings of 1 to 256 bytes, got 0"},
		{`{"stop":["a",""]}`, "stop", "got 0"},
		{`{"stop":[1]}`, "stop", "want a string or an array of strings"},
		{`{"stop":["` + strings.Repeat("a", 257) + `"]}`, "stop", "got 257"},
		{`{"stop":[` + many(17, `"a"`) + `]}`, "stop", "want at most 16 strings, got 17"},
		{`{"logit_bias":{"a":1}}`, "logit_bias", `got "a"`},
		{`{"logit_bias":{"256":1}}`, "logit_bias", `got "256"`},
		{`{"logit_bias":{"01":1}}`, "logit_bias", `got "01"`},
		{`{"logit_bias":{"1":101}}`, "logit_bias.1", "want a number in [-100, 100], got 101"},
		{`{"logit_bias":{"1":1,"1":2}}`, "logit_bias", "twice"},
		{`{"logit_bias":{` + strings.Join(biases, ",") + `}}`, "logit_bias", "want at most 1024 entries, got 1025"},
		{`{"logit_bias":[]}`, "logit_bias", "want a JSON object"},
		{`{"seed":1.5}`, "seed", "want an integer of 64 bits, got 1.5"},
		{`{"seed":"x"}`, "seed", "got a string"},
		{`{"user":1}`, "user", "want a string, got 1"},
		{`{"user":"` + strings.Repeat("u", 257) + `"}`, "user", "at most 256 bytes, got 257"},
		{`{"suffix":"end"}`, "suffix", "cannot be written by this model"},
		{`{"model":7}`, "model", "want a string, got 7"},
		{`{"session":"new"}`, "session", "want a JSON object"},
		{`{"session":{"form":"x"}}`, "session.form", "is no field"},
		{`{"session":{"keep":1}}`, "session.keep", "want true or false"},
		{`{"` + strings.Repeat("é", 400) + `":1}`, strings.Repeat("é", 40), "is no field"},
	} {
		c, f := readCompletion([]byte(test.body), testBounds)
		if f == nil {
			t.Errorf("%.60s: got %+v, want an error", test.body, c)
			continue
		}
		if f.status != http.StatusBadRequest || f.param != test.param || !strings.Contains(f.text, test.want) || len(f.text) > 500 {
			t.Errorf("%.60s: got %d, %q, %q, want 400, %q, %q", test.body, f.status, f.param, f.text, test.param, test.want)
		}
		if b, err := json.Marshal(f); err != nil || !strings.HasPrefix(string(b), `{"error":{"code":`) {
			t.Errorf("%.60s: got %s, %v", test.body, b, err)
		}
	}
}

func TestReadCompletionTakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		body string
		ok   func(c *completion) bool
	}{
		{`{}`, func(c *completion) bool {
			return len(c.prompts) == 1 && c.maxTokens == 16 && c.temperature == 1 && c.topP == 1 && c.n == 1 && c.logProbs == -1 && c.seed == nil
		}},
		{` {"prompt" : null, "stop": null, "seed": null, "logit_bias": null, "stream_options": null, "suffix": null, "n": null} `, func(c *completion) bool {
			return len(c.prompts) == 1 && c.stop == nil && c.seed == nil && c.n == 1
		}},
		{`{"max_tokens": 20.0, "top_k": 4e1, "seed": -1}`, func(c *completion) bool {
			return c.maxTokens == 20 && c.topK == 40 && *c.seed == 1<<64-1
		}},
		{`{"prompt":"\ud800é\"[[[[[[[[[[[["}`, func(c *completion) bool { return c.prompts[0].text == "\ufffdé\"[[[[[[[[[[[[" }},
		{`{"prompt":["a","b"],"n":4}`, func(c *completion) bool { return len(c.prompts) == 2 && c.bestOf == 4 }},
		{`{"prompt":[[1,2],[3]]}`, func(c *completion) bool { return c.prompts[0].ids[1] == 2 && c.prompts[1].ids[0] == 3 }},
		{`{"max_tokens":0,"session":{"keep":true}}`, func(c *completion) bool { return c.keep }},
		{`{"max_tokens":0,"echo":true}`, func(c *completion) bool { return c.echo }},
		{`{"stop":"x","min_p":0.5,"repetition_penalty":1.2,"session":{"from":"s"}}`, func(c *completion) bool {
			return c.stop[0] == "x" && c.minP == 0.5 && c.repetition == 1.2 && c.from == "s"
		}},
	} {
		c, f := readCompletion([]byte(test.body), testBounds)
		if f != nil {
			t.Errorf("%s: %v", test.body, f)
		} else if !test.ok(c) {
			t.Errorf("%s: got %+v", test.body, c)
		}
	}
}

// FuzzReadCompletion holds that no body panics, and that what is taken is within the
// bounds.
func FuzzReadCompletion(f *testing.F) {
	for _, s := range []string{
		`{"model":"s4","prompt":"a","max_tokens":5,"temperature":0.5,"top_p":0.9,"n":2,"stream":true,"stream_options":{"include_usage":true}}`,
		`{"prompt":["a","b"],"stop":["x"],"logprobs":3,"best_of":3,"user":"u","seed":-5,"suffix":null}`,
		`{"prompt":[[1,2],[3]],"logit_bias":{"3":-100},"echo":true,"presence_penalty":-2,"frequency_penalty":2}`,
		`{"prompt":[1,2.0],"top_k":3,"min_p":0.1,"repetition_penalty":1.5,"session":{"from":"x","keep":true},"max_tokens":0}`,
		`{"prompt":"\ud83d\ude00","prompt":[[[[[[[[[`, `{"a":1e400,"a":"\u0000"}`, "{\"prompt\":\"\xff\"}", `[]`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, fail := readCompletion(body, testBounds)
		if fail != nil {
			b, err := json.Marshal(fail)
			if err != nil || fail.status != http.StatusBadRequest || len(b) > 4096 || len(fail.param) > 256 {
				t.Errorf("got status %d and %d bytes of error, %v", fail.status, len(b), err)
			}
			return
		}
		rows := len(c.prompts) * c.bestOf
		ok := rows >= 1 && rows <= testBounds.choices && c.n >= 1 && c.n <= c.bestOf && c.maxTokens >= 0 && c.maxTokens <= testBounds.tokens &&
			c.temperature >= 0 && c.temperature <= 2 && c.topP > 0 && c.topP <= 1 && c.topK >= 0 && c.minP >= 0 && c.minP <= 1 &&
			c.repetition > 0 && c.logProbs >= -1 && c.logProbs <= maxRanked && len(c.stop) <= maxStops && len(c.bias) <= maxBiases
		for _, p := range c.prompts {
			ok = ok && len(p.ids) <= testBounds.prompt && (p.ids == nil || p.text == "")
			for _, id := range p.ids {
				ok = ok && id >= 0 && id < testBounds.vocab
			}
		}
		for id, v := range c.bias {
			ok = ok && id >= 0 && id < testBounds.vocab && v >= -100 && v <= 100
		}
		if !ok {
			t.Errorf("took %+v", c)
		}
	})
}
