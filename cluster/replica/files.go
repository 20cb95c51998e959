package replica

import (
	"fmt"
	"os"
	"path/filepath"
)

// tmpSuffix marks files and directories that are being written. Whatever bears
// it at start is the rest of a crash and is swept.
const tmpSuffix = ".tmp"

// WriteFile replaces a file of a data directory, which exists, so that a crash
// leaves the old or the new content, and the new one once it returned. Only the
// owner may read it. What a crash leaves beside it bears the name with ".tmp"
// behind, and is written over the next time.
func WriteFile(path string, data []byte) error {
	tmp := path + tmpSuffix
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", tmp, err)
	}
	return renameSynced(tmp, path)
}

// renameSynced renames within a directory and makes the new name durable.
func renameSynced(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("syncing directory %s: %w", dir, err)
	}
	return nil
}

// MakeDir makes a directory that only its owner may enter, parents included, and
// makes their names durable. One that is there is no error.
func MakeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MakeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	return SyncDir(parent)
}
