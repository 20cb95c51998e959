//go:build unix

package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockDir takes the data directory for this host. The lock belongs to the open
// file: it ends with close or with the process, however that ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s belongs to another running node, stop it or choose another directory", ErrDirLocked, dir)
		}
		return nil, fmt.Errorf("replica: locking %s: %w", dir, err)
	}
	return f, nil
}

// freeSpace asks the operating system what an unprivileged user may still
// write on the file system of dir, and how large it is.
func freeSpace(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	block := uint64(st.Bsize)
	//nolint:unconvert // the fields are signed on some systems
	return uint64(st.Bavail) * block, uint64(st.Blocks) * block, nil
}
