package checkpoint

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
)

// damages are the ways in which a folder of checkpoints is spoilt. Each spoils
// the newest one, and says what it did; "" where it changed nothing.
var damages = []struct {
	name string
	do   func(d *disk, m *Manifest, r *rand.Rand) string
}{
	{"bit flip", func(d *disk, m *Manifest, r *rand.Rand) string {
		name, b := anyFile(d, m, r)
		i := r.IntN(len(b))
		b[i] ^= 1 << r.IntN(8)
		return fmt.Sprintf("%s: a bit of byte %d", name, i)
	}},
	{"truncate", func(d *disk, m *Manifest, r *rand.Rand) string {
		name, b := anyFile(d, m, r)
		n := r.IntN(len(b))
		d.now[name].data = b[:n]
		return fmt.Sprintf("%s: cut to %d of %d bytes", name, n, len(b))
	}},
	{"zero page", func(d *disk, m *Manifest, r *rand.Rand) string {
		name, b := anyFile(d, m, r)
		from := r.IntN(len(b))
		page := b[from:min(len(b), from+1+r.IntN(4096))]
		if bytes.Count(page, []byte{0}) == len(page) {
			return ""
		}
		clear(page)
		return fmt.Sprintf("%s: %d zeros at %d", name, len(page), from)
	}},
	{"random bytes", func(d *disk, m *Manifest, r *rand.Rand) string {
		name, b := anyFile(d, m, r)
		from := r.IntN(len(b))
		page := b[from:min(len(b), from+1+r.IntN(64))]
		was := bytes.Clone(page)
		for i := range page {
			page[i] = byte(r.Uint32())
		}
		if bytes.Equal(was, page) {
			return ""
		}
		return fmt.Sprintf("%s: %d random bytes at %d", name, len(page), from)
	}},
	{"grown", func(d *disk, m *Manifest, r *rand.Rand) string {
		name, b := anyFile(d, m, r)
		d.now[name].data = append(b, make([]byte, 1+r.IntN(100))...)
		return name + ": longer"
	}},
	{"missing", func(d *disk, m *Manifest, r *rand.Rand) string {
		name, _ := anyFile(d, m, r)
		delete(d.now, name)
		return name + ": gone"
	}},
	{"two groups swapped", func(d *disk, m *Manifest, r *rand.Rand) string {
		a, b := m.Groups[r.IntN(Groups)].Name, m.Groups[r.IntN(Groups)].Name
		if a == b {
			return ""
		}
		d.now[a], d.now[b] = d.now[b], d.now[a]
		return a + " and " + b + " in each other's place"
	}},
	{"file of an older cycle", func(d *disk, m *Manifest, r *rand.Rand) string {
		g := r.IntN(Groups)
		old := id{GroupFile, g, m.Cycle - 1, m.Owner}.name()
		d.now[m.Groups[g].Name] = &inode{data: bytes.Clone(d.now[old].data)}
		return fmt.Sprintf("group %d is that of the cycle before", g)
	}},
	{"file of another cluster", func(d *disk, m *Manifest, r *rand.Rand) string {
		other := newDisk()
		h := testHead
		h.Cluster = "c2"
		s := New(other, 3, Key{})
		for range m.Cycle {
			if _, err := write(s, h); err != nil {
				panic(err)
			}
		}
		name := m.Groups[r.IntN(Groups)].Name
		d.now[name] = other.now[name]
		return name + " is another cluster's"
	}},
	{"same file, other content", func(d *disk, m *Manifest, r *rand.Rand) string {
		g := r.IntN(Groups)
		buf := new(bytes.Buffer)
		c := content{kind: GroupFile, group: g, cycle: m.Cycle, owner: m.Owner, identity: m.identity()}
		payload := payloadOf(m.Cycle, g)
		payload[r.IntN(len(payload))]++
		if _, _, err := encode(buf, c, Bytes(payload), Key{}); err != nil {
			panic(err)
		}
		d.now[m.Groups[g].Name] = &inode{data: buf.Bytes()}
		return m.Groups[g].Name + " was written again"
	}},
	{"file of another owner", func(d *disk, m *Manifest, r *rand.Rand) string {
		g := r.IntN(Groups)
		buf := new(bytes.Buffer)
		c := content{kind: GroupFile, group: g, cycle: m.Cycle, owner: m.Owner + 1, identity: m.identity()}
		if _, _, err := encode(buf, c, Bytes(payloadOf(m.Cycle, g)), Key{}); err != nil {
			panic(err)
		}
		d.now[m.Groups[g].Name] = &inode{data: buf.Bytes()}
		return m.Groups[g].Name + " is another owner's"
	}},
}

