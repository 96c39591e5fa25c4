package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/sinks"
)

const (
	// rowsPerPipeline is how many rows go out before their answers are read:
	// past a few hundred a larger one gains nothing, and its answers pile up.
	rowsPerPipeline = 256
	// aliveFor is how long one sign of life holds.
	aliveFor = 5 * time.Second
)

// Store writes rows in the public layout. One goroutine calls it at a time.
type Store struct {
	client      goredis.UniversalClient
	address     string // for errors
	keys        keys
	rows        encoder
	owner       uint32 // ours; 0: nobody has taken over by this store
	incarnation uint32
	word        string               // of this store alone, in the fence beside owner
	dial        func() *goredis.Conn // of the lanes
	writes      lane                 // of Write
	signs       lane                 // of Alive, which may come beside
	looks       chan struct{}        // held by the lane that looks at fence and heartbeat
	cluster     *cluster             // instead of the lanes; nil: one server

	beats         beats
	counts        counts
	unseen        int   // rows since the last look at a row that stood there
	meta          []any // what describe wrote
	personal      bool
	allowEviction bool
}

var (
	_ sinks.LossDetector   = (*Store)(nil)
	_ sinks.VersionCounter = (*Store)(nil)
	_ sinks.Witness        = (*Store)(nil)
)

// Open makes a store. It does not dial: the first call does, and Check says
// whether the server answers.
func Open(o Options) (*Store, error) {
	client, err := connect(o)
	if err != nil {
		return nil, err
	}
	k := keys{namespace: o.Namespace, tokens: o.Tokens}
	s := &Store{client: client, address: addressOf(client), keys: k, rows: newEncoder(k), personal: o.Personal, word: newWord(),
		looks: make(chan struct{}, 1), allowEviction: o.AllowEviction}
	s.writes.store, s.signs.store, s.signs.withheld = s, s, true
	switch client := client.(type) {
	case *goredis.Client:
		s.dial = client.Conn
	case *goredis.ClusterClient:
		s.cluster = newCluster(s, client)
	}
	return s, nil
}

// newWord is a word that no other store has.
func newWord() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: it would end the process
	return hex.EncodeToString(random[:])
}

// Close ends the connections.
func (s *Store) Close() error {
	s.drop()
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close redis at %s: %w", s.address, err)
	}
	return nil
}

// TakeOver draws the next owner number, which no other writer gets, and writes
// who writes what. A store in another layout is refused before anything is
// changed.
func (s *Store) TakeOver(ctx context.Context, w sinks.Writer) (owner, incarnation uint32, err error) {
	meta := s.keys.meta()
	layout, err := fieldOf(ctx, s.client, meta, metaLayout)
	if err != nil {
		return 0, 0, s.failed("read "+meta, err)
	}
	if layout != "" && layout != layoutVersion {
		return 0, 0, &sinks.Fatal{Err: fmt.Errorf("%s in redis at %s has layout %s, this version writes %s: use another namespace or database",
			meta, s.address, layout, layoutVersion)}
	}
	if err := s.checkRun(ctx, w.Run); err != nil {
		return 0, 0, err
	}
	if err := s.checkSecret(ctx); err != nil { // it may have changed since the start: a standby waits long
		return 0, 0, err
	}
	views, err := fieldOf(ctx, s.client, meta, metaViews)
	if err != nil {
		return 0, 0, s.failed("read "+meta, err)
	}
	before, incarnation, err := s.heard(ctx) // meta may have been lost without them
	if err != nil {
		return 0, 0, s.failed("read "+s.keys.fence(), err)
	}
	drawn, err := s.draw(ctx, metaOwner, 1, int64(max(w.AtLeast, before)))
	if err != nil {
		return 0, 0, s.failed("take over "+meta, err)
	}
	least, raise := int64(max(w.Incarnation, incarnation))-1, int64(0)
	if w.First {
		least, raise = least+1, 1
	}
	run, err := s.draw(ctx, metaIncarnation, raise, least)
	if err != nil {
		return 0, 0, s.failed("take over "+meta, err)
	}
	if drawn > math.MaxUint32 || run > math.MaxUint32 || run < 0 {
		return 0, 0, &sinks.Fatal{Err: fmt.Errorf("%s in redis at %s: owner %d, incarnation %d is out of range: was it edited by hand?",
			meta, s.address, drawn, run)}
	}
	if err := s.describe(ctx, w, views); err != nil {
		return 0, 0, s.failed("write "+meta, err)
	}
	s.drop()
	s.rows.expires.forget() // others have written meanwhile
	s.owner, s.incarnation = uint32(drawn), uint32(run)
	s.beats.begin(w.Proof, s.incarnation, w.First)
	// Where someone has drawn a later number meanwhile the fence is theirs
	// already: the first write says so.
	if err := s.begin(ctx); err != nil && !errors.Is(err, sinks.ErrLost) {
		return 0, 0, s.failed("raise "+s.keys.fence(), err)
	}
	return s.owner, uint32(run), nil
}

