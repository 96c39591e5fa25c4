package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/sinks"
)

// cluster writes rows to a Redis Cluster. No transaction spans its slots, so
// there is no fence that a row could be written under: each row is a script that
// replaces equal or older versions only. Every master has a heartbeat of its own,
// raised on the same connection behind the rows: a replica that takes over lacks
// it where it lacks any of them. What is looked at before rows go out (the fence)
// keeps out an owner before that still runs; what such a one has on its way is
// refused row by row where a newer one stands.
type cluster struct {
	store  *Store
	client *goredis.ClusterClient
	conns  map[*goredis.Client]*goredis.Conn // of Write, by node

	mu      sync.Mutex // Write and Alive share the rest
	masters []*goredis.Client
	tags    map[*goredis.Client]int // the number in the key of a node's heartbeat
	begun   map[int]bool            // heartbeats that this owner has raised

	// turn is held by a write, or by who looks after the heartbeats: one of them
	// at a time, so that their numbers come to every node in order.
	turn chan struct{}
}

func newCluster(s *Store, client *goredis.ClusterClient) *cluster {
	return &cluster{store: s, client: client, conns: map[*goredis.Client]*goredis.Conn{}, tags: map[*goredis.Client]int{}, begun: map[int]bool{},
		turn: make(chan struct{}, 1)}
}

// inTurn does what while nobody else writes or looks.
func (c *cluster) inTurn(ctx context.Context, what func() error) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
		return what()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// clusterTries is how often a write begins again because the rows it had
// acknowledged before were found lost, or because a slot had moved.
const clusterTries = 4

// write stores rows, all of one call of Write.
func (c *cluster) write(ctx context.Context, rows []sinks.VersionedRow) error {
	return c.inTurn(ctx, func() error {
		var again error
		for range clusterTries {
			if c.store.owner > 0 {
				if err := c.check(ctx); err != nil {
					return err
				}
			}
			var err error
			again, err = c.try(ctx, rows)
			if err != nil {
				c.forgetMasters() // one of them may be none any more
			}
			if again == nil || err != nil {
				return err
			}
		}
		return fmt.Errorf("begun again %d times, at last since %w", clusterTries, again)
	})
}

// part is what goes to one node.
type part struct {
	rows []goredis.Cmder
	beat *goredis.Cmd // nil: nobody has taken over
	tag  int
}

// try sends the rows to their nodes, side by side, each followed by the
// heartbeat of its node. It is to be done again where a heartbeat was not raised.
func (c *cluster) try(ctx context.Context, rows []sinks.VersionedRow) (again, err error) {
	s := c.store
	parts, err := c.split(ctx, rows)
	if err != nil {
		return nil, err
	}
	needed, beat := s.beats.needs(), ""
	if s.owner > 0 {
		beat = s.beats.next(s.owner, rows[0].Version.Batch, false)
		if err := c.addBeats(ctx, parts, beat, needed); err != nil {
			return nil, err
		}
	}
	var group errgroup.Group // what other nodes have on their way is not cut off
	for client, p := range parts {
		conn := c.conns[client]
		if conn == nil {
			conn = client.Conn()
			c.conns[client] = conn
		}
		group.Go(func() error { return c.send(ctx, conn, p) })
	}
	err = group.Wait()
	for client, p := range parts {
		if p.broken() {
			_ = c.conns[client].Close() // it was given up
			delete(c.conns, client)
		}
	}
	if err != nil && strings.HasPrefix(err.Error(), "MOVED ") {
		c.forgetMasters()
		again = err
		_, err = c.nodes(ctx) // which asks for all slots
		return again, err
	}
	if err != nil {
		return nil, err
	}
	if err := c.follow(ctx, parts); err != nil {
		return nil, err
	}
	if s.owner > 0 {
		if again, err := c.raised(ctx, parts, beat, needed); again != nil || err != nil {
			return again, err
		}
	}
	for _, p := range parts {
		s.counts.add(p.rows)
	}
	return nil, nil
}

