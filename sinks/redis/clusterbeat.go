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

// found is what a cluster says of our rows.
type found struct {
	owner uint32 // of the fence
	word  string
	beat  string // the least heartbeat of all nodes, "rewriting" if any says so
}

// look reads the fence, and of every node the heartbeat. A node whose heartbeat
// this owner has not raised is not looked at, but at the take-over.
func (c *cluster) look(ctx context.Context, all bool) (found, error) {
	var f found
	masters, err := c.nodes(ctx)
	if err != nil {
		return f, err
	}
	pipeline := c.client.Pipeline()
	fence := pipeline.Get(ctx, c.store.keys.fence())
	var beats []*goredis.StringCmd
	for _, client := range masters {
		tag, err := c.tag(ctx, client)
		if errors.Is(err, errFewSlots) {
			continue
		}
		if err != nil {
			return f, err
		}
		if all || c.has(tag) {
			beats = append(beats, pipeline.Get(ctx, c.store.keys.heartbeatOf(tag)))
		}
	}
	_, _ = pipeline.Exec(ctx) // the commands have their errors; an absent key is one
	if f.owner, f.word, err = claimOf(fence); err != nil {
		return f, c.unreadable(err)
	}
	rewriting, least := false, ""
	for i, get := range beats {
		text, err := textOf(get)
		if err != nil {
			return f, err
		}
		rewriting = rewriting || strings.HasSuffix(text, beatRewriting)
		if place := placeOf(text); i == 0 || place < least {
			least = place
		}
	}
	f.beat = least
	if len(beats) == 0 {
		f.beat = c.store.beats.needs() // none was raised, none can be missing
	}
	if rewriting {
		f.beat += beatRewriting
	}
	return f, nil
}

func (c *cluster) unreadable(err error) error {
	if _, number := err.(*strconv.NumError); number {
		return &sinks.Fatal{Err: fmt.Errorf("%s is no owner's number: was it edited by hand? %w", c.store.keys.fence(), err)}
	}
	return err
}

// check makes sure that the fence is ours.
func (c *cluster) check(ctx context.Context) error {
	s := c.store
	owner, word, err := claimOf(s.client.Get(ctx, s.keys.fence()))
	if err != nil {
		return c.unreadable(err)
	}
	if owner == s.owner && word == s.word {
		return nil
	}
	return c.repair(ctx)
}

// repair makes sure that the fence is ours and that no acknowledged row is
// missing; where one is, the store says so.
func (c *cluster) repair(ctx context.Context) error {
	s := c.store
	needed := s.beats.needs()
	f, err := c.look(ctx, s.beats.starting())
	switch {
	case err != nil:
		return err
	case f.owner > s.owner || f.owner == s.owner && f.word != s.word:
		return c.taken(fmt.Sprint(f.owner))
	}
	lost, begins := s.beats.gone(f.beat, needed, f.owner == s.owner)
	if !lost && !begins {
		return nil
	}
	return c.claim(ctx, lost)
}

// claim raises the fence and every heartbeat. Where rows are lost the sign of
// life goes first, and meta comes back.
func (c *cluster) claim(ctx context.Context, lost bool) error {
	s := c.store
	if err := c.loadAll(ctx); err != nil {
		return err
	}
	now, err := c.on(ctx, fenceScript, s.keys.fence(), s.owner, s.word).Text()
	switch {
	case err != nil:
		return err
	case now != s.claimed():
		return c.taken(now)
	}
	if lost {
		if err := s.client.Del(ctx, s.keys.alive()).Err(); err != nil {
			return err
		}
		args := append([]any{metaOwner, metaIncarnation, s.owner, s.incarnation}, s.meta...)
		if err := c.on(ctx, metaScript, s.keys.meta(), args...).Err(); err != nil {
			return err
		}
	}
	beat := s.beats.next(s.owner, 0, lost)
	if err := c.beat(ctx, beat); err != nil {
		return err
	}
	s.beats.claimed(beat, lost)
	return nil
}

// beat sets every node's heartbeat.
func (c *cluster) beat(ctx context.Context, beat string) error {
	masters, err := c.nodes(ctx)
	if err != nil {
		return err
	}
	pipeline := c.client.Pipeline()
	var tags []int
	for _, client := range masters {
		tag, err := c.tag(ctx, client)
		if errors.Is(err, errFewSlots) {
			continue
		}
		if err != nil {
			return err
		}
		tags = append(tags, tag)
		pipeline.Do(ctx, "set", c.store.keys.heartbeatOf(tag), beat)
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tag := range tags {
		c.begun[tag] = true
	}
	return nil
}

// on calls one of the scripts of claim. A node that was not known as a master
// when they were loaded gets them then.
func (c *cluster) on(ctx context.Context, script script, key string, args ...any) *goredis.Cmd {
	answer := script.on(ctx, c.client, key, args...)
	if err := answer.Err(); err == nil || !strings.HasPrefix(err.Error(), "NOSCRIPT") {
		return answer
	}
	c.client.ReloadState(ctx)
	if err := c.loadAll(ctx); err != nil {
		answer.SetErr(err)
		return answer
	}
	return script.on(ctx, c.client, key, args...)
}

// loadAll puts the scripts of claim on every node.
func (c *cluster) loadAll(ctx context.Context) error {
	return c.client.ForEachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		if err := node.ScriptLoad(ctx, fenceScript.source).Err(); err != nil {
			return err
		}
		return node.ScriptLoad(ctx, metaScript.source).Err()
	})
}

// heartbeats are those of all masters.
func (c *cluster) heartbeats(ctx context.Context) (texts []string, err error) {
	c.forgetMasters()
	masters, err := c.nodes(ctx)
	if err != nil {
		return nil, err
	}
	for _, client := range masters {
		tag, err := c.tag(ctx, client)
		if errors.Is(err, errFewSlots) {
			continue
		}
		if err != nil {
			return nil, err
		}
		text, err := textOf(c.store.client.Get(ctx, c.store.keys.heartbeatOf(tag)))
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// begin is a take-over: nothing was raised by this owner yet.
func (c *cluster) begin(ctx context.Context) error {
	c.drop()
	c.forgetMasters()
	c.mu.Lock()
	clear(c.begun)
	c.mu.Unlock()
	return c.inTurn(ctx, func() error { return c.repair(ctx) })
}

// alive writes the sign of life, once every node has what it had acknowledged.
func (c *cluster) alive(ctx context.Context, set *goredis.Cmd) error {
	s := c.store
	if s.owner > 0 {
		c.forgetMasters() // they are asked for anew, once a second
		if err := c.inTurn(ctx, func() error { return c.repair(ctx) }); err != nil {
			return err
		}
		if _, lost := s.beats.missing(); lost {
			return sinks.ErrRowsLost
		}
	}
	if err := s.client.Process(ctx, set); err != nil {
		return err
	}
	if s.owner == 0 || !s.beats.gloomy() {
		return nil
	}
	return c.inTurn(ctx, func() error {
		beat := s.beats.next(s.owner, 0, false)
		err := c.beat(ctx, beat)
		if err == nil {
			s.beats.stored(beat)
		}
		return err
	})
}
