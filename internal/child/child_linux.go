package child

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// Stop lets a process save and stop; elsewhere than on Linux it does nothing.
func Stop(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
