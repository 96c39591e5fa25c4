package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// transfers is how many files are on their way at once: a file is a few
// megabytes, and each waits for its own answer.
const transfers = 8

// Export hands over every file of a manifest as it is on disk, several side by
// side, and the manifest last, once all others were taken.
func (s *Store) Export(m *Manifest, take func(name string, b []byte) error) error {
	give := func(name string) error {
		b, err := s.fs.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read the checkpoint file %s: %w", name, err)
		}
		return take(name, b)
	}
	if err := each(m.Files(), func(f File) error { return give(f.Name) }); err != nil {
		return err
	}
	return give(m.name())
}

// Import fetches a checkpoint: its manifest first, which fits may refuse, then its
// files, each of which must be the one that the manifest names; the manifest is
// written last. Damaged says that another one should be tried.
func (s *Store) Import(manifest string, fits func(*Manifest) error, fetch func(name string) ([]byte, error)) error {
	raw, err := fetch(manifest)
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
		b, err := fetch(f.Name)
		if err != nil {
			return err
		}
		if _, err := s.accept(m, f, b); err != nil {
			return err
		}
		return s.keepAs(f.Name, b)
	})
	if err != nil {
		return err
	}
	if err := s.fs.SyncDir(); err != nil {
		return err
	}
	if err := s.keepAs(manifest, raw); err != nil {
		return err
	}
	return s.fs.SyncDir()
}

// each does something for every file, several side by side, and begins no more
// of it after the first error.
func each(files []File, do func(File) error) error {
	work, ctx := errgroup.WithContext(context.Background())
	work.SetLimit(transfers)
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

// keepAs writes a file as it came.
func (s *Store) keepAs(name string, b []byte) error {
	w, err := s.fs.Create(name + temporary)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	if err == nil {
		err = w.Sync()
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return s.fs.Rename(name+temporary, name)
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
