package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"sync"
)

// disk is a folder in memory that can lose power and fail. What was written is
// safe after the sync of its file; a name after the sync of the folder.
type disk struct {
	mu      sync.Mutex
	now     map[string]*inode
	safe    map[string]*inode // names as the last SyncDir left them
	ops     int
	stopAt  int // the operation at which the power goes; 0: never
	failAt  int // the operation that fails, once
	fail    error
	full    bool  // ENOSPC for every write
	reads   error // of every read
	stopped bool
	syncs   map[string]int // by name
}

type inode struct {
	data   []byte
	synced int
}

var errPower = errors.New("the power is gone")

func newDisk() *disk {
	return &disk{now: map[string]*inode{}, safe: map[string]*inode{}, syncs: map[string]int{}}
}

// op counts an operation and says whether it happens.
func (d *disk) op() error {
	if d.stopped {
		return errPower
	}
	d.ops++
	switch d.ops {
	case d.stopAt:
		d.stopped = true
		return errPower
	case d.failAt:
		return d.fail
	}
	return nil
}

type diskFile struct {
	disk *disk
	name string
	node *inode
}

func (d *disk) Create(name string) (Handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op(); err != nil {
		return nil, err
	}
	n := &inode{}
	d.now[name] = n
	return &diskFile{d, name, n}, nil
}

// Write writes half where it fails.
func (f *diskFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	err := f.disk.op()
	if err == nil && f.disk.full {
		err = errors.New("no space left on device")
	}
	if err != nil {
		f.node.data = append(f.node.data, p[:len(p)/2]...)
		return len(p) / 2, err
	}
	f.node.data = append(f.node.data, p...)
	return len(p), nil
}

func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.syncs[f.name]++
	if err := f.disk.op(); err != nil {
		return err
	}
	f.node.synced = len(f.node.data)
	return nil
}

func (f *diskFile) Close() error { return nil }

func (d *disk) ReadFile(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reads != nil {
		return nil, d.reads
	}
	n := d.now[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return append([]byte(nil), n.data...), nil
}

func (d *disk) Open(name string) (io.ReadCloser, error) {
	b, err := d.ReadFile(name)
	return io.NopCloser(bytes.NewReader(b)), err
}

func (d *disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op(); err != nil {
		return err
	}
	n := d.now[from]
	if n == nil {
		return fs.ErrNotExist
	}
	delete(d.now, from)
	d.now[to] = n
	return nil
}

func (d *disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op(); err != nil {
		return err
	}
	if d.now[name] == nil {
		return fs.ErrNotExist
	}
	delete(d.now, name)
	return nil
}

func (d *disk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.now {
		names = append(names, name)
	}
	return names, nil
}

func (d *disk) SyncDir() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op(); err != nil {
		return err
	}
	d.safe = maps.Clone(d.now)
	return nil
}

// afterPowerLoss is what the disk holds when the power is back. keep is how
// much of what was not synced is there by chance, 0 to 1: of names and of bytes.
func (d *disk) afterPowerLoss(keep float64, r *rand.Rand) *disk {
	after := newDisk()
	names := maps.Clone(d.safe)
	for name, n := range d.now { // made, or renamed to
		if names[name] != n && r.Float64() < keep {
			names[name] = n
		}
	}
	for name := range names { // removed, or renamed away
		if d.now[name] == nil && r.Float64() < keep {
			delete(names, name)
		}
	}
	for name, n := range names {
		size := n.synced
		if rest := len(n.data) - n.synced; rest > 0 {
			size += int(keep * float64(rest) * r.Float64())
			if keep == 1 {
				size = len(n.data)
			}
		}
		c := &inode{data: append([]byte(nil), n.data[:size]...), synced: size}
		after.now[name], after.safe[name] = c, c
	}
	return after
}

// clone is a disk with the same files.
func (d *disk) clone() *disk {
	c := newDisk()
	for name, n := range d.now {
		c.now[name] = &inode{data: append([]byte(nil), n.data...), synced: len(n.data)}
		c.safe[name] = c.now[name]
	}
	return c
}
