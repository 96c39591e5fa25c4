package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var testHead = Head{Namespace: "shop", Group: "freshet-shop", Cluster: "c1", Owner: 7}

// payloadOf is what a group holds in a cycle, of various lengths.
func payloadOf(cycle uint64, group int) []byte {
	r := rand.New(rand.NewPCG(cycle, uint64(group)))
	b := make([]byte, r.IntN(300))
	if group == 3 && cycle == 5 {
		b = make([]byte, 2*blockBytes+17)
	}
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return binary.LittleEndian.AppendUint64(b, cycle)
}

func testManifest() *Manifest {
	m := &Manifest{Build: "test", Layout: 1, Batch: 12, Incarnation: 1, Seed: strings.Repeat("ab", 16),
		Sources: []Source{{Name: "payments", TopicID: "t1", Partitions: []Partition{{Begin: 5, End: 9}, {Begin: 0, End: 2}}}}}
	for range Groups {
		m.Cuts = append(m.Cuts, [][]int64{{7, 1}})
	}
	return m
}

// write writes one whole checkpoint.
func write(s *Store, h Head) (uint64, error) {
	c, err := s.Begin(h)
	if err != nil {
		return 0, err
	}
	err = c.PutAdmission(Bytes("admission of " + fmt.Sprint(c.Number())))
	for g := 0; g < Groups && err == nil; g++ {
		err = c.PutGroup(g, payloadOf(c.Number(), g))
	}
	if err == nil {
		err = c.PutVerdicts(nil)
	}
	if err == nil {
		m := testManifest()
		m.Key = s.key.ID()
		err = c.Finish(m)
	}
	if err != nil {
		c.Abandon()
		return 0, err
	}
	return c.Number(), nil
}

// newest is the newest checkpoint that is whole, as recovery looks for it.
func newest(s *Store) (*Manifest, error) {
	names, err := s.Manifests()
	if err != nil {
		return nil, err
	}
	err = errors.New("no manifest")
	for _, name := range names {
		var m *Manifest
		if m, err = s.Manifest(name); err == nil {
			for _, f := range m.Files() { // recovery loads what a cycle's end has verified
				_, loads := s.Load(m, f)
				if verifies := s.verify(m, f, f.Name); (loads == nil) != (verifies == nil) {
					return nil, fmt.Errorf("%s at once: %w, block by block: %w", f.Name, loads, verifies)
				}
			}
		}
		if m, err = s.Verify(name); err == nil {
			return m, nil
		}
		var damaged *Damaged
		if !errors.As(err, &damaged) {
			return nil, err
		}
	}
	return nil, err
}

// holds compares every byte of a checkpoint with what was put.
func holds(t *testing.T, s *Store, m *Manifest) {
	t.Helper()
	for g, f := range m.Groups {
		b, err := s.Load(m, f)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, payloadOf(m.Cycle, g)) {
			t.Fatalf("cycle %d, group %d: not what was written", m.Cycle, g)
		}
	}
}

