package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/sinks"
)

// The fence is a key with the number of the owner who may write. Whoever takes
// over raises it before its first write; everything else is written in
// transactions on connections that watch it. A transaction that an owner before
// has on its way, however long, is refused whole: the fence was touched since.
//
// The watch of one transaction is set behind the one before it, so a write is
// still one round trip.

// lane is a connection whose transactions the fence guards.
type lane struct {
	store    *Store
	conn     *goredis.Conn
	armed    bool // it watches the fence, which was ours then
	withheld bool // nothing goes out while rows are lost
}

// armTries is how often a write whose fence was touched looks whose it is. Each
// time somebody else got further: of eight that take over at once the last one
// looked more than five times.
const armTries = 64

// exec does the commands in one transaction, all or none: none where another
// owner has raised the fence. Replies of the server are the commands' own
// errors; the result is one of those, or why there are none. batch is that of the
// rows.
func (l *lane) exec(ctx context.Context, commands []goredis.Cmder, batch uint64) error {
	for range armTries {
		if !l.armed {
			if err := l.arm(ctx); err != nil {
				return err
			}
		}
		if _, lost := l.store.beats.missing(); lost && l.withheld {
			return sinks.ErrRowsLost
		}
		// The number of a heartbeat is drawn under the watch: whoever drew a later
		// one meanwhile has touched the fence, so this one is not stored.
		beat, more := l.beat(ctx, batch)
		done, err := l.try(ctx, append(commands, more...))
		if done && err == nil {
			l.store.beats.stored(beat)
		}
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%s was touched %d times in a row while nobody else owned it", l.store.keys.fence(), armTries)
}

// beat is what a transaction of rows says in the heartbeat; a sign of life says
// something there only where the last word was that rows are missing.
func (l *lane) beat(ctx context.Context, batch uint64) (beat string, commands []goredis.Cmder) {
	s := l.store
	if s.owner == 0 || l.withheld && !s.beats.gloomy() {
		return "", nil
	}
	beat = s.beats.next(s.owner, batch, false)
	if l.withheld { // a transaction of rows that is on its way has an older number
		commands = append(commands, goredis.NewCmd(ctx, "set", s.keys.fence(), s.claimed()))
	}
	return beat, append(commands, goredis.NewCmd(ctx, "set", s.keys.heartbeat(), beat))
}

// try sends one transaction, and the watch for the next one behind it.
func (l *lane) try(ctx context.Context, commands []goredis.Cmder) (done bool, err error) {
	fence := l.store.keys.fence()
	l.armed = false
	pipeline := l.conn.Pipeline()
	pipeline.Do(ctx, "multi")
	if err := pipeline.BatchProcess(ctx, commands...); err != nil {
		return false, err
	}
	exec := pipeline.Do(ctx, "exec")
	watch := pipeline.Do(ctx, "watch", fence)
	get := pipeline.Get(ctx, fence)
	_, _ = pipeline.Exec(ctx) // the commands have their errors

	if broken(get.Err()) || broken(exec.Err()) {
		l.drop()
		return false, errors.Join(firstError(commands), exec.Err(), get.Err())
	}
	owner, word, err := claimOf(get)
	l.armed = watch.Err() == nil && err == nil && owner == l.store.owner && (owner == 0 || word == l.store.word)
	if demoted(firstError(commands)) || demoted(exec.Err()) {
		l.drop() // the address may lead to the new master by now
	}
	switch {
	case errors.Is(exec.Err(), goredis.Nil):
		return false, nil // refused: the fence was touched
	case exec.Err() != nil:
		if err := firstError(commands); err != nil {
			return false, err // EXECABORT says only that there is one
		}
		return false, exec.Err()
	}
	return true, l.replies(exec, commands)
}

// replies gives every command the error that EXEC's reply has for it.
func (l *lane) replies(exec *goredis.Cmd, commands []goredis.Cmder) (first error) {
	list, _ := exec.Val().([]any)
	if len(list) != len(commands) {
		l.drop()
		return fmt.Errorf("exec answered %d of %d commands", len(list), len(commands))
	}
	for i, reply := range list {
		command, _ := commands[i].(*goredis.Cmd)
		err, failed := reply.(error)
		if !failed && command != nil {
			command.SetVal(reply)
		}
		if failed {
			commands[i].SetErr(err)
			if first == nil {
				first = err
			}
		}
	}
	return first
}

// arm watches the fence, which must be ours. On a new connection it is set anew:
// what an older connection of ours still has on its way must not land later. One
// that is missing or of an owner before was lost by the server, and rows with it.
func (l *lane) arm(ctx context.Context) error {
	s := l.store
	// What one lane finds and says, the other has heard before it looks.
	select {
	case s.looks <- struct{}{}:
		defer func() { <-s.looks }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for range armTries {
		fresh := l.conn == nil
		if fresh {
			l.conn = s.dial()
		}
		needed := s.beats.needs()
		pipeline := l.conn.Pipeline()
		pipeline.Do(ctx, "watch", s.keys.fence(), s.keys.meta())
		get, beat := pipeline.Get(ctx, s.keys.fence()), pipeline.Get(ctx, s.keys.heartbeat())
		drawn, run := pipeline.HGet(ctx, s.keys.meta(), metaOwner), pipeline.HGet(ctx, s.keys.meta(), metaIncarnation)
		if _, err := pipeline.Exec(ctx); err != nil && !errors.Is(err, goredis.Nil) {
			l.drop()
			return err
		}
		owner, word, err := claimOf(get)
		found, _ := textOf(beat)
		switch {
		case err != nil:
			return &sinks.Fatal{Err: fmt.Errorf("%s is no owner's number: was it edited by hand? %w", s.keys.fence(), err)}
		case owner > s.owner, owner == s.owner && owner > 0 && word != s.word:
			return &sinks.Fatal{Err: fmt.Errorf("%s is %d, and we are owner %d: %w; if that was no hand-over, two runs write namespace %s: give one another namespace or database",
				s.keys.fence(), owner, s.owner, sinks.ErrLost, s.keys.namespace)}
		case s.owner == 0:
			l.armed = true
			return nil
		}
		lost, begins := s.beats.gone(found, needed, owner == s.owner)
		if !fresh && !lost && !begins {
			l.armed = true
			return nil
		}
		if err := l.claim(ctx, lost, begins, numberOf(drawn), numberOf(run)); err != nil {
			l.drop()
			return err
		}
	}
	return fmt.Errorf("%s was touched %d times in a row", s.keys.fence(), armTries)
}

// claim sets the fence, unless it was touched since it was read. Where rows are
// lost the sign of life goes with the same transaction, and meta comes back.
// The counters in meta never go back: others may have drawn since the loss.
func (l *lane) claim(ctx context.Context, lost, begins bool, drawn, run uint64) error {
	s := l.store
	beat := ""
	pipeline := l.conn.Pipeline()
	pipeline.Do(ctx, "multi")
	pipeline.Do(ctx, "set", s.keys.fence(), s.claimed())
	if lost || begins {
		beat = s.beats.next(s.owner, 0, lost)
		pipeline.Do(ctx, "set", s.keys.heartbeat(), beat)
	}
	if lost {
		pipeline.Do(ctx, "del", s.keys.alive())
		pipeline.Do(ctx, append([]any{"hset", s.keys.meta()}, s.meta...)...)
		pipeline.Do(ctx, "hset", s.keys.meta(), metaOwner, max(uint64(s.owner), drawn), metaIncarnation, max(uint64(s.incarnation), run))
	}
	exec := pipeline.Do(ctx, "exec")
	_, err := pipeline.Exec(ctx)
	switch {
	case errors.Is(exec.Err(), goredis.Nil):
		return nil // someone was quicker: look again
	case err != nil:
		return err
	case beat != "":
		s.beats.claimed(beat, lost)
	}
	return nil
}

// drop gives up the connection; the next transaction makes one.
func (l *lane) drop() {
	l.armed = false
	if l.conn != nil {
		_ = l.conn.Close() // it was given up, or goes back to the pool
		l.conn = nil
	}
}

// claimed is what the fence says while it is ours: the owner's number and a word
// of this process. A server that lost the drawing of a number gives it out again;
// of two that have it the one who finds the other's word ends.
func (s *Store) claimed() string { return strconv.FormatUint(uint64(s.owner), 10) + " " + s.word }

// claimOf reads the fence: 0 where there is none.
func claimOf(get *goredis.StringCmd) (owner uint32, word string, err error) {
	text, err := textOf(get)
	if err != nil || text == "" {
		return 0, "", err
	}
	text, word, _ = strings.Cut(text, " ")
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), word, err
}

// numberOf reads a counter of meta: 0 where there is none.
func numberOf(get *goredis.StringCmd) uint64 {
	n, _ := get.Uint64()
	return n
}

// broken reports whether an error is the connection's and not an answer.
func broken(err error) bool {
	var reply goredis.Error
	return err != nil && !errors.As(err, &reply)
}

func firstError(commands []goredis.Cmder) error {
	for _, c := range commands {
		if err := c.Err(); err != nil {
			return err
		}
	}
	return nil
}
