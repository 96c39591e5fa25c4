package checkpoint

import (
	"errors"
	"fmt"

	"github.com/freshet-dev/freshet/fault"
)

// Head is what the files of a cycle have in common.
type Head struct {
	Namespace, Group, Cluster string
	Owner                     uint32
	// Batch is the one that the cycle begins behind. Batches are counted on from
	// owner to owner, so the numbers of cycles follow them: of two machines that
	// each have a folder of their own, and copy to one place, the later one's are
	// larger.
	Batch uint64
}

// Cycle is one checkpoint being written. After an error only Abandon may
// follow.
type Cycle struct {
	store    *Store
	head     Head
	number   uint64
	manifest Manifest
	written  []string // temporary names too
	bytes    int64
}

// Number is the cycle's own, larger than any before it, in this folder and in another
// machine's.
func (c *Cycle) Number() uint64 { return c.number }

// Bytes is how much was written so far.
func (c *Cycle) Bytes() int64 { return c.bytes }

// PutGroup writes the file of a group.
func (c *Cycle) PutGroup(group int, payload []byte) (err error) {
	c.manifest.Groups[group], err = c.put(GroupFile, group, Bytes(payload))
	return err
}

// PutAdmission writes what was admitted, as it was before the first group.
func (c *Cycle) PutAdmission(payload Payload) (err error) {
	c.manifest.Admission, err = c.put(AdmissionFile, 0, payload)
	return err
}

// PutVerdicts writes what became of the records between the first group and the
// last one.
func (c *Cycle) PutVerdicts(payload []byte) (err error) {
	c.manifest.Verdicts, err = c.put(AdmissionFile, 1, Bytes(payload))
	return err
}

func (c *Cycle) put(kind Kind, group int, payload Payload) (File, error) {
	i := id{kind, group, c.number, c.head.Owner}
	f := File{Name: i.name()}
	h := content{kind: kind, group: group, cycle: c.number, owner: c.head.Owner,
		identity: identityOf(c.head.Namespace, c.head.Group, c.head.Cluster)}
	temp := f.Name + temporary
	c.written = append(c.written, temp)
	var err error
	if f.Size, f.Sum, err = c.write(temp, h, payload); err != nil {
		return f, fmt.Errorf("write the checkpoint file %s: %w", f.Name, err)
	}
	if err := c.store.fs.Rename(temp, f.Name); err != nil {
		return f, fmt.Errorf("rename the checkpoint file %s: %w", f.Name, err)
	}
	fault.At(fault.FileRenamed)
	c.written[len(c.written)-1] = f.Name
	c.bytes += f.Size
	return f, nil
}

func (c *Cycle) write(name string, h content, payload Payload) (size int64, sum uint32, err error) {
	w, err := c.store.fs.Create(name)
	if err != nil {
		return 0, 0, err
	}
	size, sum, err = encode(w, h, payload, c.store.key)
	if err == nil {
		fault.At(fault.FileWritten)
		err = w.Sync()
		fault.At(fault.FileSynced)
	}
	return size, sum, errors.Join(err, w.Close())
}

// Finish writes the manifest, reads all of it back, and lets go what is too
// old. m is filled in where it is about files. An error after the manifest was
// accepted is a *Thinning: the checkpoint is good.
func (c *Cycle) Finish(m *Manifest) error {
	m.Cycle, m.Groups, m.Admission, m.Verdicts = c.number, c.manifest.Groups, c.manifest.Admission, c.manifest.Verdicts
	m.Namespace, m.Group, m.Cluster, m.Owner = c.head.Namespace, c.head.Group, c.head.Cluster, c.head.Owner
	m.Key = c.store.key.ID()
	if err := m.check(); err != nil {
		return fmt.Errorf("the manifest of cycle %d: %w", c.number, err)
	}
	payload, err := m.append()
	if err != nil {
		return err
	}
	if err := c.store.fs.SyncDir(); err != nil { // the files' names are safe before a manifest names them
		return fmt.Errorf("sync the folder of checkpoints: %w", err)
	}
	fault.At(fault.ManifestReady)
	f, err := c.put(ManifestFile, 0, Bytes(payload))
	if err != nil {
		return err
	}
	if err := c.store.fs.SyncDir(); err != nil {
		return fmt.Errorf("sync the folder of checkpoints: %w", err)
	}
	if _, err := c.store.Verify(f.Name); err != nil {
		return fmt.Errorf("read the checkpoint back: %w", err)
	}
	c.written = nil
	fault.At(fault.ManifestNamed)
	if err := c.store.thin(); err != nil {
		return &Thinning{err}
	}
	return nil
}

// Thinning is the error of older checkpoints that could not be removed: the new
// one is good.
type Thinning struct{ Err error }

func (t *Thinning) Error() string { return "remove older checkpoints: " + t.Err.Error() }

func (t *Thinning) Unwrap() error { return t.Err }

// Abandon removes what the cycle has written, the manifest first. What cannot
// be removed stays until a later cycle is done.
func (c *Cycle) Abandon() {
	for i := len(c.written) - 1; i >= 0; i-- {
		_ = c.store.fs.Remove(c.written[i])
	}
	c.written = nil
}
