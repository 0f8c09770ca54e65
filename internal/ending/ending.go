// Package ending tells where what is read ends too soon.
package ending

import (
	"errors"
	"io"
)

// Unexpected makes the end of a file, where more of it was to come, an error that says
// so. Other errors stay what they are.
func Unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
