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
// without fields that v does not have, and without a key that an object has twice.
// A byte order mark, which some editors leave, is skipped. The error says if the
// text breaks off or goes on behind the value.
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
	return unique(json.NewDecoder(bytes.NewReader(text)))
}

// unique reports a key that an object of a JSON value has twice: which one counts is
// anyone's guess.
func unique(d *json.Decoder) error {
	start, err := d.Token()
	if err != nil || start != json.Delim('{') && start != json.Delim('[') {
		return err
	}
	keys := map[json.Token]bool{}
	for d.More() {
		if start == json.Delim('{') {
			key, err := d.Token()
			if err != nil {
				return err
			}
			if keys[key] {
				return fmt.Errorf("want every key once, got %q twice", key)
			}
			keys[key] = true
		}
		if err := unique(d); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
