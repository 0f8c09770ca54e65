//go:build js || wasip1

package option

import "os"

// hangup is none where there are no terminals.
var hangup os.Signal
