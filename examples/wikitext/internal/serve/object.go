package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep arrays and objects of a body may be in each other. The
// protocol has three.
const maxDepth = 8

// object reads the fields of a JSON object, one by one. The first error stays; what is
// null is as if it were not there.
type object struct {
	within string // "stream_options.": for errors
	fields map[string]json.RawMessage
	err    *failure
}

// readObject begins to read an object: UTF-8, of bounded depth, no name twice, and
// nothing behind it.
func readObject(body []byte, within string) *object {
	o := &object{within: within, fields: map[string]json.RawMessage{}}
	if err := o.read(body); err != nil {
		name := strings.TrimSuffix(within, ".")
		text := fmt.Sprintf("want a JSON object: %v", err)
		if name != "" {
			text = name + ": " + text
		}
		o.err = wrong(name, "%s", text)
		o.err.code = "malformed_json"
	}
	return o
}

func (o *object) read(body []byte) error {
	if !utf8.Valid(body) {
		return fmt.Errorf("want UTF-8")
	}
	if depth(body) > maxDepth {
		return fmt.Errorf("want arrays and objects at most %d deep", maxDepth)
	}
	if !json.Valid(body) {
		var v json.RawMessage
		return json.Unmarshal(body, &v) // says where
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return fmt.Errorf("got %s", kindOf(bytes.TrimSpace(body)))
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return err
		}
		key := name.(string)
		if _, twice := o.fields[key]; twice {
			return fmt.Errorf("want each name once, got %.80q twice", key)
		}
		o.fields[key] = v
	}
	return nil
}

// depth is how deep arrays and objects are in each other, whether or not the text is
// JSON.
func depth(text []byte) int {
	most, now, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			now++
			most = max(most, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return most
}

// take returns a field and removes it, or nil if it is not there, or null.
func (o *object) take(name string) json.RawMessage {
	v := o.fields[name]
	delete(o.fields, name)
	if o.err != nil || string(v) == "null" {
		return nil
	}
	return v
}

// fail keeps the first error.
func (o *object) fail(name, format string, args ...any) {
	if o.err == nil {
		name = o.within + name
		o.err = wrong(name, "%s: %s", name, fmt.Sprintf(format, args...))
	}
}

// end reports the first error, or a field that nobody has asked for.
func (o *object) end() *failure {
	if o.err == nil && len(o.fields) > 0 {
		name := slices.Min(slices.Collect(maps.Keys(o.fields)))
		o.err = wrong(clip(o.within+name), "%.80q is no field of this request", o.within+name)
		o.err.code = "unknown_field"
	}
	return o.err
}

// clip shortens what a client has sent, where it is told again.
func clip(s string) string {
	if len(s) <= 80 {
		return s
	}
	return string([]rune(s[:80]))
}

// boolean reads a field that is true or false.
func (o *object) boolean(name string, v *bool) {
	if raw := o.take(name); raw != nil && json.Unmarshal(raw, v) != nil {
		o.fail(name, "want true or false, got %s", kindOf(raw))
	}
}

// text reads a string of at most most bytes.
func (o *object) text(name string, most int, v *string) {
	raw := o.take(name)
	if raw == nil {
		return
	}
	if json.Unmarshal(raw, v) != nil {
		o.fail(name, "want a string, got %s", kindOf(raw))
	} else if len(*v) > most {
		o.fail(name, "want a string of at most %d bytes, got %d", most, len(*v))
	}
}

// integer reads a whole number in [lo, hi].
func (o *object) integer(name string, lo, hi int, v *int) {
	raw := o.take(name)
	if raw == nil {
		return
	}
	i, err := whole(raw)
	if err != nil || i < int64(lo) || i > int64(hi) {
		o.fail(name, "want an integer in [%d, %d], got %s", lo, hi, kindOf(raw))
		return
	}
	*v = int(i)
}

// number reads a number for which ok is true.
func (o *object) number(name, want string, ok func(float64) bool, v *float64) {
	raw := o.take(name)
	if raw == nil {
		return
	}
	var f float64
	if json.Unmarshal(raw, &f) != nil || !ok(f) {
		o.fail(name, "want a number %s, got %s", want, kindOf(raw))
		return
	}
	*v = f
}

// within are the numbers of a closed interval.
func within(lo, hi float64) func(float64) bool {
	return func(v float64) bool { return v >= lo && v <= hi }
}

// whole reads an integer, which may be written as 2.0 or 2e3.
func whole(raw []byte) (int64, error) {
	if i, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return i, nil
	}
	var f *float64 // nil after null
	if err := json.Unmarshal(raw, &f); err != nil {
		return 0, err
	}
	if f == nil || *f != math.Trunc(*f) || math.Abs(*f) > 1<<53 {
		return 0, errors.New("want an integer")
	}
	return int64(*f), nil
}

// kindOf says for errors what stands somewhere: a number as it is, of all else only
// what it is.
func kindOf(raw []byte) string {
	switch raw[0] {
	case '"':
		return "a string"
	case '[':
		return "an array"
	case '{':
		return "an object"
	}
	return clip(string(raw))
}
