package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// writable reports a path that no file can be written to, before the work is done whose
// result is to be there.
func writable(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("want a file, got the directory %s", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".writable")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}
