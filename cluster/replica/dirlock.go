//go:build unix

package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Lock is the hold that one host has on a data directory.
type Lock struct {
	dir  string
	file *os.File
}

// LockDir takes a data directory, which it makes where there is none, so that
// nobody else uses it before Close or the end of the process, however that ends.
// The error is ErrDirLocked when somebody does.
func LockDir(dir string) (*Lock, error) {
	if err := MakeDir(dir); err != nil {
		return nil, fmt.Errorf("replica: making the data directory: %w", err)
	}
	return lockDir(dir)
}

// Close gives the directory free.
func (l *Lock) Close() error { return l.file.Close() }

// lockDir is LockDir for a directory that is there.
func lockDir(dir string) (*Lock, error) {
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
	return &Lock{dir: dir, file: f}, nil
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
