// Package strictjson decodes JSON files that a program wrote for itself.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Decode decodes into v the text of a file, which must be one JSON value
// without fields that v does not have. A byte order mark, which some editors
// leave, is skipped. The error says if the text breaks off or
// goes on behind the value.
func Decode(text []byte, v any) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("the file is truncated after %d bytes", len(text))
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the end of the JSON value")
	}
	return nil
}
