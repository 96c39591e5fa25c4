package checkpoint

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Manifest is one whole checkpoint: what it belongs to, where it stands, and
// which files it is made of. It holds no data of entities.
type Manifest struct {
	Cycle   uint64 `json:"cycle"`
	Build   string `json:"build"`   // version of the binary
	Written int64  `json:"written"` // wall clock, ms

	Namespace string `json:"namespace"`
	Group     string `json:"group"`   // of consumers
	Cluster   string `json:"cluster"` // the log's own id; "" where it has none

	Batch       uint64 `json:"batch"` // the last one committed when the cycle ended
	Owner       uint32 `json:"owner"`
	Incarnation uint32 `json:"incarnation"`

	Layout uint32 `json:"layout"` // of the engine's bytes
	Key    string `json:"key"`    // id of the key that the files are sealed under; "": they are not
	Seed   string `json:"seed"`   // of the engine's hashes, hex; "": it follows from the key
	Logs   []Log  `json:"logs"`

	Sources   []Source `json:"sources"`
	Admission File     `json:"admission"` // as at every partition's Begin
	Verdicts  File     `json:"verdicts"`  // of the records between Begin and End
	Groups    []File   `json:"groups"`    // by group
	// Cuts are, by group, by Sources, by Partitions: the first offset that is not
	// in the group's file.
	Cuts [][][]int64 `json:"cuts"`
}

// Log is one log of the engine's plan: its state is good for a log of the same
// hash only.
type Log struct {
	Source string `json:"source"`
	Entity string `json:"entity"`
	Hash   string `json:"hash"`
}

// Source is how far one source was.
type Source struct {
	Name       string      `json:"name"`
	TopicID    string      `json:"topic_id"` // another one after the topic was made anew; "" where there is none
	Partitions []Partition `json:"partitions"`
}

// Partition is how far one partition was: Begin <= every group's cut <= End.
// Everything below End was committed when the manifest was written.
type Partition struct {
	Begin int64 `json:"begin"`
	End   int64 `json:"end"`
	// At is the running maximum of event time at Begin.
	At int64 `json:"at"`
}

// File names a file and what it must be.
type File struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Sum  uint32 `json:"sum"` // CRC32C of header, table and trailer
}

// Groups is how many group files a checkpoint has.
const Groups = 256

// identity is what the manifest's files have in common.
func (m *Manifest) identity() [16]byte { return identityOf(m.Namespace, m.Group, m.Cluster) }

// Files are all files that the manifest names.
func (m *Manifest) Files() []File {
	return append([]File{m.Admission, m.Verdicts}, m.Groups...)
}

// Bytes is the length of all files.
func (m *Manifest) Bytes() (n int64) {
	for _, f := range m.Files() {
		n += f.Size
	}
	return n
}

// check looks that a manifest can be relied on before anything is looked up in
// it.
func (m *Manifest) check() error {
	if len(m.Groups) != Groups || len(m.Cuts) != Groups {
		return fmt.Errorf("it has %d files and %d cuts of groups, not %d", len(m.Groups), len(m.Cuts), Groups)
	}
	if b, err := hex.DecodeString(m.Seed); err != nil || len(b) != 0 && len(b) != 16 {
		return fmt.Errorf("its seed is none")
	}
	for g, sources := range m.Cuts {
		if len(sources) != len(m.Sources) {
			return fmt.Errorf("group %d has cuts of %d sources, not %d", g, len(sources), len(m.Sources))
		}
		for s, cuts := range sources {
			parts := m.Sources[s].Partitions
			if len(cuts) != len(parts) {
				return fmt.Errorf("group %d has cuts of %d partitions of source %s, not %d", g, len(cuts), m.Sources[s].Name, len(parts))
			}
			for p, cut := range cuts {
				if cut < parts[p].Begin || cut > parts[p].End {
					return fmt.Errorf("the cut of group %d at %s:%d is outside of the checkpoint", g, m.Sources[s].Name, p)
				}
			}
		}
	}
	for _, f := range m.Files() {
		if _, err := parse(f.Name); err != nil || f.Size < 0 {
			return fmt.Errorf("it names a file that is none")
		}
	}
	return nil
}

func (m *Manifest) append() ([]byte, error) { return json.Marshal(m) }

func parseManifest(name string, payload []byte) (*Manifest, error) {
	m := &Manifest{}
	err := json.Unmarshal(payload, m)
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return nil, &Damaged{name, err.Error()}
	}
	return m, nil
}