// drop gives up the connections of writes and signs of life.
func (s *Store) drop() {
	if s.cluster != nil {
		s.cluster.drop()
		return
	}
	s.writes.drop()
	s.signs.drop()
}

// begin raises the fence.
func (s *Store) begin(ctx context.Context) error {
	if s.cluster != nil {
		return s.cluster.begin(ctx)
	}
	return s.writes.arm(ctx)
}

// heard is the largest owner and incarnation that fence and heartbeats tell of.
func (s *Store) heard(ctx context.Context) (owner, incarnation uint32, err error) {
	owner, _, err = claimOf(s.client.Get(ctx, s.keys.fence()))
	if err != nil {
		return 0, 0, err
	}
	texts, err := s.heartbeats(ctx)
	for _, text := range texts {
		owner, incarnation = max(owner, ownerIn(text)), max(incarnation, incarnationIn(text))
	}
	return owner, incarnation, err
}

// NewestBatch implements sinks.Witness by the heartbeats.
func (s *Store) NewestBatch(ctx context.Context) (batch uint64, err error) {
	texts, err := s.heartbeats(ctx)
	if err != nil {
		return 0, s.failed("read "+s.keys.heartbeat(), err)
	}
	for _, text := range texts {
		batch = max(batch, batchIn(text))
	}
	return batch, nil
}

// heartbeats are those of all nodes.
func (s *Store) heartbeats(ctx context.Context) ([]string, error) {
	if s.cluster != nil {
		return s.cluster.heartbeats(ctx)
	}
	text, err := textOf(s.client.Get(ctx, s.keys.heartbeat()))
	return []string{text}, err
}

// draw adds to a counter of meta until it is above atLeast. Two writers that
// draw at once get two numbers: every step is one atomic addition.
func (s *Store) draw(ctx context.Context, counter string, by, atLeast int64) (int64, error) {
	n, err := s.client.HIncrBy(ctx, s.keys.meta(), counter, by).Result()
	if err != nil || n > atLeast {
		return n, err
	}
	return s.client.HIncrBy(ctx, s.keys.meta(), counter, atLeast+1-n).Result()
}

// Write stores the rows, a pipeline at a time.
func (s *Store) Write(ctx context.Context, rows []sinks.VersionedRow) error {
	losses, _ := s.beats.missing()
	s.rows.expires.since(losses)
	if s.cluster != nil && len(rows) > 0 {
		if err := s.cluster.write(ctx, rows); err != nil {
			s.rows.expires.forget()
			return s.failed("write rows", err)
		}
		return nil
	}
	for len(rows) > 0 {
		n := min(len(rows), rowsPerPipeline)
		if err := s.writePipeline(ctx, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (s *Store) writePipeline(ctx context.Context, rows []sinks.VersionedRow) error {
	look, commands := s.sample(ctx, s.rows.encode(ctx, rows), len(rows))
	err := s.writes.exec(ctx, commands, rows[0].Version.Batch)
	if err == nil {
		look.judge(&s.counts)
		if commands = s.rows.expires.found(ctx); len(commands) > 0 {
			err = s.writes.exec(ctx, commands, rows[0].Version.Batch)
		}
	}
	if err == nil {
		return nil
	}
	s.rows.expires.forget() // nobody knows what has become of theirs
	var fatal *sinks.Fatal
	if errors.As(err, &fatal) {
		return s.failed("write rows", err)
	}
	return s.pipelineFailed(commands, len(rows), err)
}

// pipelineFailed tells of one failed command out of all: of a fatal one if
// there is any, wherever it stands.
func (s *Store) pipelineFailed(commands []goredis.Cmder, rows int, err error) error {
	// Without a connection no command has an error of its own.
	told := s.failed("write rows", err)
	failed := 0
	for _, command := range commands {
		err := command.Err()
		if err == nil {
			continue
		}
		failed++
		var fatal *sinks.Fatal
		if failed == 1 || !errors.As(told, &fatal) {
			told = s.failed(command.Name()+" of a row", err)
		}
	}
	if failed == 0 {
		return told
	}
	return fmt.Errorf("%d of %d commands for %d rows failed: %w", failed, len(commands), rows, told)
}

// Alive writes the stream's time, for five seconds. The first one after a repair
// says so in the heartbeat too: no row may come for long.
func (s *Store) Alive(ctx context.Context, ms int64) error {
	set := goredis.NewCmd(ctx, "set", s.keys.alive(), strconv.FormatInt(ms, 10), "px", aliveFor.Milliseconds())
	write := func() error { return s.signs.exec(ctx, []goredis.Cmder{set}, 0) }
	if s.cluster != nil {
		write = func() error { return s.cluster.alive(ctx, set) }
	}
	if err := write(); err != nil {
		return s.failed("write "+s.keys.alive(), err)
	}
	return nil
}
