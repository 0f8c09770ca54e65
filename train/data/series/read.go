package series

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/train/data"
)

// Bounds on a file.
const (
	maxRecord  = 16 << 20 // bytes of a row
	maxColumns = 1 << 16
	maxRows    = 1 << 25 // with their times, a second each, more than a year
	maxNumbers = 1 << 26 // of all rows
)

// Series is numbers at even times.
type Series struct {
	// Columns are the names of the numbers of a step.
	Columns []string
	// Start is the time of the first step, Step the distance of the others; both are
	// zero if there are no times.
	Start time.Time
	Step  Step
	// Values are the numbers, (Len, Columns), row-major; NaN where one is missing,
	// with MissingMask.
	Values []float64
	// Notes say what has been done about the file.
	Notes []string
}

// Len returns the number of steps.
func (s *Series) Len() int { return len(s.Values) / len(s.Columns) }

// Time returns the time of step i, which may be behind the last; zero if there are no
// times.
func (s *Series) Time(i int) time.Time {
	if s.Step == (Step{}) {
		return time.Time{}
	}
	return s.Step.after(s.Start, i)
}

// Read reads a CSV file: fields separated by commas, semicolons or tabs, quoted or
// not, lines that end in LF or CRLF, with a byte order mark or without, with a row of
// names or without. With another separator than the comma, a number may have a
// decimal comma. An error names line and column: "7:12: ...".
func Read(ctx context.Context, r io.Reader, cfg Config) (*Series, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return read(ctx, r, cfg.withDefaults())
}

func read(ctx context.Context, r io.Reader, cfg Config) (*Series, error) {
	t, err := readTable(ctx, r, cfg)
	if err != nil {
		return nil, err
	}
	s, err := t.even(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Missing == MissingMask {
		return s, nil
	}
	return s, s.fill(cfg.Missing)
}

// table is the rows of a file.
type table struct {
	csv    *csv.Reader
	limit  *limited
	comma  bool // numbers may have a decimal comma
	cfg    Config
	names  []string       // of all columns of the file
	index  map[string]int // of each name
	time   int            // the column of time stamps, -1 if there is none
	used   []int          // the columns of numbers
	clock  *clock
	line   int     // where the row that was read last begins
	lines  []int32 // of each row
	values []float64
	absent []int // missing numbers of each column that is used
}

// limited reads a file, and no more than maxRecord bytes of a row.
type limited struct {
	r    io.Reader
	left int
}

// errLong is about a row that is too long.
var errLong = fmt.Errorf("want a row of at most %d bytes, got more: a quote that is not closed?", maxRecord)

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLong
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// readTable reads all rows.
func readTable(ctx context.Context, r io.Reader, cfg Config) (*table, error) {
	t := &table{cfg: cfg, limit: &limited{r: r, left: maxRecord}}
	text := data.Text(t.limit)
	separator, err := separator(text)
	if err != nil {
		return nil, err
	}
	t.csv, t.comma = csv.NewReader(text), separator != ','
	t.csv.Comma, t.csv.ReuseRecord, t.csv.TrimLeadingSpace = separator, true, separator != '\t'
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		record, err := t.csv.Read()
		if err == io.EOF {
			break
		}
		if err == nil && t.names == nil {
			err = t.begin(record)
		} else if err == nil {
			err = t.row(record)
		}
		if err != nil {
			return nil, t.place(err)
		}
		t.limit.left = maxRecord
		t.line, _ = t.csv.FieldPos(0)
	}
	if len(t.lines) == 0 {
		return nil, errors.New("want at least one row of numbers, got none")
	}
	return t, nil
}

// place makes an error of the reader one of its line and column.
func (t *table) place(err error) error {
	if t.limit.left <= 0 {
		return &data.LineError{Line: t.line + 1, Err: errLong}
	}
	if p := new(csv.ParseError); errors.As(err, &p) {
		return &data.LineError{Line: p.Line, Err: fmt.Errorf("column %d: %w", p.Column, p.Err)}
	}
	return err
}

// at is an error about a field of the row that was read last.
func (t *table) at(field int, err error) error {
	line, column := t.csv.FieldPos(field)
	return &data.LineError{Line: line, Err: fmt.Errorf("column %d: %w", column, err)}
}

// separator returns what separates the fields of the first row that is not empty: of
// comma, semicolon and tab the one that is there most often outside of quotes.
func separator(r *bufio.Reader) (rune, error) {
	start, err := r.Peek(r.Size())
	if err != nil && err != io.EOF {
		return 0, err
	}
	start = bytes.TrimLeft(start, "\r\n")
	var counts [3]int
	quoted := false
	for _, c := range start {
		if c == '"' {
			quoted = !quoted
		}
		if c == '\n' && !quoted {
			break
		}
		if i := strings.IndexByte(",;\t", c); i >= 0 && !quoted {
			counts[i]++
		}
	}
	best := 0
	for i, n := range counts {
		// "1,5;2,5" has commas in its numbers
		if n > counts[best] || n > 0 && best == 0 {
			best = i
		}
	}
	return rune(",;\t"[best]), nil
}

// missingNumbers are how a number that is not there is written, in lower case.
var missingNumbers = []string{"", "nan", "na", "n/a", "null", "none", "?"}

func isMissing(text string) bool {
	return len(text) <= 4 && slices.Contains(missingNumbers, strings.ToLower(text))
}

