package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/examples/internal/experiment/experimenttest"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train"
)

func TestPresets(t *testing.T) { experimenttest.Presets(t, program) }

func TestEveryOption(t *testing.T) {
	experimenttest.EveryOption(t, program, map[string][]string{
		"vocab-size": {"0", "300", "50000"}, "min-freq": {"0", "3"}, "tokenizer-file": {"", "x"}, "val-fraction": {"-1", "0", "0.1"}, "test-fraction": {"-1", "0", "0.1"},
		"length": {"1", "77", "8192"}, "d-embed": {"0"}, "cutoffs": {"", "100,1000"}, "div-val": {"0"}, "mixers": {"0", "1", "2"}, "feed-forward": {"0", "3", "4096"},
	})
}

func TestHelp(t *testing.T) { experimenttest.HelpFits(t, program) }

func TestQuickPresetEndsWithinTenMinutes(t *testing.T) {
	r, err := program.Check(nil, 96000, 256)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Duration(r.Train.MaxDuration); d == 0 || d > 570*time.Second {
		t.Errorf("MaxDuration %v leaves no room for the data, the test and the samples in ten minutes", d)
	}
}

// must runs a command line that has no error.
func must(t *testing.T, args ...string) string {
	t.Helper()
	return experimenttest.MustRun(t, program, args...)
}

// wrong runs a command line whose error has to contain something.
func wrong(t *testing.T, want string, args ...string) {
	t.Helper()
	out, err := experimenttest.Run(t, t.Context(), program, args...)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("wikitext %s: got error %v, want one with %q\n%s", strings.Join(args, " "), err, want, out)
	}
}