func mustWrite(t *testing.T, s *Store) uint64 {
	t.Helper()
	n, err := write(s, testHead)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestACheckpointReadsAsItWasWritten(t *testing.T) {
	key, err := KeyFrom([]byte("a secret of thirty-two bytes or so"))
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]Key{"in clear": {}, "sealed": key} {
		t.Run(name, func(t *testing.T) {
			dir, err := OpenDir(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			s := New(dir, 3, k)
			for range 5 {
				mustWrite(t, s)
			}
			m, err := newest(s)
			if err != nil || m.Cycle != 5 {
				t.Fatal(m, err)
			}
			holds(t, s, m)
			all, _ := s.Manifests()
			if len(all) != 3 {
				t.Errorf("%d manifests stay, not 3", len(all))
			}
			files, _ := dir.List()
			if want := 3 * (1 + 2 + Groups); len(files) != want {
				t.Errorf("%d files stay, not the %d of three checkpoints", len(files), want)
			}
			info, err := dir.root.Stat(m.Groups[0].Name)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestASealedFileSaysNothingAndWantsItsKey(t *testing.T) {
	one, _ := KeyFrom([]byte("one"))
	other, _ := KeyFrom([]byte("other"))
	d := newDisk()
	s := New(d, 3, one)
	secret := []byte("4111111111111111")
	c, err := s.Begin(testHead)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PutGroup(0, secret); err != nil {
		t.Fatal(err)
	}
	for name, n := range d.now {
		if bytes.Contains(n.data, secret) {
			t.Errorf("%s holds a card number in clear", name)
		}
	}
	mustWrite(t, s)
	for what, k := range map[string]Key{"another key": other, "no key": {}} {
		if _, err := newest(New(d, 3, k)); !errors.Is(err, ErrOtherKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The power goes at every write, sync, rename and removal of the third and
// fourth checkpoint; then all, half or nothing of what was not synced is there.
func TestPowerLossAtEveryStepLeavesACheckpoint(t *testing.T) {
	two := newDisk()
	for range 2 {
		mustWrite(t, New(two, 3, Key{}))
	}
	count := two.clone()
	for range 2 {
		mustWrite(t, New(count, 3, Key{}))
	}
	step := 97
	if os.Getenv("FRESHET_LONG") != "" {
		step = 1
	}
	manifest := count.ops / 2 // where the first of the two ends, about
	tried := 0
	for op := 1; op <= count.ops; op++ {
		if op%step != 0 && (op < manifest-20 || op > manifest+10) && op < count.ops-40 {
			continue
		}
		d := two.clone()
		d.stopAt = op
		s, done := New(d, 3, Key{}), uint64(2)
		for n := range uint64(2) {
			_, err := write(s, testHead)
			if err == nil || errors.As(err, new(*Thinning)) {
				done = 3 + n
			}
		}
		for _, keep := range []float64{0, 0.5, 1} {
			tried++
			left := d.afterPowerLoss(keep, rand.New(rand.NewPCG(uint64(op), uint64(keep*2))))
			again := New(left, 3, Key{})
			m, err := newest(again)
			if err != nil {
				t.Fatalf("power loss at operation %d, %.0f%% of the unsynced kept: %v", op, keep*100, err)
			}
			if m.Cycle < done {
				t.Fatalf("power loss at operation %d: cycle %d was done, %d is found", op, done, m.Cycle)
			}
			if op%97 == 0 {
				holds(t, again, m)
				mustWrite(t, again)
			}
		}
	}
	t.Logf("%d power losses, 0 unrecoverable (at most %.4f with 95 %%)", tried, 3/float64(tried))
}

// Each operation fails once: the cycle is given up or done, what was there
// stays, no file is synced twice, and the next cycle is written.
func TestAnErrorEndsItsCycleOnly(t *testing.T) {
	three := newDisk()
	for range 3 {
		mustWrite(t, New(three, 3, Key{}))
	}
	count := three.clone()
	mustWrite(t, New(count, 3, Key{}))
	for op := 1; op <= count.ops; op++ {
		if op%53 != 0 && (op < count.ops-275 || op > count.ops-255) {
			continue
		}
		d := three.clone()
		s := New(d, 3, Key{})
		d.failAt, d.fail = op, fmt.Errorf("input/output error")
		_, err := write(s, testHead)
		m, found := newest(s)
		if found != nil {
			t.Fatalf("operation %d failed (%v): %v", op, err, found)
		}
		var thinning *Thinning
		if err != nil && !errors.As(err, &thinning) && m.Cycle != 3 {
			t.Fatalf("operation %d failed (%v), and checkpoint %d is the newest", op, err, m.Cycle)
		}
		for name, n := range d.syncs {
			if n > 1 {
				t.Fatalf("operation %d failed: %s was synced %d times", op, name, n)
			}
		}
		next := mustWrite(t, s)
		m, found = newest(s)
		if found != nil || m.Cycle != next {
			t.Fatalf("after operation %d had failed: %v, %v", op, m, found)
		}
		if names, _ := d.List(); slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, temporary) }) {
			t.Fatalf("operation %d failed: a temporary file stays for ever", op)
		}
	}
}

func TestAFullDiskKeepsWhatIsThere(t *testing.T) {
	d := newDisk()
	s := New(d, 3, Key{})
	mustWrite(t, s)
	d.full = true
	for range 3 {
		if _, err := write(s, testHead); err == nil {
			t.Fatal("written to a full disk")
		}
	}
	names, _ := d.List()
	if len(names) != 1+2+Groups {
		t.Errorf("%d files: what could not be written is in the way", len(names))
	}
	if m, err := newest(s); err != nil || m.Cycle != 1 {
		t.Fatal(m, err)
	}
	d.full = false
	mustWrite(t, s)
}

func TestAnotherFormatIsRefused(t *testing.T) {
	d := newDisk()
	s := New(d, 3, Key{})
	mustWrite(t, s)
	mustWrite(t, s)
	names, _ := s.Manifests()
	n := d.now[names[0]]
	binary.LittleEndian.PutUint32(n.data[atFormat:], Format+1)
	if _, err := s.Manifest(names[0]); !errors.As(err, new(*Damaged)) {
		t.Errorf("a wrong bit in the number: %v", err)
	}
	noted := headBytes + int(binary.LittleEndian.Uint32(n.data[atNote:]))
	binary.LittleEndian.PutUint32(n.data[noted:], crc32.Checksum(n.data[:noted], castagnoli))
	_, err := newest(s)
	if !errors.As(err, new(*UnknownFormat)) {
		t.Errorf("a manifest of another build: %v", err)
	}
}

// generated is a payload that lies nowhere.
type generated int

func (g generated) Size() int { return int(g) }

func (g generated) Chunks(size int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		chunk := make([]byte, size)
		for left := int(g); left > 0; left -= size {
			if chunk[0]++; !yield(chunk[:min(size, left)]) {
				return
			}
		}
	}
}

// What is admitted may be a hundred megabytes: it is written and read back in
// blocks, sealed or not, and is what Load reads.
func TestALargeAdmissionTakesABlock(t *testing.T) {
	key, err := KeyFrom([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 20<<20 + 5
	for _, k := range []Key{{}, key} {
		dir, err := OpenDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		s := New(dir, 3, k)
		c, err := s.Begin(testHead)
		if err != nil {
			t.Fatal(err)
		}
		took := allocated(func() { err = c.PutAdmission(generated(size)) })
		if err != nil || took > 4*blockBytes {
			t.Errorf("%d bytes were taken to write it: %v", took, err)
		}
		m := testManifest()
		m.Namespace, m.Group, m.Cluster, m.Cycle = testHead.Namespace, testHead.Group, testHead.Cluster, c.Number()
		took = allocated(func() { err = s.verify(m, c.manifest.Admission, c.manifest.Admission.Name) })
		if err != nil || took > 4*blockBytes {
			t.Errorf("%d bytes were taken to read it back: %v", took, err)
		}
		took = allocated(func() {
			var r *Opened
			if r, err = s.Open(m, c.manifest.Admission); err == nil {
				n, read := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r})
				if err = errors.Join(read, r.Close()); n != size || r.Len() != 0 {
					t.Errorf("%d bytes are read, %d are left", n, r.Len())
				}
			}
		})
		if err != nil || took > 8*blockBytes {
			t.Errorf("%d bytes were taken to read it: %v", took, err)
		}
		b, err := s.Load(m, c.manifest.Admission)
		if err != nil || len(b) != size || b[0] != 1 || b[size-5] != 21 {
			t.Errorf("%d bytes, want %d: %v", len(b), size, err)
		}
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, says := range []int{2, 4} {
		if _, _, err := encode(io.Discard, content{}, sized{generated(3), says}, Key{}); err == nil {
			t.Errorf("3 bytes that say to be %d are written", says)
		}
	}
}

// sized is a payload that says another size.
type sized struct {
	generated
	says int
}

func (s sized) Size() int { return s.says }

// allocated is how many bytes f takes.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
