package redis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// The heartbeat is a key that every transaction of rows raises: the owner, which
// of its transactions it was, and its batch. A server that has lost writes (a
// restart from an old copy or from none, a replica that took over) has lost the
// newest ones: a heartbeat that is at least the last one acknowledged proves
// that every row acknowledged is there. It is looked at on every new connection,
// and whenever the fence was touched; what the server says of itself proves less.
//
// While not every row is there the heartbeat says so, for a next owner.

// beats is what a store knows of heartbeats. Write and Alive share it.
type beats struct {
	mu          sync.Mutex
	n           uint64 // of the last one made
	incarnation uint32
	batch       uint64 // of the last rows
	acked       string // the last one that is known to have been stored, its place only
	begins      bool   // the first one of this ownership is still to come
	first       bool   // the run starts without committed offsets: nothing is needed
	losses      uint64
	whole       uint64 // the last loss that was repaired
	gloom       bool   // the heartbeat may say that rows are missing
}

const (
	beatDigits    = 8 + 16 // of a heartbeat's place: owner, number
	beatRewriting = " rewriting"
)

// begin is a take-over: proof is the place of the last commit, as its owner knew
// it.
func (b *beats) begin(proof string, incarnation uint32, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.incarnation = incarnation
	b.n, b.acked, b.begins, b.first = 0, placeOf(proof), true, first
	b.whole = b.losses
}

// next makes a heartbeat.
func (b *beats) next(owner uint32, batch uint64, lost bool) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n, b.batch = b.n+1, max(b.batch, batch)
	text := fmt.Sprintf("%08x%016x batch=%d incarnation=%d", owner, b.n, b.batch, b.incarnation)
	if lost || b.losses != b.whole {
		text += beatRewriting
		b.gloom = true
	}
	return text
}

// stored notes that a heartbeat was acknowledged.
func (b *beats) stored(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked = max(b.acked, placeOf(text))
	if text != "" && !strings.HasSuffix(text, beatRewriting) {
		b.gloom = false
	}
}

// starting reports whether the first one of this ownership is still to come.
func (b *beats) starting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begins
}

// gloomy reports whether the heartbeat says that rows are missing although they
// are all there again.
func (b *beats) gloomy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gloom && b.losses == b.whole
}

// claimed notes that the fence was set, and that rows were found lost.
func (b *beats) claimed(text string, lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.begins {
		b.begins, b.acked = false, "" // a first run's may compare as older
	}
	b.acked = max(b.acked, placeOf(text))
	if lost {
		b.losses++
	}
}

// needs is the least heartbeat that proves every row. It is asked before the
// server is: what is acknowledged meanwhile does not count.
func (b *beats) needs() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acked
}

// gone reports whether rows are missing where this heartbeat was found, that
// were there when it was to be at least needed. ours says that the fence was
// ours.
func (b *beats) gone(found, needed string, ours bool) (lost, begins bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	older := placeOf(found) < needed
	rewriting := strings.HasSuffix(found, beatRewriting)
	if b.begins {
		return !b.first && (needed == "" || older || rewriting), true
	}
	// One that is newer than all we know of says that a claim of ours, whose
	// answer never came, was done.
	unheard := rewriting && b.losses == b.whole && placeOf(found) > needed
	return !ours || older || unheard, false
}

// missing is the number of the loss that is not repaired.
func (b *beats) missing() (loss uint64, lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.losses, b.losses != b.whole
}

func (b *beats) repaired(loss uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole = max(b.whole, loss)
}

// placeOf is the part of a heartbeat that compares; "" where it is none.
func placeOf(text string) string {
	if len(text) < beatDigits || strings.Trim(text[:beatDigits], "0123456789abcdef") != "" {
		return ""
	}
	return text[:beatDigits]
}

// ownerIn is the owner of a heartbeat, 0 where there is none.
func ownerIn(beat string) uint32 {
	place := placeOf(beat)
	if place == "" {
		return 0
	}
	n, _ := strconv.ParseUint(place[:8], 16, 32)
	return uint32(n)
}

// incarnationIn is the incarnation of a heartbeat, 0 where it names none.
func incarnationIn(beat string) uint32 { return uint32(wordIn(beat, " incarnation=", 32)) }

// batchIn is the batch of a heartbeat, 0 where it names none.
func batchIn(beat string) uint64 { return wordIn(beat, " batch=", 64) }

func wordIn(beat, name string, bits int) uint64 {
	_, text, _ := strings.Cut(beat, name)
	text, _, _ = strings.Cut(text, " ")
	n, _ := strconv.ParseUint(text, 10, bits)
	return n
}

// textOf is the answer to GET: "" where there is no key.
func textOf(get *goredis.StringCmd) (string, error) {
	text, err := get.Result()
	if errors.Is(err, goredis.Nil) {
		return "", nil
	}
	return text, err
}

// Lost reports whether acknowledged rows are missing in the store, and which
// loss that was.
func (s *Store) Lost() (loss uint64, lost bool) { return s.beats.missing() }

// Whole says that every row was written since that loss was counted.
func (s *Store) Whole(loss uint64) { s.beats.repaired(loss) }

// Proof is the least heartbeat that proves every row acknowledged so far.
func (s *Store) Proof() string { return s.beats.needs() }
