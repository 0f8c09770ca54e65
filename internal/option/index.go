package option

import (
	"flag"
	"fmt"
	"strconv"
)

// Index declares an option that takes a number from 0, or a word for none, which
// is nil.
func Index(fs *flag.FlagSet, name string, v **int, word, usage string) {
	fs.Var(&index{v, word}, name, usage)
}

// index is the flag.Value of Index.
type index struct {
	v    **int
	word string
}

func (i *index) String() string {
	if i.v == nil || *i.v == nil {
		return i.word
	}
	return strconv.Itoa(**i.v)
}

func (i *index) Set(s string) error {
	if s == i.word {
		*i.v = nil
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return fmt.Errorf("want a number from 0, or %s", i.word)
	}
	*i.v = &n
	return nil
}
