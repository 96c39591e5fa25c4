package record

import (
	"bytes"
	"encoding/json"
	"fmt"

	"time"
)

// Record is an enriched record as a reader sees it: tail, a test, a consumer
// that is in no hurry. A feature without a value is nil.
type Record struct {
	SchemaVersion int               `json:"schema_version"`
	EventID       string            `json:"event_id"`
	EventTime     time.Time         `json:"event_time"`
	Source        string            `json:"source"`
	Event         map[string]any    `json:"event"`
	Entities      map[string]string `json:"entities"`
	Features      map[string]any    `json:"features"`
	Statuses      map[string]string `json:"statuses"`
	Scores        []ModelScore      `json:"scores"`
	Provenance    Provenance        `json:"provenance"`
	ProcessedAt   time.Time         `json:"processed_at"`
	TraceID       string            `json:"trace_id"`
}

// ModelScore is one entry of scores; Score is nil where the model had no value.
type ModelScore struct {
	Model   string   `json:"model"`
	Score   *float64 `json:"score"`
	Band    string   `json:"band"`
	Shadow  bool     `json:"shadow"`
	Reasons []struct {
		Code string `json:"code"`
	} `json:"reasons"`
}

// Provenance says which spec made a record, from which input, in which place
// of the order of application.
type Provenance struct {
	Spec  string `json:"spec"`
	Place string `json:"place"`
	Batch uint64 `json:"batch"`
	Owner uint32 `json:"owner"`
	Seq   uint32 `json:"seq"`
}

// Decode reads an enriched record. A record of a newer schema_version is an
// error; unknown fields are not, since changes within a version are additive.
func Decode(value []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(value, &r); err != nil {
		return nil, fmt.Errorf("decode enriched record: %w", err)
	}
	if r.SchemaVersion != SchemaVersion {
		return nil, fmt.Errorf("decode enriched record: schema_version %d, this build reads %d", r.SchemaVersion, SchemaVersion)
	}
	return &r, nil
}

// Canonical is the part of an encoded record that is the same on every replay
// of the same batches: all but processed_at and trace_id. It aliases value.
func Canonical(value []byte) []byte {
	// Both come last, and a quote inside any string is escaped, so the last
	// occurrence is the field and no text.
	if i := bytes.LastIndex(value, []byte(`,"processed_at":"`)); i >= 0 {
		return value[:i]
	}
	return value
}