// anyFile is a file of the checkpoint: the manifest now and then.
func anyFile(d *disk, m *Manifest, r *rand.Rand) (string, []byte) {
	files := m.Files()
	name := files[r.IntN(len(files))].Name
	if r.IntN(10) == 0 {
		name = id{ManifestFile, 0, m.Cycle, m.Owner}.name()
	}
	return name, d.now[name].data
}

// TestDamageIsFoundAndTheOneBeforeTaken spoils the newest checkpoint 300 times,
// FRESHET_CORRUPTIONS times where that is set.
func TestDamageIsFoundAndTheOneBeforeTaken(t *testing.T) {
	trials := 300
	if n, err := strconv.Atoi(os.Getenv("FRESHET_CORRUPTIONS")); err == nil {
		trials = n
	}
	whole := newDisk()
	s := New(whole, 3, Key{})
	for range 3 {
		mustWrite(t, s)
	}
	m, err := newest(s)
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]int{}
	undetected, lost := 0, 0
	for seed := 0; len(done) == 0 || sum(done) < trials; seed++ {
		kind := damages[seed%len(damages)]
		if kind.name == "file of another cluster" && seed%100 > 10 {
			continue // they take long to make
		}
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		d := whole.clone()
		what := kind.do(d, m, r)
		if what == "" {
			continue
		}
		done[kind.name]++
		got, err := newest(New(d, 3, Key{}))
		switch {
		case err != nil:
			lost++
			t.Errorf("seed %d, %s: no checkpoint is left: %v", seed, what, err)
		case got.Cycle == m.Cycle:
			undetected++
			t.Errorf("seed %d, %s: not found out", seed, what)
		case got.Cycle != m.Cycle-1:
			t.Errorf("seed %d, %s: fell back to cycle %d", seed, what, got.Cycle)
		}
	}
	t.Logf("%d corruptions %v: undetected %d, unrecoverable %d (at most %.4f with 95 %%)", sum(done), done, undetected, lost, 3/float64(sum(done)))
}

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// No bytes make the reader panic, or allocate what they do not vouch for.
func FuzzAFileIsReadOrRefused(f *testing.F) {
	key, _ := KeyFrom([]byte("secret"))
	for _, k := range []Key{{}, key} {
		buf := new(bytes.Buffer)
		if _, _, err := encode(buf, content{kind: GroupFile, group: 3, note: []byte("n")}, Bytes("payload"), k); err != nil {
			f.Fatal(err)
		}
		f.Add(buf.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, k := range []Key{{}, key} {
			c, payload, sum, err := decode("f", bytes.Clone(b), k)
			if err == nil && len(payload) > len(b) {
				t.Fatalf("%d bytes out of %d", len(payload), len(b))
			}
			r, err2 := begin("f", bytes.NewReader(b), int64(len(b)), k)
			var streamed []byte
			if err2 == nil {
				streamed, err2 = io.ReadAll(r)
			}
			if (err == nil) != (err2 == nil) || err == nil && (sum != r.sum || !reflect.DeepEqual(c, r.content) || !bytes.Equal(payload, streamed)) {
				t.Fatalf("at once: %v, block by block: %v", err, err2)
			}
		}
		_, _ = parseManifest("m", b)
	})
}
