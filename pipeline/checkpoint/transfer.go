package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Several files are on their way at once, each waiting for its own answer: as many
// as have this many bytes together, since who sends one may hold all of it.
const (
	transfers     = 8
	transferBytes = 64 << 20
)

// Export hands over every file of a manifest as it is on disk, several side by
// side, and the manifest last, once all others were taken. A file may be opened
// more than once.
func (s *Store) Export(m *Manifest, take func(name string, open func() (io.ReadCloser, error)) error) error {
	give := func(name string) error {
		return take(name, func() (io.ReadCloser, error) {
			r, err := s.fs.Open(name)
			if err != nil {
				return nil, fmt.Errorf("open the checkpoint file %s: %w", name, err)
			}
			return r, nil
		})
	}
	if err := each(m.Files(), func(f File) error { return give(f.Name) }); err != nil {
		return err
	}
	return give(m.name())
}

// Import fetches a checkpoint: its manifest first, which fits may refuse, then its
// files, each of which must be the one that the manifest names; the manifest is
// written last. fetch gives keep all of a file, and again from its beginning where
// that has failed. Damaged says that another checkpoint should be tried.
func (s *Store) Import(manifest string, fits func(*Manifest) error, fetch func(name string, keep func(io.Reader) error) error) error {
	var raw []byte
	err := fetch(manifest, func(r io.Reader) (err error) {
		raw, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		return err
	}
	m, err := s.manifest(manifest, raw)
	if err != nil {
		return err
	}
	if err := fits(m); err != nil {
		return fmt.Errorf("%s: %w", manifest, err)
	}
	err = each(m.Files(), func(f File) error {
		if err := fetch(f.Name, func(r io.Reader) error { return s.receive(f.Name, r) }); err != nil {
			return err
		}
		if err := s.verify(m, f, f.Name+temporary); err != nil {
			return err
		}
		return s.fs.Rename(f.Name+temporary, f.Name)
	})
	if err != nil {
		return err
	}
	if err := s.fs.SyncDir(); err != nil {
		return err
	}
	if err := s.receive(manifest, bytes.NewReader(raw)); err != nil {
		return err
	}
	if err := s.fs.Rename(manifest+temporary, manifest); err != nil {
		return err
	}
	return s.fs.SyncDir()
}

// each does something for every file, several side by side, and begins no more
// of it after the first error.
func each(files []File, do func(File) error) error {
	largest := int64(1)
	for _, f := range files {
		largest = max(largest, f.Size)
	}
	work, ctx := errgroup.WithContext(context.Background())
	work.SetLimit(int(min(transfers, max(1, transferBytes/largest))))
	for _, f := range files {
		work.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			return do(f)
		})
	}
	return work.Wait()
}

// receive writes a file as it comes, under its temporary name.
func (s *Store) receive(name string, r io.Reader) error {
	w, err := s.fs.Create(name + temporary)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

// Newer are those of names that are manifests newer than another one, newest
// first; "": all of them.
func Newer(names []string, than string) []string {
	all := manifests(append(names[:len(names):len(names)], than))
	if i := slices.Index(all, than); i >= 0 {
		return all[:i]
	}
	return all
}

// Superfluous are those of names that belong to checkpoints older than the
// newest keep manifests, manifests first.
func Superfluous(names []string, keep int) (remove []string) {
	all := manifests(names)
	if len(all) <= keep {
		return nil
	}
	oldest, _ := parse(all[keep-1])
	remove = append(remove, all[keep:]...)
	for _, name := range names {
		if i, err := parse(name); err == nil && i.kind != ManifestFile && i.cycle < oldest.cycle {
			remove = append(remove, name)
		}
	}
	return remove
}

// name is the manifest's own.
func (m *Manifest) name() string { return id{ManifestFile, 0, m.Cycle, m.Owner}.name() }
