package option

import (
	"regexp"
	"strings"
)

// Fields says which option sets a field of a configuration: by the name that
// the errors of the library have for it, a Go field or, where a checkpoint
// differs, a path in its JSON. An option is written with its dash. A path
// without an entry stands for its longest end that has one:
// "blocks.0.mixer.d_state" for "mixer.d_state" or else "d_state".
type Fields map[string]string

var (
	// fieldName matches what can be the name of a field, with what is before it:
	// a part of a file's path is none.
	fieldName = regexp.MustCompile(`(^|[^\w./\\-])([A-Za-z_][\w.-]*\w|[A-Za-z])`)
	// configName matches the name of a configuration in front of what is wrong
	// with it.
	configName = regexp.MustCompile(`\b[A-Z]?\w*Config: `)
)

// Speak returns an error that speaks of options where err speaks of the fields
// that they set.
func (f Fields) Speak(err error) error {
	if err == nil {
		return nil
	}
	text := configName.ReplaceAllString(err.Error(), "")
	text = fieldName.ReplaceAllStringFunc(text, func(match string) string {
		m := fieldName.FindStringSubmatch(match)
		name := m[2]
		for part, more := name, true; more; _, part, more = strings.Cut(part, ".") {
			if option, ok := f[part]; ok {
				return m[1] + option
			}
		}
		return match
	})
	return &spoken{text, err}
}

// spoken is an error in other words.
type spoken struct {
	text string
	err  error
}

func (s *spoken) Error() string { return s.text }
func (s *spoken) Unwrap() error { return s.err }
