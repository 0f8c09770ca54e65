package cpu

import (
	"runtime"
	"testing"
)

func TestSetActive(t *testing.T) {
	if Active() != Detected() {
		t.Fatalf("active level is %v, want the detected one, %v", Active(), Detected())
	}
	for l := Generic; l <= Detected(); l++ {
		old := SetActive(l)
		if Active() != l {
			t.Errorf("after SetActive(%v): active level is %v", l, Active())
		}
		if back := SetActive(old); back != l {
			t.Errorf("SetActive returned %v, want %v", back, l)
		}
	}
}

func TestSetActiveUnsupported(t *testing.T) {
	for _, l := range []Level{Detected() + 1, Generic - 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("SetActive(%v) did not panic", l)
				}
			}()
			SetActive(l)
		}()
	}
}

// TestNames checks the names of the first level above Generic, which architectures share.
func TestNames(t *testing.T) {
	want := "avx2"
	if runtime.GOARCH == "arm64" {
		want = "neon"
	}
	if got := (Generic + 1).String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := Level(7).String(), "Level(7)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
