package series

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func readText(text string, cfg Config) (*Series, error) {
	return Read(context.Background(), strings.NewReader(text), cfg)
}

// same says whether two lists are equal, NaN being equal to NaN.
func same(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || x != x && y != y })
}

const hour = time.Hour

func TestRead(t *testing.T) {
	hours := Step{Duration: hour}
	for name, c := range map[string]struct {
		text    string
		cfg     Config
		columns string
		start   string // RFC 3339
		step    Step
		want    []float64
	}{
		"ETT":            {"date,HUFL,OT\n2016-07-01 00:00:00,5.827,-30.5\n2016-07-01 01:00:00,5.6,2e1\n", Config{}, "HUFL OT", "2016-07-01T00:00:00Z", hours, []float64{5.827, -30.5, 5.6, 20}},
		"as editors do":  {"\ufeff\r\ndate, \"a \"\"b\"\", c\",d\r\n2016/7/1 0:00, 1 ,2\r\n\r\n\"2016/7/1 1:00\",\"3\",4", Config{}, `a "b", c|d`, "2016-07-01T00:00:00Z", hours, []float64{1, 2, 3, 4}},
		"electricity":    {";MT_001;MT_002\n\"2011-01-01 00:15:00\";0;1,5\n\"2011-01-01 00:30:00\";-2,25;3\n", Config{}, "MT_001 MT_002", "2011-01-01T00:15:00Z", Step{Duration: 15 * time.Minute}, []float64{0, 1.5, -2.25, 3}},
		"tabs":           {"ds\ty\n2020-01-01\t1\n2020-01-02\t2\n", Config{}, "y", "2020-01-01T00:00:00Z", Step{Duration: 24 * hour}, []float64{1, 2}},
		"no names":       {"2020-01-01 00:00,1,2\n2020-01-01 01:00,3,4\n", Config{}, "2 3", "2020-01-01T00:00:00Z", hours, []float64{1, 2, 3, 4}},
		"no time":        {"a,b\n1,2\n3,4\n", Config{}, "a b", "", Step{}, []float64{1, 2, 3, 4}},
		"numbers":        {"1\n2\n3\n", Config{}, "1", "", Step{}, []float64{1, 2, 3}},
		"numbers named":  {"1\n2\n3\n", Config{Header: HeaderYes}, "1", "", Step{}, []float64{2, 3}},
		"time refused":   {"1,2\n3,4\n", Config{Time: NoTime}, "1 2", "", Step{}, []float64{1, 2, 3, 4}},
		"years":          {"\"YEAR\",\"SUN\"\n1700,5\n1701,11\n", Config{}, "SUN", "1700-01-01T00:00:00Z", Step{Months: 12}, []float64{5, 11}},
		"weeks":          {"date,co2\n19580329,316.1\n19580405,317.3\n", Config{}, "co2", "1958-03-29T00:00:00Z", Step{Duration: 7 * 24 * hour}, []float64{316.1, 317.3}},
		"months":         {"month,y\n2020-01,1\n2020-02,2\n2020-03,3\n", Config{}, "y", "2020-01-01T00:00:00Z", Step{Months: 1}, []float64{1, 2, 3}},
		"ends of months": {"date,y\n2020-01-31,1\n2020-02-29,2\n2020-03-31,3\n", Config{}, "y", "2020-01-31T00:00:00Z", Step{Months: 1}, []float64{1, 2, 3}},
		"Unix":           {"timestamp,y\n1467331200,1\n1467334800,2\n", Config{}, "y", "2016-07-01T00:00:00Z", hours, []float64{1, 2}},
		"zones":          {"time,y\n2016-07-01T00:30:00+00:30,1\n2016-07-01T01:00:00Z,2\n", Config{}, "y", "2016-07-01T00:00:00Z", hours, []float64{1, 2}},
		"day first":      {"date,y\n31.12.2019 23:00,1\n1.1.2020 0:00,2\n", Config{}, "y", "2019-12-31T23:00:00Z", hours, []float64{1, 2}},
		"which ascends":  {"date,y\n31/01/2020,1\n01/02/2020,2\n02/02/2020,3\n", Config{}, "y", "2020-01-31T00:00:00Z", Step{Duration: 24 * hour}, []float64{1, 2, 3}},
		"a layout":       {"y;when\n1;5. 01.2020\n2;6. 01.2020\n", Config{Time: "when", TimeLayout: "2. 01.2006"}, "y", "2020-01-05T00:00:00Z", Step{Duration: 24 * hour}, []float64{1, 2}},
		"time behind":    {"temp,date\n1,2010/01/01 00:00:00\n2,2010/01/01 01:00:00\n", Config{}, "temp", "2010-01-01T00:00:00Z", hours, []float64{1, 2}},
		"some columns":   {"a,b,c\n1,2,3\n4,5,6\n", Config{Columns: []string{"c", "a"}}, "c a", "", Step{}, []float64{3, 1, 6, 4}},
		"targets first":  {"a,b,c\nx,2,3\ny,5,6\n", Config{Columns: []string{"b", "c"}, Targets: []string{"c"}}, "c b", "", Step{}, []float64{3, 2, 6, 5}},
	} {
		s, err := readText(c.text, c.cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		start := ""
		if !s.Start.IsZero() {
			start = stamp(s.Start)
		}
		columns := strings.ReplaceAll(c.columns, " ", "|")
		if name == "as editors do" {
			columns = c.columns
		}
		if strings.Join(s.Columns, "|") != columns || start != c.start || s.Step != c.step || !slices.Equal(s.Values, c.want) || len(s.Notes) > 0 {
			t.Errorf("%s: got %+v, want columns %q from %s, %v", name, s, c.columns, c.start, c.want)
		}
	}
}

// damaged returns files that are refused, by what is said of them.
func damaged() map[string]string {
	long := "a\n\"" + strings.Repeat("x", maxRecord+1<<16)
	return map[string]string{
		"want at least one row of numbers, got none":                                                                        "",
		"line 3: column 3: want a finite number, got \"x\"":                                                                 "a,b\n1,2\n3,x\n",
		"line 3: column 1: want a finite number, got \"+Inf\"":                                                              "a,b\n1,2\n+Inf,x\n",
		"line 2: column 3: want a finite number, got \"1e999\"":                                                             "a,b\n1,1e999\n",
		"line 2: column 1: want a finite number, got \"0x10\"":                                                              "a,b\n0x10,2\n",
		"line 2: column 1: want a finite number, got \"1\\x00\"":                                                            "a,b\n1\x00,2\n",
		"line 3: column 3: column \"b\": want a number, got \"NaN\": say":                                                   "a,b\n1,2\n3,NaN\n",
		"line 3: column 1: column \"a\": want a number, got \"\": say":                                                      "a,b\n1,2\n,3\n",
		"line 3: column 1: wrong number of fields":                                                                          "a,b\n1,2\n3\n",
		"line 3: column 4: extraneous or missing \" in quoted-field":                                                        "a,b\n1,2\n\"3\n",
		"line 1: column 3: two columns are named \"a\"":                                                                     "a,a\n1,2\n",
		"line 1: column 3: want the name of a column in UTF-8":                                                              "a,\xff\n1,2\n",
		"line 3: column 1: want a time stamp as \"2006-1-2\", got \"x\"":                                                    "date,y\n2020-01-01,1\nx,2\n",
		"line 2: column 1: want a time stamp, got \"x\": say":                                                               "date,y\nx,1\n",
		"line 2: column 1: want a time stamp, got \"0001-01-01\"":                                                           "date,y\n0001-01-01,1\n",
		"line 4: want the time 2020-01-03T00:00:00Z, a step of 24h0m0s after the one before, got 2020-01-04T00:00:00Z: say": "date,y\n2020-01-01,1\n2020-01-02,2\n2020-01-04,3\n2020-01-05,3\n",
		"line 3: want a time after 2020-01-01T00:00:00Z, got it again":                                                      "date,y\n2020-01-01,1\n2020-01-01,2\n",
		"line 3: want a time after 2020-01-02T00:00:00Z, got 2020-01-01T00:00:00Z":                                          "date,y\n2020-01-02,1\n2020-01-01,2\n",
		"want time stamps that are written in one way":                                                                      "date,y\n01/02/2020,1\n02/03/2020,2\n",
		"want at least two rows to know the step of time":                                                                   "date,y\n2020-01-02,1\n",
		"want a row of at most 16777216 bytes":                                                                              long,
		"want at most 65536 columns, got 65537":                                                                             strings.Repeat(",", maxColumns),
		"want a column of numbers, got [\"date\"]":                                                                          "date\n2020-01-01\n2020-01-02\n",
	}
}

func TestReadErrors(t *testing.T) {
	for want, text := range damaged() {
		if s, err := readText(text, Config{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v, want %q", s, err, want)
		}
	}
	const ok = "date,y\n2020-01-01,1\n2020-01-02,2\n"
	for want, cfg := range map[string]Config{
		`want a column of time stamps "x", got ["date" "y"]`:   {Time: "x"},
		`want a column of numbers "x", got ["date" "y"]`:       {Columns: []string{"x"}},
		`want a column of numbers "date", got`:                 {Targets: []string{"date"}},
		`want a time stamp as "2006", got "2020-01-01"`:        {TimeLayout: "2006"},
		"Config.Step: want a duration such as":                 {Step: "x"},
		"want the time 2020-01-01T12:00:00Z, a step of 12h0m0": {Step: "12h"},
		"want a finite number, got \"date\"":                   {Header: HeaderNo, Time: NoTime},
	} {
		if s, err := readText(ok, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v, want %q", s, err, want)
		}
	}
	if _, err := readText("a\n1\n2\n", Config{TimeFeatures: true}); err == nil || !strings.Contains(err.Error(), "want a column of time stamps") {
		t.Errorf("got error %v", err)
	}
	far := "time,y\n2000-01-01 00:00:00,1\n2000-01-01 00:00:01,1\n2000-01-01 00:00:02,1\n2200-01-01 00:00:00,1\n"
	if _, err := readText(far, Config{Uneven: UnevenLast}); err == nil || !strings.Contains(err.Error(), "want at most 65536 even steps for 4 rows, got 6311433601 of 1s") {
		t.Errorf("got error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, strings.NewReader(ok), Config{}); err != context.Canceled {
		t.Errorf("cancelled: got error %v", err)
	}
}

// What is missing, and what is said of it.
func TestMissing(t *testing.T) {
	const text = "a,b\nNA,1\n2,\nnan,?\n6,4\nnull,5\n"
	for how, want := range map[Missing][]float64{
		MissingForward: {2, 1, 2, 1, 2, 1, 6, 4, 6, 5},
		MissingLinear:  {2, 1, 2, 2, 4, 3, 6, 4, 6, 5},
		MissingMask:    {nan, 1, 2, nan, nan, nan, 6, 4, nan, 5},
	} {
		s, err := readText(text, Config{Missing: how})
		if err != nil || !same(s.Values, want) {
			t.Errorf("%s: got %v, %v, want %v", how, s, err, want)
			continue
		}
		notes := strings.Join(s.Notes, "\n")
		if !strings.Contains(notes, fmt.Sprintf(`column "a": 3 of 5 numbers are missing (%s)`, how)) || strings.Contains(notes, "the first 1 numbers") != (how != MissingMask) {
			t.Errorf("%s: notes %q", how, s.Notes)
		}
	}
	if _, err := readText("a,b\n1,\n2,\n", Config{Missing: MissingMask}); err == nil || err.Error() != `column "b": want numbers, got none: all are missing` {
		t.Errorf("got error %v", err)
	}
}

// Rows out of order, twice, off the steps, and not there.
func TestUneven(t *testing.T) {
	const text = "date,a\n2020-01-01 00:00,0\n2020-01-01 02:00,2\n2020-01-01 01:00,1\n2020-01-01 01:00,1.5\n2020-01-01 02:30,9\n2020-01-01 05:00,4\n2020-01-01 06:00,5\n"
	for how, want := range map[Uneven][]float64{
		UnevenLast:    {0, 1.5, 2, 9, 9, 4, 5},
		UnevenLinear:  {0, 1.5, 2, 8, 6, 4, 5},
		UnevenMissing: {0, 1.5, 2, nan, nan, 4, 5},
	} {
		s, err := readText(text, Config{Uneven: how, Missing: MissingMask})
		if err != nil || !same(s.Values, want) || s.Step != (Step{Duration: hour}) {
			t.Errorf("%s: got %v, %v, want %v", how, s, err, want)
			continue
		}
		notes := strings.Join(s.Notes, "\n")
		for _, want := range []string{"1 rows are before the one above them", "1 rows have the time of another", fmt.Sprintf("of 7 even steps from 2020-01-01T00:00:00Z on, 2 are made (%s), and 1 rows are between them", how)} {
			if !strings.Contains(notes, want) {
				t.Errorf("%s: notes %q, want %q", how, s.Notes, want)
			}
		}
	}
	if s, err := readText(text, Config{Uneven: UnevenMissing, Missing: MissingLinear}); err != nil || !same(s.Values, []float64{0, 1.5, 2, 2.6666666666666665, 3.333333333333333, 4, 5}) {
		t.Errorf("missing, then linear: got %v, %v", s, err)
	}
	if _, err := readText(text, Config{Uneven: UnevenMissing}); err == nil || !strings.Contains(err.Error(), "2 of 7 steps are missing: say") {
		t.Errorf("got error %v", err)
	}
	if s, err := readText("date,a\n2020-01-01,1\n2020-01-03,3\n2020-01-02,2\n", Config{Uneven: UnevenLast}); err != nil || !slices.Equal(s.Values, []float64{1, 2, 3}) {
		t.Errorf("sorted: got %v, %v", s, err)
	}
	if s, err := readText("date,a\n2020-01-01,1\n2020-04-01,4\n2020-05-01,5\n2020-06-01,6\n", Config{Uneven: UnevenLast}); err != nil || !slices.Equal(s.Values, []float64{1, 1, 1, 4, 5, 6}) || s.Step.Months != 1 {
		t.Errorf("months: got %v, %v", s, err)
	}
	if s, err := readText("date,a\n2020-01-01,1\n2020-01-02,2\n", Config{Uneven: UnevenLinear, Step: "6h"}); err != nil || !slices.Equal(s.Values, []float64{1, 1.25, 1.5, 1.75, 2}) {
		t.Errorf("a smaller step: got %v, %v", s, err)
	}
}

func TestStep(t *testing.T) {
	for text, want := range map[string]struct {
		step   Step
		season int
	}{
		"1h0m0s": {Step{Duration: hour}, 24}, "15m0s": {Step{Duration: hour / 4}, 96}, "24h0m0s": {Step{Duration: 24 * hour}, 7},
		"168h0m0s": {Step{Duration: 168 * hour}, 52}, "1mo": {Step{Months: 1}, 12}, "12mo": {Step{Months: 12}, 1}, "7h0m0s": {Step{Duration: 7 * hour}, 1}, "": {Step{}, 1},
	} {
		b, err := want.step.MarshalText()
		var s Step
		if err2 := s.UnmarshalText(b); err != nil || err2 != nil || string(b) != text || s != want.step || s.Season() != want.season {
			t.Errorf("%+v: text %q, back %+v, %v, %v, season %d, want %q and %d", want.step, b, s, err, err2, s.Season(), text, want.season)
		}
	}
	for _, text := range []string{"x", "-1h", "0s", "0mo", "13000mo", "mo"} {
		if err := new(Step).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
	jan := time.Date(2019, 1, 31, 5, 0, 0, 0, time.UTC)
	month := Step{Months: 1}
	for n, want := range []string{"2019-01-31", "2019-02-28", "2019-03-31", "2019-04-30"} {
		if got := month.after(jan, n); got.Format("2006-01-02") != want || got.Hour() != 5 || month.between(jan, got) != n {
			t.Errorf("%d months after: %v, want %s; between %d", n, got, want, month.between(jan, got))
		}
	}
}

// A file is read or refused, and what is read is whole.
func FuzzRead(f *testing.F) {
	for _, text := range damaged() {
		if len(text) < 1<<12 {
			f.Add(text, uint8(0))
			f.Add(text, uint8(11))
		}
	}
	f.Add("\ufeffdate;a\r\n2020-01-01;1,5\r\n2020-01-02;\r\n", uint8(7))
	f.Add("date,a\n2020-01-01 00:00,0\n2020-01-01 02:00,2\n2020-01-01 01:00,1\n2020-01-01 02:30,9\n", uint8(13))
	f.Add("t\n1262304000\n9223372036854775807\n", uint8(6))
	missing := []Missing{MissingError, MissingForward, MissingLinear, MissingMask}
	uneven := []Uneven{UnevenError, UnevenLast, UnevenLinear, UnevenMissing}
	f.Fuzz(func(t *testing.T, text string, how uint8) {
		cfg := Config{Missing: missing[how%4], Uneven: uneven[how/4%4]}
		s, err := readText(text, cfg)
		if err != nil {
			return
		}
		if len(s.Columns) == 0 || s.Len() == 0 || s.Len()*len(s.Columns) != len(s.Values) || s.Len() > max(leastSteps, mostSteps*len(text)) {
			t.Fatalf("%d numbers of columns %q", len(s.Values), s.Columns)
		}
		if s.Step != (Step{}) && !s.Time(1).After(s.Time(0)) {
			t.Fatalf("times %v and %v", s.Time(0), s.Time(1))
		}
		for i, v := range s.Values {
			if math.IsInf(v, 0) || math.IsNaN(v) && cfg.Missing != MissingMask {
				t.Fatalf("number %d is %v", i, v)
			}
		}
	})
}

// A compressed file of few bytes may have any number of rows.
func TestRowsAreCounted(t *testing.T) {
	full := table{used: []int{0}, time: -1, line: 6, lines: make([]int32, maxRows)}
	err := full.row([]string{"1"})
	if err == nil || err.Error() != fmt.Sprintf("line 7: want at most %d rows, got more", maxRows) {
		t.Errorf("got error %v", err)
	}
}
