package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/examples/internal/experiment/experimenttest"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// writeAll writes files, by their names with slashes, below a folder.
func writeAll(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// writeIMDB writes files as published, 20 reviews to train with and 8 to test with.
func writeIMDB(t *testing.T) string {
	t.Helper()
	files := map[string]string{}
	for part, n := range map[string]int{"train": 10, "test": 4} {
		for i := range n {
			files[fmt.Sprintf("aclImdb/%s/neg/%d_1.txt", part, i)] = fmt.Sprintf("Number %d is a bad film. <br />", i)
			files[fmt.Sprintf("aclImdb/%s/pos/%d_9.txt", part, i)] = fmt.Sprintf("Number %d is a good film.", i)
		}
	}
	return writeAll(t, t.TempDir(), files)
}

// quickly are options of a run of a few steps.
func quickly(dir string) []string {
	return []string{"-preset", "smoke", "-out", filepath.Join(dir, "run"), "-cache", filepath.Join(dir, "cache"), "-steps", "2", "-warmup", "0", "-eval-every", "1"}
}

func TestTextTask(t *testing.T) {
	dir := t.TempDir()
	out := mustRun(t, append(quickly(dir), "-task", "text")...)
	for _, want := range []string{"made-up reviews: 64 training, 64 validation, 64 test examples", "validation is on the test reviews", "test accuracy", "50.00 % of the test examples"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	imdb := writeIMDB(t)
	for _, args := range [][]string{{"-data", imdb, "-val-fraction", "0.25"}, {"-data", "../../train/data/hub/testdata/imdb", "-level", "byte"}} {
		dir := t.TempDir()
		for _, again := range []string{"", "-overwrite"} {
			args := append(append(quickly(dir), "-task", "text"), args...)
			if again != "" {
				args = append(args, again)
			}
			out := mustRun(t, args...)
			if want := "IMDB: 15 training, 5 validation, 8 test examples"; args[len(args)-1] == "0.25" && !strings.Contains(out, want) || !strings.Contains(out, "test accuracy") {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		if files, err := filepath.Glob(filepath.Join(dir, "cache", "imdb-*")); err != nil || len(files) != 1 {
			t.Errorf("cached %q, %v", files, err)
		}
	}
	// What the model has to be kept with is beside it.
	saved, err := os.ReadFile(filepath.Join(dir, "run", "model", "task.json"))
	if err != nil || !strings.Contains(string(saved), `"chars"`) {
		t.Errorf("task.json: %s, %v", saved, err)
	}
}

// Other reviews are read with the vocabulary of the model that reads them: one that
// means to measure it, and one that goes on from it.
func TestTextTaskOfATrainedModel(t *testing.T) {
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	mustRun(t, append(quickly(dir), "-task", "text")...)
	task := func(run string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(run, "model", "task.json"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	others := writeIMDB(t)
	if out := mustRun(t, "eval", "-run", run, "-data", others, "-cache", filepath.Join(dir, "cache")); !strings.Contains(out, "IMDB: 20 training, 8 validation, 8 test examples") {
		t.Errorf("others are not measured:\n%s", out)
	}
	tuned := t.TempDir()
	out := mustRun(t, append(quickly(tuned), "-task", "text", "-data", others, "-init-from", run)...)
	if !strings.Contains(out, "parameters from "+run) || task(filepath.Join(tuned, "run")) != task(run) {
		t.Errorf("another vocabulary, or no parameters:\n%s", out)
	}
	for _, from := range []string{filepath.Join(run, "best.json"), filepath.Join(run, "model", "model.safetensors"), filepath.Join(run, "start")} {
		next := t.TempDir()
		mustRun(t, append(quickly(next), "-task", "text", "-data", others, "-init-from", from)...)
		if task(filepath.Join(next, "run")) != task(run) {
			t.Errorf("another vocabulary from %s", from)
		}
	}
	longer := t.TempDir()
	mustRun(t, append(quickly(longer), "-task", "text", "-data", others, "-init-from", run, "-l-max", "99")...)
	if got := task(filepath.Join(longer, "run")); !strings.Contains(got, `"l_max": 99`) || !strings.Contains(got, chars(t, task(run))) {
		t.Errorf("-l-max 99: got %s, want the characters of %s", got, task(run))
	}
	if err := os.WriteFile(filepath.Join(run, "model", "task.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lra(t, t.Context(), append(quickly(t.TempDir()), "-task", "text", "-data", others, "-init-from", run)...); err == nil || !strings.Contains(err.Error(), "-init-from: "+filepath.Join(run, "model", "task.json")) {
		t.Errorf("damaged task.json: got error %v", err)
	}
	if err := os.RemoveAll(run); err != nil {
		t.Fatal(err)
	}
	mustRun(t, append(quickly(tuned), "-task", "text", "-data", others, "-init-from", run, "-resume")...)
	anew := t.TempDir()
	mustRun(t, append(quickly(anew), "-task", "text", "-data", others)...)
	if task(filepath.Join(anew, "run")) == task(filepath.Join(tuned, "run")) {
		t.Error("the same vocabulary without -init-from")
	}
}

// chars returns the characters of the vocabulary in a task.json.
func chars(t *testing.T, text string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, `"chars": `)
	line, _, _ := strings.Cut(after, "\n")
	if !ok {
		t.Fatalf("no characters in %s", text)
	}
	return line
}

func TestSmokeOfTexts(t *testing.T) {
	dir := writeAll(t, t.TempDir(), map[string]string{
		"texts.txt": "a dull film\n{\"text\": \"superb, naïve\", \"label\": \"positive\"}\n\x00\xff\n",
		"pairs.txt": "a dull film\ta fine film\n{\"text1\": \"superb\", \"text2\": \"lovely\", \"label\": 1}\n",
	})
	experimenttest.Smoke(t, program, "text", filepath.Join(dir, "texts.txt"))
	experimenttest.Smoke(t, program, "text", filepath.Join(dir, "texts.txt"), "-data", writeIMDB(t), "-level", "byte")
	experimenttest.Smoke(t, program, "retrieval", filepath.Join(dir, "pairs.txt"))
}

func TestTextTaskErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"-task text needs -data":                       {"-generated", "0"},
		"-generated: want 0 or in [8, 1048576], got 3": {"-generated", "3"},
		"-l-max: want 0 for the default or in [2, ":    {"-l-max", "1"},
		"-min-freq: want 0 for the default or >= 1":    {"-min-freq", "-1"},
		"-val-fraction: want in [0, 1), got 1":         {"-val-fraction", "1"},
		`invalid value "word" for flag -level`:         {"-level", "word"},
		"no data: want files train/neg/*.txt":          {"-data", t.TempDir()},
		"test: want negative reviews, got none":        {"-data", writeAll(t, t.TempDir(), map[string]string{"train/neg/1.txt": "a", "train/pos/1.txt": "b"})},
	} {
		dir := t.TempDir()
		if _, err := lra(t, t.Context(), append(append(quickly(dir), "-task", "text"), args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
}

// readings returns what a codec reads of a text.
func readings(t *testing.T, c experiment.Codec, content string) (got []experiment.Example, err error) {
	t.Helper()
	err = c.Read(strings.NewReader(content), "user.txt", func(e experiment.Example) error {
		got = append(got, e)
		return nil
	})
	return got, err
}

func letters(t *testing.T) *text.Vocabulary {
	t.Helper()
	var v text.Vocabulary
	if err := json.Unmarshal([]byte(`{"level":"char","chars":"abc\n","l_max":5}`), &v); err != nil {
		t.Fatal(err)
	}
	return &v
}

func TestTextCodec(t *testing.T) {
	c := &textCodec{Vocabulary: letters(t)}
	got, err := readings(t, c, "\ufeffab?\r\n\n{\"text\":\"c\\r\\na\", \"label\": 1}\n{\"text\":\"abcabc\",\"label\":\"negative\",\"more\":[]}\n{\"text\":\"\"}")
	if err != nil || len(got) != 4 {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i, want := range []experiment.Example{
		{Origin: "user.txt:1", Tokens: []int{3, 4, 1, 2}, Target: task.Ignore},
		{Origin: "user.txt:3", Tokens: []int{5, 6, 3, 2}, Target: 1},
		{Origin: "user.txt:4", Tokens: []int{3, 4, 5, 3, 2}, Target: 0},
		{Origin: "user.txt:5", Tokens: []int{2}, Target: task.Ignore},
	} {
		if g := got[i]; g.Origin != want.Origin || !slices.Equal(g.Tokens, want.Tokens) || g.Target != want.Target {
			t.Errorf("got %+v, want %+v", g, want)
		}
	}
	if p := c.Show(got[0]); p.Kind != report.Text || !slices.Equal(p.Pieces, []string{"a", "b", "<unk>", "<eos>"}) {
		t.Errorf("shown as %+v", p)
	}
	for content, want := range map[string]string{
		"a\n{\"text\":7}":                         "user.txt:2: want an object in JSON: json: ",
		"{\"text\":":                              "user.txt:1: want an object in JSON: ",
		"{\"review\":\"a\"}":                      `user.txt:1: want a "text", got none`,
		"{\"text\":\"a\",\"label\":2}":            `user.txt:1: label: want one of ["negative" "positive"] or a number below 2, got "2"`,
		"{\"text\":\"a\",\"label\":\"up\"}":       `got "up"`,
		"\n" + strings.Repeat("x", longestLine+1): "user.txt:2: want a line of at most 16777216 bytes, got more",
	} {
		if _, err := readings(t, c, content); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got error %v, want %q", content, err, want)
		}
	}
	if _, err := readings(t, new(textCodec), "a"); !errors.Is(err, errNoVocabulary) {
		t.Errorf("without a vocabulary: got error %v", err)
	}
	broken := errors.New("broken")
	if err := c.Read(strings.NewReader("a"), "x", func(experiment.Example) error { return broken }); err != broken {
		t.Errorf("got error %v, want that of the function", err)
	}
}

func TestRetrievalTask(t *testing.T) {
	row := func(i int) string { return fmt.Sprintf("%d.0\ta\tb\tpaper %d\tpaper %d, which cites\n", i%2, i, i/2) }
	rows := func(n int) (s string) {
		for i := range n {
			s += row(i)
		}
		return s
	}
	aan := writeAll(t, t.TempDir(), map[string]string{"new_aan_pairs.train.tsv": rows(20), "new_aan_pairs.eval.tsv": rows(6), "new_aan_pairs.test.tsv": rows(8)})
	shelf := map[string]string{}
	for i := range 3 {
		for j := range 300 {
			shelf[fmt.Sprintf("book%d.txt", i)] += fmt.Sprintf("sentence %d of book %d. ", j, i)
		}
	}
	books := writeAll(t, t.TempDir(), shelf)
	for want, args := range map[string][]string{
		"made-up pairs: 64 training, 64 validation, 64 test examples":   nil,
		"AAN: 20 training, 6 validation, 8 test examples":               {"-data", aan},
		"AAN: 12 training, 5 validation, 4 test examples":               {"-data", "../../train/data/aan/testdata/hub", "-level", "byte"},
		"pairs of passages: 40 training, 8 validation, 8 test examples": {"-data", books, "-books", "-train-pairs", "40", "-test-pairs", "8"},
		"pairs of passages: 10 training, 8 validation, 8 test examples": {"-data", books, "-books", "-train-pairs", "40", "-test-pairs", "8", "-limit", "10"},
	} {
		out := mustRun(t, append(append(quickly(t.TempDir()), "-task", "retrieval"), args...)...)
		for _, want := range []string{want, "test accuracy", "50.00 % of the test examples"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		if strings.Contains(out, "says anything about AAN") != slices.Contains(args, "-books") {
			t.Errorf("%q: what is said of AAN is wrong in\n%s", args, out)
		}
	}
	for want, args := range map[string][]string{
		"-task retrieval needs -data":                           {"-generated", "0"},
		"-train-pairs: want 0 for the default or a multiple of": {"-train-pairs", "3"},
		"new_aan_pairs.train.tsv":                               {"-data", books},
		"want at least two files *.txt":                         {"-data", aan, "-books"},
	} {
		if _, err := lra(t, t.Context(), append(append(quickly(t.TempDir()), "-task", "retrieval"), args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
}

func TestPairCodec(t *testing.T) {
	c := &pairCodec{Vocabulary: letters(t), Names: []string{"unrelated", "related"}}
	got, err := readings(t, c, "a\tbb\r\n1.0\tid\tid\tc\t\n{\"text1\":\"a\",\"text2\":\"b\",\"label\":\"related\"}\n")
	if err != nil || len(got) != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i, want := range []experiment.Example{
		{Origin: "user.txt:1", Tokens: []int{3, 2}, Tokens2: []int{4, 4, 2}, Target: task.Ignore},
		{Origin: "user.txt:2", Tokens: []int{5, 2}, Tokens2: []int{2}, Target: 1},
		{Origin: "user.txt:3", Tokens: []int{3, 2}, Tokens2: []int{4, 2}, Target: 1},
	} {
		if g := got[i]; g.Origin != want.Origin || !slices.Equal(g.Tokens, want.Tokens) || !slices.Equal(g.Tokens2, want.Tokens2) || g.Target != want.Target {
			t.Errorf("got %+v, want %+v", g, want)
		}
	}
	if p := c.Show(got[0]); p.Second == nil || !slices.Equal(p.Second.Pieces, []string{"b", "b", "<eos>"}) || !slices.Equal(p.Pieces, []string{"a", "<eos>"}) {
		t.Errorf("shown as %+v", p)
	}
	for content, want := range map[string]string{
		"a":                          "user.txt:1: want two texts with a tab between them, or 5 columns, or an object in JSON, got 1 columns",
		"a\tb\tc":                    "got 3 columns",
		"a\tb\tc\td\te\tf\tg":        "got 7 columns",
		"2\tb\tc\td\te":              `label: want one of ["unrelated" "related"] or a number below 2, got "2"`,
		"{\"text1\":\"a\"}":          `want a "text1" and a "text2"`,
		"a\tb\n{\"text1\":\"a\tb\"}": "user.txt:2: want an object in JSON",
	} {
		if _, err := readings(t, c, content); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", content, err, want)
		}
	}
	if _, err := readings(t, new(pairCodec), "a\tb"); !errors.Is(err, errNoVocabulary) {
		t.Errorf("without a vocabulary: got error %v", err)
	}
}

func FuzzCodecs(f *testing.F) {
	for _, s := range []string{"", "ab", "a\tb", "1\ta\tb\tc\td", `{"text":"a","text1":"b","text2":"c","label":1}`, "{", "\ufeff\r\n\x00\xff", `{"text":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for _, c := range []experiment.Codec{&textCodec{letters(t)}, &pairCodec{letters(t), []string{"no", "yes"}}, &listOpsCodec{}} {
			got, err := readings(t, c, content)
			if err != nil && !strings.HasPrefix(err.Error(), "user.txt:") {
				t.Errorf("error without file and line: %v", err)
			}
			for _, e := range got {
				c.Show(e)
			}
		}
	})
}
