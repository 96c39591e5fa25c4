package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/sinks"
)

// The fields of freshet:<namespace>:meta. Beside them stands one field for
// each view of metaViews: view:<name>@<version>, a ViewMeta as JSON.
const (
	metaLayout      = "layout"      // of the keys, rows and this hash
	metaRun         = "run"         // whose owners write: GROUP@CLUSTER
	metaSpec        = "spec"        // sha256 of the spec that the writer runs
	metaIncarnation = "incarnation" // how often a run began without committed offsets
	metaOwner       = "owner"       // the last owner number drawn
	metaViews       = "views"       // name@version of the views written, comma-separated
	metaSecret      = "key_secret"  // fingerprint of the secret of personal entities' tokens; absent without such
	metaView        = "view:"
)

// ViewMeta is what a reader without the spec must know of a view.
type ViewMeta struct {
	Version int         `json:"version"`
	Entity  string      `json:"entity"`
	PII     bool        `json:"pii"`   // the entity's keys are tokens
	TTL     int64       `json:"ttl_s"` // seconds after which a row that is not written is gone; 0: never
	Fields  []FieldMeta `json:"fields"`
}

// FieldMeta is one field of a view's rows.
type FieldMeta struct {
	Name string `json:"name"`
	// Type is string, int, double, bool, timestamp, decimal, list or map; of
	// numbers the text is that of the major unit, lists and maps are JSON.
	Type string `json:"type"`
	// Moves says that the value changes without a write, and that <name>_at
	// beside it is the event time in milliseconds which it is for.
	Moves bool `json:"moves,omitempty"`
}

// Meta is what a store says about itself.
type Meta struct {
	Layout      string
	Spec        string
	Incarnation string
	Owner       string
	Views       map[string]ViewMeta // by name@version
}

// describe writes all of meta but the two counters, and forgets the views that
// an earlier writer had and this one has not. What it has written is kept for a
// server that loses it.
func (s *Store) describe(ctx context.Context, w sinks.Writer, before string) error {
	values := []any{metaLayout, layoutVersion, metaRun, w.Run, metaSpec, w.SpecHash}
	written := make(map[string]bool, len(w.Views))
	names := make([]string, 0, len(w.Views))
	for _, layout := range w.Views {
		name := layout.View.Pinned()
		text, err := json.Marshal(describeView(layout))
		if err != nil {
			return fmt.Errorf("describe view %s: %w", name, err)
		}
		values = append(values, metaView+name, string(text))
		names = append(names, name)
		written[name] = true
	}
	values = append(values, metaViews, strings.Join(names, ","))
	if s.personal {
		values = append(values, metaSecret, s.keys.tokens.Fingerprint())
	}
	s.meta = values
	gone := []string{}
	for name := range strings.SplitSeq(before, ",") {
		if name != "" && !written[name] {
			gone = append(gone, metaView+name)
		}
	}
	pipeline := s.client.Pipeline()
	pipeline.HSet(ctx, s.keys.meta(), values...)
	if len(gone) > 0 {
		pipeline.HDel(ctx, s.keys.meta(), gone...)
	}
	_, err := pipeline.Exec(ctx)
	return err
}

func describeView(layout *features.RowLayout) ViewMeta {
	view := layout.View
	meta := ViewMeta{
		Version: view.Version,
		Entity:  view.Entity.Name,
		PII:     view.Entity.PII,
		TTL:     ttlSeconds(view),
		Fields:  make([]FieldMeta, len(layout.Columns)),
	}
	for i, column := range layout.Columns {
		meta.Fields[i] = FieldMeta{
			Name:  column.Feature.Short,
			Type:  typeNames[column.Feature.Type],
			Moves: column.Moves,
		}
	}
	return meta
}

// typeNames are the types' names in the spec language.
var typeNames = map[spec.Type]string{
	spec.String:    "string",
	spec.Int:       "int",
	spec.Double:    "double",
	spec.Bool:      "bool",
	spec.Timestamp: "timestamp",
	spec.Decimal:   "decimal",
	spec.List:      "list",
	spec.Map:       "map",
}

// metaFrom reads the hash. A view whose JSON does not parse is an error: it is
// how readers learn what the fields are.
func metaFrom(hash map[string]string) (Meta, error) {
	meta := Meta{
		Layout:      hash[metaLayout],
		Spec:        hash[metaSpec],
		Incarnation: hash[metaIncarnation],
		Owner:       hash[metaOwner],
		Views:       map[string]ViewMeta{},
	}
	for field, text := range hash {
		name, ok := strings.CutPrefix(field, metaView)
		if !ok {
			continue
		}
		var view ViewMeta
		if err := json.Unmarshal([]byte(text), &view); err != nil {
			return Meta{}, fmt.Errorf("read view %s of meta: %w", name, err)
		}
		meta.Views[name] = view
	}
	return meta, nil
}

// fieldOf is one field of a hash, "" if it is absent. (HMGET is not among the
// commands that a writer is allowed.)
func fieldOf(ctx context.Context, client goredis.UniversalClient, key, field string) (string, error) {
	text, err := client.HGet(ctx, key, field).Result()
	if err == goredis.Nil {
		return "", nil
	}
	return text, err
}
