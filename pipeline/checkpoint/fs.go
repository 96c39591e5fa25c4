package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// FS is a flat folder as checkpoints need it. What was written is safe only
// after the Sync of its file, its name only after SyncDir: tests take the rest
// away.
type FS interface {
	// Create makes a new file that only its owner may read.
	Create(name string) (Handle, error)
	// ReadFile reads a whole file; fs.ErrNotExist where there is none.
	ReadFile(name string) ([]byte, error)
	// Open opens a file to be read once, from its beginning; fs.ErrNotExist where
	// there is none.
	Open(name string) (io.ReadCloser, error)
	Rename(from, to string) error
	Remove(name string) error
	// List gives the names of all files, in any order.
	List() ([]string, error)
	// SyncDir makes the names safe.
	SyncDir() error
}

// Handle is a file that is being written.
type Handle interface {
	io.Writer
	Sync() error
	Close() error
}

// Dir is a folder on disk. Nothing outside of it can be reached through it,
// whatever the names are.
type Dir struct{ root *os.Root }

// OpenDir opens the folder, and makes it where there is none.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of checkpoints: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open the folder of checkpoints: %w", err)
	}
	return &Dir{root}, nil
}

// Close closes the folder.
func (d *Dir) Close() error { return d.root.Close() }

// Create implements FS.
func (d *Dir) Create(name string) (Handle, error) {
	return d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// ReadFile implements FS.
func (d *Dir) ReadFile(name string) ([]byte, error) { return d.root.ReadFile(name) }

// Open implements FS.
func (d *Dir) Open(name string) (io.ReadCloser, error) { return d.root.Open(name) }

// Rename implements FS.
func (d *Dir) Rename(from, to string) error { return d.root.Rename(from, to) }

// Remove implements FS.
func (d *Dir) Remove(name string) error { return d.root.Remove(name) }

// List implements FS.
func (d *Dir) List() ([]string, error) {
	dir, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// SyncDir implements FS.
func (d *Dir) SyncDir() error {
	dir, err := d.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// gone reports whether a file is not there.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
