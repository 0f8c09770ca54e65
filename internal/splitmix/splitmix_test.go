package splitmix_test

import (
	"testing"

	"github.com/gorgonia-s4/s4/internal/splitmix"
)

// The first numbers of the published generator with seed 1234567.
func TestMix(t *testing.T) {
	key := uint64(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		key += splitmix.Golden
		if got := splitmix.Mix(key); got != want {
			t.Errorf("number %d: got %d, want %d", i, got, want)
		}
	}
}