// write makes a text of lines that repeat, and returns its path.
func write(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text.txt")
	var b bytes.Buffer
	for i := range 400 {
		fmt.Fprintf(&b, "The %s of number %d is\nno more than the %s of it.\n\n", []string{"sum", "root", "half"}[i%3], i%7, []string{"eye", "end"}[i%2])
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// smoke returns the command line of a run of the preset smoke, with its directory.
func smoke(t *testing.T, text string, more ...string) (dir string, args []string) {
	dir = filepath.Join(t.TempDir(), "run")
	return dir, append([]string{"-preset", "smoke", "-data", text, "-cache", cache(text), "-out", dir}, more...)
}

// cache is where the tokens of a text are kept.
func cache(text string) string { return filepath.Join(filepath.Dir(text), "cache") }

// trainSmoke trains by the preset smoke.
func trainSmoke(t *testing.T, text string, more ...string) string {
	t.Helper()
	dir, args := smoke(t, text, more...)
	must(t, args...)
	return dir
}

func TestSmokePresetRunsEveryPart(t *testing.T) {
	text := write(t)
	dir, args := smoke(t, text, "-report")
	out := must(t, args...)
	for _, want := range []string{"of a vocabulary of 256 (byte)", "perplexity", "bits_per_byte", "evaluation at step 20", "finished after 20 steps", "a sample, behind"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	test, err := report.ReadTest(dir)
	if err != nil || test.Classes != nil || test.Confusion != nil || len(test.Samples) != samples || test.Headline != "perplexity" {
		t.Errorf("got the test %+v (%v)", test, err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil || !strings.Contains(string(page), "what the model goes on with") || strings.Contains(strings.ToLower(string(page)), "confusion of") {
		t.Errorf("the page has no samples, or a confusion (%v)", err)
	}
	if out := must(t, append(args, "-resume")...); !strings.Contains(out, "model in ") {
		t.Errorf("-resume does not repeat the test:\n%s", out)
	}
	// Without the text and what is kept of it: a run is what its model takes.
	lines := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(lines, []byte("The sum of it.\nno\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(text), os.RemoveAll(cache(text))); err != nil {
		t.Fatal(err)
	}
	if out := must(t, "predict", "-run", filepath.Join(dir, "model"), lines); strings.Count(out, `"perplexity":`) != 2 {
		t.Errorf("predict: %s", out)
	}
	must(t, "generate", "-run", filepath.Join(dir, "model"), "-max-tokens", "3")
}

// testLine is the line of the result, which the same run must repeat.
var testLine = regexp.MustCompile(`test perplexity .*`)

func TestResumedRunEqualsUnbroken(t *testing.T) {
	text := write(t)
	for _, more := range [][]string{
		{"-tokenizer", "bpe", "-vocab-size", "300", "-tie"},
		{"-model", "transformer", "-tokenizer", "char"},
	} {
		more = append(more, "-dropout", "0.1")
		whole, args := smoke(t, text, more...)
		unbroken := must(t, args...)
		cut, args := smoke(t, text, more...)
		// Stop in the middle of an epoch, as Ctrl-C does, and go on.
		ctx, cancel := context.WithCancel(t.Context())
		err := program.Run(ctx, args, nil, &cancelWriter{at: "evaluation at step 10", cancel: cancel})
		cancel()
		if stop := new(train.InterruptedError); !errors.As(err, &stop) || stop.Step != 10 {
			t.Fatalf("%q: got error %v, want an interruption after step 10", more, err)
		}
		resumed := must(t, append(args, "-resume")...)
		if got, want := testLine.FindString(resumed), testLine.FindString(unbroken); got != want || want == "" {
			t.Errorf("%q: resumed: %s\nunbroken: %s", more, got, want)
		}
		name := filepath.Join("model", "model.safetensors")
		a, errA := os.ReadFile(filepath.Join(whole, name))
		b, errB := os.ReadFile(filepath.Join(cut, name))
		if err := errors.Join(errA, errB); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%q: the resumed run ends with other parameters than the unbroken one (%v)", more, err)
		}
	}
}

// cancelWriter ends a context when it is told of something, in so many bytes at least.
type cancelWriter struct {
	bytes.Buffer
	at     string
	least  int
	cancel context.CancelFunc
}

func (w *cancelWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

func (w *cancelWriter) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if w.Len() >= w.least && strings.Contains(w.Buffer.String(), w.at) {
		w.cancel()
	}
	return n, err
}

// A state is carried only where it keeps its size, unless that is asked for.
func TestCarryGoesByTheModel(t *testing.T) {
	for _, c := range []struct {
		args  []string
		carry bool
	}{
		{nil, true}, {[]string{"-model", "lstm"}, true}, {[]string{"-model", "retnet"}, true}, {[]string{"-model", "mega"}, true}, {[]string{"-carry=false"}, false}, {[]string{"-model", "transformer"}, false},
		{[]string{"-model", "transformer", "-window", "8"}, true}, {[]string{"-model", "transformer", "-carry"}, true},
	} {
		r, err := program.Check(append([]string{"-preset", "smoke"}, c.args...), 100, 16)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Data.(*textOptions).Carry; got != c.carry || r.Train.InOrder != c.carry {
			t.Errorf("%q: carry %v, in order %v, want %v", c.args, got, r.Train.InOrder, c.carry)
		}
	}
	_, args := smoke(t, write(t), "-model", "transformer", "-carry")
	wrong(t, "whose state keeps its size", args...)
}

// A line is a paragraph, which may be long.
func TestPredictLongLine(t *testing.T) {
	dir := trainSmoke(t, write(t))
	file := filepath.Join(t.TempDir(), "lines")
	for n, want := range map[int]string{5000: "", maxLine + 1: "lines:1: want a line of at most 1048576 bytes"} {
		if err := os.WriteFile(file, bytes.Repeat([]byte("x"), n), 0o600); err != nil {
			t.Fatal(err)
		}
		if want != "" {
			wrong(t, want, "predict", "-run", dir, file)
		} else if out := must(t, "predict", "-run", dir, file); strings.Count(out, `"perplexity":`) != 1 {
			t.Errorf("got %s", out)
		}
	}
}

// A vocabulary is that of the model, and another one is an error that says so.
func TestAnotherVocabulary(t *testing.T) {
	text := write(t)
	dir, args := smoke(t, text, "-tokenizer", "bpe", "-vocab-size", "300")
	must(t, args...)
	const differs = "want the vocabulary that the model was trained with, 300 tokens"
	for _, other := range [][]string{{"-vocab-size", "290"}, {"-tokenizer", "byte"}} {
		wrong(t, differs, append(append(args, "-resume"), other...)...)
	}
	file := filepath.Join(t.TempDir(), "char.json")
	must(t, "tokenize", "-data", text, "-cache", cache(text), "-tokenizer", "char", "-save", file)
	_, next := smoke(t, text, "-init-from", dir)
	if out := must(t, next...); !strings.Contains(out, "parameters from") || !strings.Contains(out, "of a vocabulary of 300 (bpe)") {
		t.Errorf("-init-from does not take the vocabulary:\n%s", out)
	}
	for _, other := range [][]string{{"-tokenizer-file", file}, {"-tokenizer", "byte"}} {
		_, next = smoke(t, text, append(other, "-init-from", dir)...)
		wrong(t, "-init-from: "+differs, next...)
	}
	// The tokenizer of another model beside this one.
	other := trainSmoke(t, text)
	b, err := os.ReadFile(filepath.Join(other, "model", "task.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "model", "task.json"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	wrong(t, "the model is of another vocabulary: want the 300 tokens", "generate", "-run", dir)
}

func TestEval(t *testing.T) {
	text := write(t)
	dir := trainSmoke(t, text)
	measure := func(more ...string) *train.TextResult {
		out := must(t, append([]string{"eval", "-run", dir, "-cache", cache(text), "-json", "-"}, more...)...)
		r := new(train.TextResult)
		if err := json.Unmarshal([]byte(out), r); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return r
	}
	carried, windows := measure(), measure("-mode", "windows")
	if carried.Mode != train.TextCarried || windows.Mode != train.TextWindows {
		t.Errorf("got modes %q and %q", carried.Mode, windows.Mode)
	}
	for _, r := range []*train.TextResult{carried, windows, measure("-mode", "sliding", "-stride", "4", "-length", "12"), measure("-split", "val", "-batch", "3")} {
		if r.Vocabulary == "" || r.Tokens < 100 || !(r.Perplexity > 1 && r.Perplexity < 257) || !(r.BitsPerByte > 0 && r.BitsPerByte < 8.1) || !(r.WordPerplexity > r.Perplexity) {
			t.Errorf("got %+v", r)
		}
	}
	if all := measure("-data", text); all.Tokens <= measure("-data", text, "-split", "train").Tokens {
		t.Errorf("all of the text is %d tokens", all.Tokens)
	}
	if windows.Tokens != carried.Tokens {
		t.Errorf("windows tell %d tokens, a carried state %d", windows.Tokens, carried.Tokens)
	}
	if out := must(t, "eval", "-run", dir, "-cache", cache(text)); !strings.Contains(out, "256 tokens (byte") {
		t.Errorf("no vocabulary in %q", out)
	}
	for want, args := range map[string][]string{
		"-stride is about -mode sliding": {"-stride", "3"}, "-length: want >= 0": {"-length", "-1"}, "-mode": {"-mode", "x"},
		"want -stride in [1, 16], the -length": {"-mode", "sliding", "-stride", "17"},
	} {
		wrong(t, want, append([]string{"eval", "-run", dir}, args...)...)
	}
	wrong(t, "want -run DIR", "eval")
}

func TestGenerate(t *testing.T) {
	text := write(t)
	dir := trainSmoke(t, text)
	generate := func(more ...string) string {
		return must(t, append([]string{"generate", "-run", dir}, more...)...)
	}
	seed := []string{"-prompt", "The sum", "-max-tokens", "40", "-seed", "7"}
	a := generate(seed...)
	if b := generate(seed...); a != b || !strings.HasPrefix(a, "The sum") || len(a) < 12 {
		t.Errorf("with a seed: %q and %q", a, b)
	}
	if b := generate("-prompt", "The sum", "-max-tokens", "40", "-seed", "8"); a == b {
		t.Errorf("another seed writes the same: %q", b)
	}
	if b := generate("-prompt", "The sum", "-max-tokens", "40", "-temperature", "0"); b != generate("-prompt", "The sum", "-max-tokens", "40", "-temperature", "0") {
		t.Errorf("without drawing: %q", b)
	}
	lines := strings.Split(strings.TrimSpace(generate(append(seed, "-n", "2", "-json")...)), "\n")
	var w [2]written
	for i := range lines {
		if err := json.Unmarshal([]byte(lines[i]), &w[i]); err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) != 2 || "The sum"+w[0].Text+"\n" != a || *w[1].Seed != 8 || w[0].Usage.Completion != 40 || w[0].FinishReason != "length" {
		t.Errorf("got %q of %q", lines, a)
	}
	if b := generate("-prompt", "The", "-beam", "3", "-n", "2", "-max-tokens", "5"); strings.Count(b, "--- ") != 2 {
		t.Errorf("beams: %q", b)
	}
	if line := generate("-prompt", "The", "-beam", "3", "-max-tokens", "5", "-json"); json.Unmarshal([]byte(line), &w[0]) != nil || w[0].Usage.Prompt != 3 || w[0].Usage.Completion != 5 || w[0].Score == nil {
		t.Errorf("beams: got %q", line)
	}
	file := filepath.Join(t.TempDir(), "prompt")
	if err := os.WriteFile(file, []byte("The sum"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := program.Run(t.Context(), []string{"generate", "-run", dir, "-prompt-file", "-", "-max-tokens", "40", "-seed", "7"}, strings.NewReader("The sum"), &out)
	if b := generate("-prompt-file", file, "-max-tokens", "40", "-seed", "7"); err != nil || "The sum"+b != a || out.String() != b {
		t.Errorf("of a file %q, of standard input %q (%v), want the end of %q", b, out.String(), err, a)
	}
}

// A state goes on as if it had never been kept, and is of its own model alone.
func TestGenerateState(t *testing.T) {
	text := write(t)
	dir := trainSmoke(t, text)
	file := filepath.Join(t.TempDir(), "state")
	args := []string{"generate", "-run", dir, "-seed", "3"}
	whole := must(t, append(args, "-prompt", "The sum", "-max-tokens", "30")...)
	first := must(t, append(args, "-prompt", "The sum", "-max-tokens", "10", "-state", file)...)
	second := must(t, append(args, "-max-tokens", "20", "-state", file)...)
	if got := strings.TrimSuffix(first, "\n") + second; got != whole {
		t.Errorf("in two parts %q, whole %q", got, whole)
	}
	must(t, append(args, "-prompt", " and", "-max-tokens", "0", "-state", file)...)
	other := trainSmoke(t, text, "-seed", "1")
	wrong(t, "-state: "+file+": want a state of this model", "generate", "-run", other, "-state", file)
	bytewise := trainSmoke(t, text, "-tokenizer", "char")
	wrong(t, "want a state of a model with the vocabulary", "generate", "-run", bytewise, "-state", file)
	for _, broken := range []string{"", "x", "wikitext state {}\n", "wikitext state {\"vocabulary\": 3}\n"} {
		if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		wrong(t, "-state: "+file, append(args, "-state", file)...)
	}
}

func TestGenerateBadOptions(t *testing.T) {
	for want, args := range map[string][]string{
		"-top-p":                              {"-top-p", "0"},
		"-temperature":                        {"-temperature", "-1"},
		"-top-k":                              {"-top-k", "-1"},
		"-min-p":                              {"-min-p", "2"},
		"-repetition-penalty":                 {"-repetition-penalty", "-1"},
		"-repetition-penalty: want":           {"-repetition-penalty", "0"},
		"want -beam in [1, 1024], got 999999": {"-beam", "99999999999"},
		"-max-tokens":                         {"-max-tokens", "-1"},
		"-n: want >= 1":                       {"-n", "0"},
		"-n: want no more than the 2":         {"-beam", "2", "-n", "3"},
		"-seed is about drawing":              {"-beam", "2", "-seed", "3"},
		"-prompt and -prompt-file":            {"-prompt", "x", "-prompt-file", "y"},
		"-prompt-file: open":                  {"-prompt-file", "nowhere"},
		"-state is of one text":               {"-state", "x", "-n", "2"},
		"want -run DIR":                       nil,
		"(-h lists the options)":              {"-colour"},
		"-prompt-file: there is no standard":  {"-prompt-file", "-"},
	} {
		wrong(t, want, append([]string{"generate"}, args...)...)
	}
}

// Ctrl-C ends a text behind the token that is being written, and keeps the state.
func TestGenerateIsInterrupted(t *testing.T) {
	text := write(t)
	dir := trainSmoke(t, text)
	file := filepath.Join(t.TempDir(), "state")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &cancelWriter{least: 100, cancel: cancel}
	err := program.Run(ctx, []string{"generate", "-run", dir, "-prompt", "The sum", "-seed", "1", "-max-tokens", "1000000", "-state", file}, nil, w)
	if err == nil || !strings.Contains(err.Error(), "interrupted after ") || !strings.HasSuffix(w.String(), "\n") || w.Len() > 1000 {
		t.Errorf("got error %v behind %d bytes", err, w.Len())
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// Ctrl-C ends a search with what it has found, and is told of.
func TestSearchIsInterrupted(t *testing.T) {
	dir := trainSmoke(t, write(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out, err := experimenttest.Run(t, ctx, program, "generate", "-run", dir, "-prompt", "The sum", "-beam", "2", "-max-tokens", "1000000")
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got error %v\n%s", err, out)
	}
}

// A search counts the tokens of its prompt.
func TestSearchCountsThePrompt(t *testing.T) {
	dir := trainSmoke(t, write(t))
	for prompt, want := range map[string]int{"": 1, "The sum": 7} {
		var w written
		out := must(t, "generate", "-run", dir, "-prompt", prompt, "-beam", "2", "-max-tokens", "3", "-json")
		if err := json.Unmarshal([]byte(out), &w); err != nil || w.Usage.Prompt != want || w.Usage.Completion != 3 {
			t.Errorf("%q: want %d tokens of the prompt, got %s (%v)", prompt, want, out, err)
		}
	}
}

// Where nothing can be written is known before anything is read or written.
func TestUnwritable(t *testing.T) {
	text := write(t)
	dir := trainSmoke(t, text)
	for option, args := range map[string][]string{
		"-json":  {"eval", "-run", dir, "-cache", cache(text), "-json"},
		"-state": {"generate", "-run", dir, "-max-tokens", "3", "-state"},
		"-save":  {"tokenize", "-data", text, "-cache", cache(text), "-save"},
	} {
		for _, path := range []string{t.TempDir(), filepath.Join(text, "x")} {
			out, err := experimenttest.Run(t, t.Context(), program, append(args, path)...)
			if err == nil || !strings.HasPrefix(err.Error(), option+": ") || out != "" {
				t.Errorf("%s %s: got error %v behind %q", option, path, err, out)
			}
		}
	}
	wrong(t, "-state: ", "generate", "-run", dir, "-max-tokens", "3", "-state", filepath.Join(t.TempDir(), "no", "x"))
}

func TestTokenize(t *testing.T) {
	text := write(t)
	file := filepath.Join(t.TempDir(), "bpe.json")
	args := []string{"tokenize", "-data", text, "-cache", cache(text)}
	out := must(t, append(args, "-tokenizer", "bpe", "-vocab-size", "300", "-save", file, "-text", "The sum")...)
	for _, want := range []string{"tokenizer: bpe, 300 tokens", "training", "validation", "test", "bytes/token", "first: ", "tokens: "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out := must(t, "tokenize", "-tokenizer-file", file, "-text", "The sum"); !strings.Contains(out, `"The"`) || strings.Contains(out, "training") {
		t.Errorf("got %s", out)
	}
	if out := must(t, append(args, "-tokenizer", "word", "-vocab-size", "8")...); !strings.Contains(out, "word, 8 tokens") || !regexp.MustCompile(`training .* [1-9][0-9]*\.[0-9]+%`).MatchString(out) {
		t.Errorf("got %s", out)
	}
	dir := trainSmoke(t, text, "-tokenizer-file", file)
	if out := must(t, "tokenize", "-run", dir, "-text", "of it"); !strings.Contains(out, "tokens: ") {
		t.Errorf("got %s", out)
	}
	wrong(t, "-run and -tokenizer-file", "tokenize", "-run", dir, "-tokenizer-file", file)
	wrong(t, "-tokenizer-file: ", "tokenize", "-tokenizer-file", text)
}

// Bad texts have errors that say what is wrong.
func TestBadText(t *testing.T) {
	for text, want := range map[string]string{"": "", "x": "want"} {
		path := filepath.Join(t.TempDir(), "text.txt")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, args := smoke(t, path)
		wrong(t, want, args...)
	}
	_, args := smoke(t, "nowhere")
	wrong(t, "nowhere", args...)
	text := write(t)
	_, args = smoke(t, text, "-tokenizer", "bpe", "-vocab-size", "10")
	wrong(t, "want a -vocab-size >= 256", args...)
	_, args = smoke(t, text, "-tokenizer-file", text)
	wrong(t, "-tokenizer-file: ", args...)
}

// A server answers by the completions protocol, and ends with its context.
func TestServe(t *testing.T) {
	dir := trainSmoke(t, write(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := program.Run(ctx, []string{"serve", "-run", dir, "-addr", "127.0.0.1:0", "-quiet", "-grace", "1s"}, nil, w)
		w.CloseWithError(err)
		ended <- err
	}()
	line := make([]byte, 1000)
	n, err := r.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, r)
	at := regexp.MustCompile(`http://[^/]+`).FindString(string(line[:n]))
	answer, err := http.Post(at+"/v1/completions", "application/json", strings.NewReader(`{"model": "run", "prompt": "The", "max_tokens": 5, "seed": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), `"completion_tokens":5`) {
		t.Errorf("got %s: %s (%v)", answer.Status, body, err)
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	wrong(t, "-addr: ", "serve", "-run", dir, "-addr", taken.Addr().String())
	wrong(t, "-max-body", "serve", "-run", dir, "-max-body", "-1")
	wrong(t, "-timeout >= 0, got -1s", "serve", "-run", dir, "-timeout", "-1s")
	wrong(t, "-rows >= 0, got -1", "serve", "-run", dir, "-rows", "-1")
	wrong(t, "-queue >= -1, got -2", "serve", "-run", dir, "-queue", "-2")
}

func FuzzDecodeState(f *testing.F) {
	of := stateHead{Vocabulary: "v", Model: "m"}
	f.Add([]byte("wikitext state {\"vocabulary\":\"v\",\"model\":\"m\"}\nx"))
	f.Add([]byte("wikitext state {}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := decodeState(b, of); err == nil && x.Batch() < 0 {
			t.Error("a state of no batch")
		}
	})
}

// The preset paper is the published model.
func TestPaperPreset(t *testing.T) {
	r, err := program.Check([]string{"-preset", "paper"}, 1000, 8192)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Data.Shape()
	s.Vocab = 267735
	c, err := r.Config(s, 8192)
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.(models.LanguageModelConfig)
	for i := range cfg.Stack.Blocks { // which is the default
		cfg.Stack.Blocks[i].Norm = ""
	}
	got, errGot := json.Marshal(cfg)
	want, errWant := json.Marshal(models.PaperLanguageModel(8192))
	if err := errors.Join(errGot, errWant); err != nil || strings.Replace(string(got), `"ff":4096,`, "", 1) != string(want) {
		t.Errorf("got %s, want %s (%v)", got, want, err)
	}
	if r.Train.LR != 5e-4 || r.Train.WeightDecay != 0.1 || r.Train.BatchSize != 8 || r.Train.Schedule.WarmUp != 1000 || r.Train.Steps != 800000 {
		t.Errorf("got %+v", r.Train)
	}
}

// What a text is too short for is told in the words of the command line.
func TestTooShort(t *testing.T) {
	text := write(t)
	_, args := smoke(t, text, "-preset", "paper", "-d-model", "8", "-layers", "1", "-feed-forward", "8")
	wrong(t, "-cutoffs", args...)
	_, args = smoke(t, text, "-batch", "100000")
	wrong(t, "want more than 100000 tokens", args...)
}

// A text may be for training alone.
func TestWithoutHeldOut(t *testing.T) {
	_, args := smoke(t, write(t), "-val-fraction", "-1", "-test-fraction", "-1")
	if out := must(t, args...); !strings.Contains(out, "model in ") || strings.Contains(out, "validation") {
		t.Errorf("got %s", out)
	}
}

// The states of streams go on on the rank that has them.
func TestReplicas(t *testing.T) {
	experimenttest.Replicas(t, program, taskName, "-limit", "64")
	_, err := experimenttest.Run(t, t.Context(), program, "-preset", "smoke", "-out", t.TempDir(), "-replicas", "3")
	if want := "-replicas: want a number of ranks that divides the 4 streams of -"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}
