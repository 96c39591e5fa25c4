package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Store is a folder of checkpoints. One goroutine writes; reading is safe beside
// it, and finds files gone that were thinned meanwhile.
type Store struct {
	fs   FS
	keep int
	key  Key
}

// LeastKeep is how many checkpoints are kept at least: one may be damaged, and
// the one before it needs one behind it.
const LeastKeep = 3

// New is the store in a folder. keep is how many checkpoints stay, at least
// LeastKeep.
func New(fs FS, keep int, key Key) *Store {
	return &Store{fs: fs, keep: max(keep, LeastKeep), key: key}
}

// Key is what files are sealed under.
func (s *Store) Key() Key { return s.key }

// Manifests names all manifests, newest first, whole or not.
func (s *Store) Manifests() ([]string, error) {
	names, err := s.fs.List()
	if err != nil {
		return nil, fmt.Errorf("list the checkpoints: %w", err)
	}
	return manifests(names), nil
}

// Manifest reads one: Damaged, UnknownFormat, or why it cannot be read.
func (s *Store) Manifest(name string) (*Manifest, error) {
	b, err := s.fs.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the manifest %s: %w", name, err)
	}
	return s.manifest(name, b)
}

func (s *Store) manifest(name string, b []byte) (*Manifest, error) {
	c, payload, _, err := decode(name, b, s.key)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(name, payload)
	if err != nil {
		return nil, err
	}
	i, err := parse(name)
	if err != nil || c.kind != ManifestFile || c.cycle != i.cycle || c.owner != i.owner || m.Cycle != i.cycle || c.identity != m.identity() {
		return nil, &Damaged{name, "it is another manifest than its name says"}
	}
	if m.Key != s.key.ID() {
		return m, ErrOtherKey
	}
	return m, nil
}

// Load reads a file that a manifest names, and looks that it is the one.
func (s *Store) Load(m *Manifest, f File) ([]byte, error) {
	b, err := s.fs.ReadFile(f.Name)
	if gone(err) {
		return nil, &Damaged{f.Name, "it is not there"}
	}
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint file %s: %w", f.Name, err)
	}
	c, payload, sum, err := decode(f.Name, b, s.key)
	if err != nil {
		return nil, noFormat(f, err)
	}
	return payload, m.means(f, c, int64(len(b)), sum)
}

// means looks whether what was found in a file is what the manifest names.
func (m *Manifest) means(f File, c content, size int64, sum uint32) error {
	i, err := parse(f.Name)
	if err != nil || size != f.Size || sum != f.Sum || c.identity != m.identity() ||
		i != (id{c.kind, c.group, c.cycle, c.owner}) {
		return &Damaged{f.Name, "it is not the file that the manifest names"}
	}
	return nil
}

// Verify reads a manifest and all its files, a block at a time.
func (s *Store) Verify(name string) (*Manifest, error) {
	m, err := s.Manifest(name)
	if err != nil {
		return nil, err
	}
	for _, f := range m.Files() {
		if err := s.verify(m, f, f.Name); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Begin starts a cycle. No two of them have a file in common.
func (s *Store) Begin(h Head) (*Cycle, error) {
	names, err := s.fs.List()
	if err != nil {
		return nil, fmt.Errorf("list the checkpoints: %w", err)
	}
	c := &Cycle{store: s, head: h, number: max(newestCycle(names)+1, h.Batch)}
	c.manifest.Groups = make([]File, Groups)
	return c, nil
}

// thin removes what is older than the newest keep manifests, and what no
// manifest names. The manifests go first: none ever names a file that was
// removed.
func (s *Store) thin() error {
	names, err := s.fs.List()
	if err != nil {
		return err
	}
	all := manifests(names)
	stay := all[:min(s.keep, len(all))]
	needed := map[string]bool{}
	whole := 0
	for _, name := range stay {
		needed[name] = true
		m, err := s.Manifest(name)
		if err != nil {
			continue // it stays for whoever looks what happened
		}
		whole++
		for _, f := range m.Files() {
			needed[f.Name] = true
		}
	}
	// Damaged ones do not count: behind them older ones stay.
	for _, name := range all[len(stay):] {
		m, err := s.Manifest(name)
		if err != nil || whole >= s.keep {
			continue
		}
		whole++
		needed[name] = true
		for _, f := range m.Files() {
			needed[f.Name] = true
		}
	}
	var errs []error
	removed := false
	for _, name := range all {
		if !needed[name] {
			errs = append(errs, s.fs.Remove(name))
			removed = true
		}
	}
	if removed {
		errs = append(errs, s.fs.SyncDir())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := parse(strings.TrimSuffix(name, temporary)); err == nil && !needed[name] && !slices.Contains(all, name) {
			errs = append(errs, s.fs.Remove(name))
		}
	}
	return errors.Join(errs...)
}

// Oldest is the manifest furthest back that is whole as a manifest; nil where
// there is none.
func (s *Store) Oldest() *Manifest {
	names, err := s.Manifests()
	if err != nil {
		return nil
	}
	slices.Reverse(names)
	for _, name := range names {
		if m, err := s.Manifest(name); err == nil {
			return m
		}
	}
	return nil
}
