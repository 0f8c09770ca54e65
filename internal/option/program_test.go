package option

import (
	"errors"
	"testing"
)

// A program and a package of one name say it once.
func TestMessage(t *testing.T) {
	for text, want := range map[string]string{
		"recall: -length: want 8": "recall: -length: want 8",
		"train: step 1":           "recall: train: step 1",
		"recalled":                "recall: recalled",
	} {
		if got := message("recall", errors.New(text)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
