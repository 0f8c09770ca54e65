package ending_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/gorgonia-s4/s4/internal/ending"
)

func TestUnexpected(t *testing.T) {
	other := errors.New("other")
	for _, c := range []struct{ err, want error }{
		{nil, nil}, {other, other}, {io.EOF, io.ErrUnexpectedEOF}, {fmt.Errorf("header: %w", io.EOF), io.ErrUnexpectedEOF},
	} {
		if got := ending.Unexpected(c.err); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}
