package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/sinks"
)

// Reader reads what a Store wrote: the read A of last rows. It is safe for
// concurrent use.
type Reader struct {
	client  goredis.UniversalClient
	address string
	keys    keys
	cluster bool
}

// StoredRow is one row as it lies in the store. Texts, At and Statuses are by
// the columns of its layout.
type StoredRow struct {
	Layout *features.RowLayout
	Key    string // the Redis key
	// Found is false for an entity that is unknown, or whose row has expired:
	// then every status is NOT_FOUND.
	Found    bool
	Has      []bool   // whether the column has a value
	Texts    []string // its text, "" without one
	At       []int64  // event time in ms that the value is for: AsOf, or the column's own _at
	Statuses []features.Status
	Version  sinks.Version
	AsOf     int64 // event time of the row, ms
}

// OpenReader makes a reader. It does not dial: the first read does.
func OpenReader(o Options) (*Reader, error) {
	client, err := connect(o)
	if err != nil {
		return nil, err
	}
	return &Reader{
		client:  client,
		address: addressOf(client),
		keys:    keys{namespace: o.Namespace, tokens: o.Tokens},
		cluster: o.Cluster,
	}, nil
}

// Close ends the connections.
func (r *Reader) Close() error {
	if err := r.client.Close(); err != nil {
		return fmt.Errorf("close redis at %s: %w", r.address, err)
	}
	return nil
}

// Get reads one entity's rows of the views, which are all of that entity, in
// one round trip. The key is the entity's own, not its token.
func (r *Reader) Get(ctx context.Context, layouts []*features.RowLayout, key string) ([]StoredRow, error) {
	pipeline := r.client.Pipeline()
	answers := make([]*goredis.MapStringStringCmd, len(layouts))
	rows := make([]StoredRow, len(layouts))
	for i, layout := range layouts {
		rows[i].Key = r.keys.row(layout.View, key)
		answers[i] = pipeline.HGetAll(ctx, rows[i].Key)
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		return nil, r.failed("read rows", err)
	}
	for i, layout := range layouts {
		if err := rows[i].fill(layout, answers[i].Val()); err != nil {
			return nil, fmt.Errorf("read row %s in redis at %s: %w", rows[i].Key, r.address, err)
		}
	}
	return rows, nil
}

// fill reads a row's hash; without fields there is no row.
func (s *StoredRow) fill(layout *features.RowLayout, hash map[string]string) error {
	n := len(layout.Columns)
	s.Layout, s.Found = layout, len(hash) > 0
	s.Has, s.Texts, s.At = make([]bool, n), make([]string, n), make([]int64, n)
	s.Statuses = make([]features.Status, n)
	for i := range s.Statuses {
		s.Statuses[i] = features.NotFound
	}
	if !s.Found {
		return nil
	}
	var err error
	if s.Version, err = parseVersion(hash[fieldVersion]); err != nil {
		return fmt.Errorf("field %s: %w", fieldVersion, err)
	}
	if s.AsOf, err = strconv.ParseInt(hash[fieldAsOf], 10, 64); err != nil {
		return fmt.Errorf("field %s: %w", fieldAsOf, err)
	}
	for i, column := range layout.Columns {
		name := column.Feature.Short
		s.Texts[i], s.Has[i] = hash[name]
		s.At[i] = s.AsOf
		if s.Has[i] {
			// A field that is neither here nor in _status is unknown: another
			// writer's row.
			s.Statuses[i] = features.Present
		}
		if text, ok := hash[name+suffixAt]; ok && column.Moves {
			if s.At[i], err = strconv.ParseInt(text, 10, 64); err != nil {
				return fmt.Errorf("field %s: %w", name+suffixAt, err)
			}
		}
	}
	if err := parseStatuses(hash[fieldStatus], layout, s.Statuses); err != nil {
		return fmt.Errorf("field %s: %w", fieldStatus, err)
	}
	return nil
}

// Alive is the stream's time in ms as the writer last wrote it; ok is false
// where no writer lives, and then no row is to be trusted.
func (r *Reader) Alive(ctx context.Context) (ms int64, ok bool, err error) {
	text, err := r.client.Get(ctx, r.keys.alive()).Result()
	if errors.Is(err, goredis.Nil) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, r.failed("read "+r.keys.alive(), err)
	}
	ms, err = strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("read %s in redis at %s: %w", r.keys.alive(), r.address, err)
	}
	return ms, true, nil
}

// Meta is what the store says about itself: empty before any writer came.
func (r *Reader) Meta(ctx context.Context) (Meta, error) {
	hash, err := r.client.HGetAll(ctx, r.keys.meta()).Result()
	if err != nil {
		return Meta{}, r.failed("read "+r.keys.meta(), err)
	}
	return metaFrom(hash)
}

func (r *Reader) failed(doing string, err error) error {
	return classify(fmt.Errorf("%s in redis at %s: %w", doing, r.address, err), r.cluster)
}