// split groups the rows by the master of their slot.
func (c *cluster) split(ctx context.Context, rows []sinks.VersionedRow) (map[*goredis.Client]*part, error) {
	parts := map[*goredis.Client]*part{}
	for _, command := range c.store.rows.scripts(ctx, rows) {
		client, err := c.client.MasterForKey(ctx, rowKey(command))
		if err != nil {
			return nil, fmt.Errorf("find the master of %s: %w", rowKey(command), err)
		}
		p := parts[client]
		if p == nil {
			p = &part{}
			parts[client] = p
		}
		p.rows = append(p.rows, command)
	}
	return parts, nil
}

// addBeats adds to the part of every master the raising of its heartbeat.
func (c *cluster) addBeats(ctx context.Context, parts map[*goredis.Client]*part, beat, needed string) error {
	masters, err := c.nodes(ctx)
	if err != nil {
		return err
	}
	for client := range parts { // one that is new
		masters = append(masters, client)
	}
	for _, client := range masters {
		p := parts[client]
		if p == nil {
			p = &part{}
		} else if p.beat != nil {
			continue
		}
		p.tag, err = c.tag(ctx, client)
		if errors.Is(err, errFewSlots) {
			continue // it is no master any more, or only becomes one: nothing proves its rows
		}
		if err != nil {
			return err
		}
		least := needed
		if !c.has(p.tag) {
			least = "" // of a node that came since the take-over
		}
		p.beat = goredis.NewCmd(ctx, "evalsha", beatScript.hash, 1, c.store.keys.heartbeatOf(p.tag), beat, least)
		parts[client] = p
	}
	return nil
}

// send sends a part on one connection, in pipelines of bounded size.
func (c *cluster) send(ctx context.Context, conn *goredis.Conn, p *part) error {
	commands := p.rows
	if p.beat != nil {
		commands = append(commands[:len(commands):len(commands)], p.beat)
	}
	loaded := false
	for len(commands) > 0 {
		n := min(len(commands), rowsPerPipeline)
		err := sendAll(ctx, conn, commands[:n])
		if err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") && !loaded {
			loaded = true
			if err := load(ctx, conn); err != nil {
				return err
			}
			continue // rows that were written are equal
		}
		if err != nil {
			return err
		}
		commands = commands[n:]
	}
	return nil
}

// sendAll sends commands and gives the error that matters most: one of the
// connection, one that is fatal, any. Rows whose slot is on its way to another
// node (ASK) are none.
func sendAll(ctx context.Context, conn *goredis.Conn, commands []goredis.Cmder) error {
	for _, command := range commands {
		command.SetErr(nil) // of a try before
	}
	pipeline := conn.Pipeline()
	if err := pipeline.BatchProcess(ctx, commands...); err != nil {
		return err
	}
	_, _ = pipeline.Exec(ctx) // the commands have their errors
	var worst error
	for _, command := range commands {
		err := command.Err()
		var fatal *sinks.Fatal
		switch {
		case err == nil || asks(err):
		case broken(err):
			return err
		case worst == nil || errors.As(classify(err, true), &fatal):
			worst = err
		}
	}
	return worst
}

func asks(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "ASK ") }

// broken reports whether the connection of a part is of no more use: it broke,
// or its server is no master any more.
func (p *part) broken() bool {
	for _, command := range p.all() {
		if err := command.Err(); broken(err) || demoted(err) {
			return true
		}
	}
	return false
}

func (p *part) all() []goredis.Cmder {
	if p.beat == nil {
		return p.rows
	}
	return append(p.rows[:len(p.rows):len(p.rows)], p.beat)
}

// load puts the scripts of Write on a node.
func load(ctx context.Context, conn *goredis.Conn) error {
	pipeline := conn.Pipeline()
	pipeline.ScriptLoad(ctx, rowScript.source)
	pipeline.ScriptLoad(ctx, beatScript.source)
	_, err := pipeline.Exec(ctx)
	if err != nil {
		return fmt.Errorf("load the scripts: %w", err)
	}
	return nil
}

