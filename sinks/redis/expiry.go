package redis

import (
	"context"
	"hash/maphash"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// An expiry behind every HSET is a quarter of what a row of a hot key costs the
// server. So a row is given a moment more than its ttl, too short to be seen in
// TTL, and PEXPIRE is left out for as long as that moment lasts: a row goes no
// sooner than its ttl after the last write, and at most the moment later. What is
// left out counts on the row's being there: the answer to HSET says whether it was.

const (
	// mostExtra is the moment, where a tenth of the ttl is not less: below half a
	// second, to which TTL rounds.
	mostExtra = 400 * time.Millisecond
	// expirySlots is how many rows are known to have been given their time. Those
	// that are not get it again.
	expirySlots = 1 << 15
)

// expiries are the rows that were given their time a moment ago. They belong to
// whoever writes rows.
type expiries struct {
	seed    maphash.Seed
	clock   func() time.Duration // since whenever, never back
	slots   []expiry             // by hash, the newest that has it
	losses  uint64               // of the store, when it was asked last
	skipped []skip               // of the pipeline in hand
}

type expiry struct {
	row uint64        // hash of its key
	end time.Duration // until then its ttl is kept without PEXPIRE
}

// skip is a row whose PEXPIRE was left out.
type skip struct {
	hset   *goredis.Cmd
	fields int64
	key    any
	ms     any
}

func newExpiries() expiries {
	began := time.Now()
	return expiries{seed: maphash.MakeSeed(), clock: func() time.Duration { return time.Since(began) }, slots: make([]expiry, expirySlots)}
}

// forget lets every row have its time again.
func (e *expiries) forget() { clear(e.slots) }

// since forgets where rows were lost since it was asked last: those that are
// there may be older than what was acknowledged.
func (e *expiries) since(losses uint64) {
	if losses != e.losses {
		e.losses = losses
		e.forget()
	}
}

// kept reports whether a row needs no PEXPIRE; else it counts as given one now.
func (e *expiries) kept(key string, extra time.Duration) bool {
	if extra <= 0 {
		return false
	}
	row, now := maphash.String(e.seed, key), e.clock()
	slot := &e.slots[row%expirySlots]
	if slot.row == row && now < slot.end {
		return true
	}
	*slot = expiry{row, now + extra}
	return false
}

// extraOf is how much longer than its ttl a row may stay, in whole milliseconds.
func extraOf(ttl time.Duration) time.Duration {
	return min(ttl/10, mostExtra).Truncate(time.Millisecond)
}

// found gives PEXPIRE for the rows that were not there although they should have
// been: somebody has deleted them. All fields of theirs were new.
func (e *expiries) found(ctx context.Context) (commands []goredis.Cmder) {
	for _, s := range e.skipped {
		if added, _ := s.hset.Int64(); added == s.fields {
			commands = append(commands, goredis.NewCmd(ctx, "pexpire", s.key, s.ms))
		}
	}
	return commands
}

// millisOf is what PEXPIRE takes of a duration: rounded up, for a row may be there
// a moment too long, never too short.
func millisOf(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10)
}
