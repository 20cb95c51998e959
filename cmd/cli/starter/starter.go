package starter

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files are named one by one, so that nothing that lies beside them, such as
// what npm installs, gets into the program.
//
//go:embed chat/README.md chat/index.html chat/chat.css chat/chat.js chat/room.js
//go:embed chat/mayfly.yaml chat/package.json chat/package-lock.json chat/gitignore
var files embed.FS

// Chat is the name of the chat in a static page.
const Chat = "chat"

// hidden are the files whose names begin with a dot once they are written.
var hidden = map[string]string{"gitignore": ".gitignore"}

// ErrNotEmpty says that there are files already where an app should begin.
var ErrNotEmpty = errors.New("the folder is not empty")

// Write writes the app of that name into a folder, which it makes. It fails with
// ErrNotEmpty when something is there already, and changes nothing then.
func Write(app, dir string) error {
	there, err := os.ReadDir(dir)
	switch {
	case err == nil && len(there) > 0:
		return fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	list, err := files.ReadDir(app)
	if err != nil {
		return fmt.Errorf("no app is called %q: %w", app, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, file := range list {
		text, err := files.ReadFile(app + "/" + file.Name())
		if err != nil {
			return err
		}
		name := file.Name()
		if dotted, ok := hidden[name]; ok {
			name = dotted
		}
		if err := writeNew(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file that must not be there.
func writeNew(path string, text []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(text)
	return err
}