// follow sends rows whose slot is moving (ASK) where they were pointed to. They
// count as proved by the heartbeat of a node that they may leave: whoever loses
// a failover in the middle of a move loses them unnoticed.
func (c *cluster) follow(ctx context.Context, parts map[*goredis.Client]*part) error {
	var moving []goredis.Cmder
	for _, p := range parts {
		for i, command := range p.rows {
			if asks(command.Err()) {
				p.rows[i] = goredis.NewCmd(ctx, command.Args()...)
				moving = append(moving, p.rows[i])
			}
		}
	}
	if len(moving) == 0 {
		return nil
	}
	for try := 0; ; try++ {
		for _, command := range moving {
			command.SetErr(nil)
		}
		pipeline := c.client.Pipeline()
		if err := pipeline.BatchProcess(ctx, moving...); err != nil {
			return err
		}
		_, _ = pipeline.Exec(ctx)
		err := firstError(moving)
		if err == nil || try > 0 || !strings.HasPrefix(err.Error(), "NOSCRIPT") {
			return err
		}
		err = c.client.ForEachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
			return node.ScriptLoad(ctx, rowScript.source).Err()
		})
		if err != nil {
			return err
		}
	}
}

// raised looks at what the heartbeats of a write were before.
func (c *cluster) raised(ctx context.Context, parts map[*goredis.Client]*part, beat, needed string) (again, err error) {
	lost := false
	for _, p := range parts {
		if p.beat == nil {
			continue
		}
		answer, err := p.beat.Slice()
		if err != nil || len(answer) != 2 {
			return nil, fmt.Errorf("heartbeat %d answered %v: %w", p.tag, p.beat.Val(), errors.Join(err, errAnswer))
		}
		old, _ := answer[1].(string)
		if answer[0] == int64(1) {
			continue
		}
		again = fmt.Errorf("heartbeat %d was %q, below %q or above %q", p.tag, old, needed, beat)
		lost = lost || placeOf(old) < needed
		if owner := ownerIn(old); owner > c.store.owner {
			return nil, c.taken(fmt.Sprint(owner))
		}
	}
	if lost {
		c.forgetMasters() // it may be a new one that we have found
		return again, c.repair(ctx)
	}
	if again != nil {
		return again, nil // an older connection of ours came later
	}
	c.mu.Lock()
	for _, p := range parts {
		if p.beat != nil {
			c.begun[p.tag] = true
		}
	}
	c.mu.Unlock()
	c.store.beats.stored(beat)
	return nil, nil
}

var errAnswer = errors.New("not what the script answers")

func (c *cluster) taken(by string) error {
	s := c.store
	return &sinks.Fatal{Err: fmt.Errorf("%s is %s, and we are owner %d: %w; if that was no hand-over, two runs write namespace %s: give one another namespace or database",
		s.keys.fence(), by, s.owner, sinks.ErrLost, s.keys.namespace)}
}

// nodes are the masters as last seen.
func (c *cluster) nodes(ctx context.Context) ([]*goredis.Client, error) {
	c.mu.Lock()
	known := c.masters
	c.mu.Unlock()
	if len(known) > 0 {
		return known[:len(known):len(known)], nil
	}
	var found []*goredis.Client
	err := c.client.ForEachMaster(ctx, func(_ context.Context, node *goredis.Client) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		found = append(found, node)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask for the masters: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.masters = found
	return found[:len(found):len(found)], nil
}

func (c *cluster) forgetMasters() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.masters = nil
}

// maxTags bounds the search for a key in the slots of a node: one that has a
// thousandth of the slots is found.
const maxTags = 20_000

// tag is the least number that puts the key of a heartbeat into a slot of the
// node: whoever takes all its slots over finds the same.
func (c *cluster) tag(ctx context.Context, client *goredis.Client) (int, error) {
	is := func(tag int) (bool, error) {
		master, err := c.client.MasterForKey(ctx, c.store.keys.heartbeatOf(tag))
		return master == client, err
	}
	c.mu.Lock()
	known, ok := c.tags[client]
	c.mu.Unlock()
	if ok {
		if here, err := is(known); here || err != nil {
			return known, err
		}
	}
	for tag := range maxTags {
		here, err := is(tag)
		if err != nil {
			return 0, err
		}
		if here {
			c.mu.Lock()
			c.tags[client] = tag
			c.mu.Unlock()
			return tag, nil
		}
	}
	return 0, fmt.Errorf("node %s: %w", client.Options().Addr, errFewSlots)
}

var errFewSlots = errors.New("it has no slots, or too few for a heartbeat of its own")

func (c *cluster) has(tag int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun[tag]
}

// drop gives up the connections.
func (c *cluster) drop() {
	for client, conn := range c.conns {
		_ = conn.Close() // it goes back to the pool
		delete(c.conns, client)
	}
}