// number reads a number; NaN if it is missing.
func (t *table) number(text string) (v float64, missing bool, err error) {
	text = strings.TrimSpace(text)
	if isMissing(text) {
		return 0, true, nil
	}
	plain := text
	if t.comma && strings.Count(text, ",") == 1 && !strings.Contains(text, ".") {
		plain = strings.Replace(text, ",", ".", 1)
	}
	v, err = strconv.ParseFloat(plain, 64)
	if err != nil || v-v != 0 || strings.ContainsAny(plain, "xXpP_") {
		return 0, false, fmt.Errorf("want a finite number, got %.40q", text)
	}
	return v, false, nil
}

// begin reads the first row: names, or numbers of columns that have none.
func (t *table) begin(record []string) error {
	if len(record) > maxColumns {
		return fmt.Errorf("want at most %d columns, got %d", maxColumns, len(record))
	}
	named := t.cfg.Header == HeaderYes || t.cfg.Header == "" && t.isHeader(record)
	t.names, t.index = make([]string, len(record)), make(map[string]int, len(record))
	for i, name := range record {
		name = strings.TrimSpace(name)
		if !named || name == "" {
			name = strconv.Itoa(i + 1)
		}
		if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return t.at(i, fmt.Errorf("want the name of a column in UTF-8, got %.40q", name))
		}
		if _, twice := t.index[name]; twice {
			return t.at(i, fmt.Errorf("two columns are named %q", name))
		}
		t.names[i], t.index[name] = name, i
	}
	if named {
		return nil
	}
	return t.row(record)
}

// isHeader says whether a row is names: it has one that is neither a number, nor
// missing, nor a time stamp.
func (t *table) isHeader(record []string) bool {
	return slices.ContainsFunc(record, func(text string) bool {
		text = strings.TrimSpace(text)
		_, _, err := t.number(text)
		return err != nil && !isTime(t.cfg.TimeLayout, text)
	})
}

// row reads a row of numbers.
func (t *table) row(record []string) error {
	if t.used == nil {
		if err := t.choose(record); err != nil {
			return err
		}
	}
	if t.time >= 0 {
		if err := t.clock.add(strings.TrimSpace(record[t.time])); err != nil {
			return t.at(t.time, err)
		}
	}
	if len(t.lines) == maxRows {
		return &data.LineError{Line: t.line + 1, Err: fmt.Errorf("want at most %d rows, got more", maxRows)}
	}
	if len(t.values) > maxNumbers-len(t.used) {
		return fmt.Errorf("want at most %d numbers, got more", maxNumbers)
	}
	for i, column := range t.used {
		v, missing, err := t.number(record[column])
		if err == nil && missing && t.cfg.Missing == MissingError {
			err = fmt.Errorf("column %q: want a number, got %.40q: say what to do about missing ones (Config.Missing)", t.names[column], record[column])
		}
		if err != nil {
			return t.at(column, err)
		}
		if missing {
			t.absent[i]++
			v = nan
		}
		t.values = append(t.values, v)
	}
	line, _ := t.csv.FieldPos(0)
	t.lines = append(t.lines, int32(line))
	return nil
}

// choose finds the columns, by the first row of numbers.
func (t *table) choose(record []string) error {
	if err := t.chooseTime(record); err != nil {
		return err
	}
	find := func(name string) (int, error) {
		i, ok := t.index[name]
		if !ok || i == t.time {
			return i, fmt.Errorf("want a column of numbers %q, got %.400q", name, t.names)
		}
		return i, nil
	}
	target := make([]bool, len(t.names))
	for _, name := range t.cfg.Targets {
		i, err := find(name)
		if err != nil {
			return err
		}
		t.used, target[i] = append(t.used, i), true
	}
	columns := t.cfg.Columns
	if columns == nil {
		for i, name := range t.names {
			if i != t.time {
				columns = append(columns, name)
			}
		}
	}
	for _, name := range columns {
		i, err := find(name)
		if err != nil {
			return err
		}
		if !target[i] {
			t.used = append(t.used, i)
		}
	}
	if len(t.used) == 0 {
		return fmt.Errorf("want a column of numbers, got %.400q", t.names)
	}
	t.absent = make([]int, len(t.used))
	return nil
}

// calledTime says whether a name is one of a column of time stamps.
func calledTime(name string) bool { return slices.Contains(timeNames, strings.ToLower(name)) }

// chooseTime finds the column of time stamps.
func (t *table) chooseTime(record []string) error {
	t.time = -1
	if t.cfg.Time == NoTime {
		return nil
	}
	at := max(0, slices.IndexFunc(t.names, calledTime))
	if t.cfg.Time != "" {
		if at = slices.Index(t.names, t.cfg.Time); at < 0 {
			return fmt.Errorf("want a column of time stamps %q, got %.400q", t.cfg.Time, t.names)
		}
	}
	called := t.cfg.Time != "" || calledTime(t.names[at])
	first := strings.TrimSpace(record[at])
	clock := newClock(t.cfg.TimeLayout, first, called)
	if len(clock.layouts) == 0 {
		if called {
			return t.at(at, fmt.Errorf("want a time stamp, got %.40q: say how they are written by TimeLayout", first))
		}
		return nil
	}
	if !called && len(t.names) == 1 {
		return nil
	}
	t.time, t.clock = at, clock
	return nil
}
