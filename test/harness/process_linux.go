package harness

import (
	"os/exec"
	"syscall"
)

// endWithParent lets the kernel end the child when this process dies without
// having cleaned up, as after a test timeout.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
