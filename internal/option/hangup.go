//go:build !js && !wasip1

package option

import (
	"os"
	"syscall"
)

// hangup is the signal that a terminal was closed.
var hangup os.Signal = syscall.SIGHUP
