package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/sinks/mask"
)

// veil masks personal fields for whoever watches, also where the stream carries
// them raw (output: {pii: raw}).
type veil struct {
	raw    map[string][]*spec.Field // source -> its personal fields, where they are raw
	tokens *mask.Tokens             // nil: without a secret, hashes are hidden
}

func newVeil(s *spec.Spec, settings *config.Settings) (*veil, error) {
	v := &veil{raw: make(map[string][]*spec.Field)}
	for _, source := range s.Sources {
		if !source.Output.PIIRaw {
			continue
		}
		for _, f := range source.Fields {
			if f.PII {
				v.raw[source.Name] = append(v.raw[source.Name], f)
			}
		}
	}
	if len(v.raw) == 0 || !settings.EntityKeySecret.IsSet() {
		return v, nil
	}
	secret, err := settings.EntityKeySecret.Reveal()
	if err != nil {
		return nil, &problem{code: exitUsage, err: fmt.Errorf("setting entity_key_secret: %w", err)}
	}
	v.tokens = mask.NewTokens([]byte(secret))
	return v, nil
}

// draw masks the personal fields of a line. Where there is nothing to mask the
// line stays as it is.
func (v *veil) draw(l *tailLine) error {
	fields := v.raw[l.source.Name]
	if len(fields) == 0 {
		return nil
	}
	var document map[string]json.RawMessage
	if err := json.Unmarshal(l.raw, &document); err != nil {
		return err
	}
	var event map[string]any
	decoder := json.NewDecoder(bytes.NewReader(document["event"]))
	decoder.UseNumber()
	if err := decoder.Decode(&event); err != nil {
		return err
	}
	for _, f := range fields {
		value, has := event[f.Name]
		if !has || value == nil {
			continue
		}
		masked, keep := v.mask(f, fmt.Sprint(value))
		if !keep {
			delete(event, f.Name)
			delete(l.record.Event, f.Name)
			continue
		}
		event[f.Name], l.record.Event[f.Name] = masked, masked
	}
	var err error
	if document["event"], err = json.Marshal(event); err != nil {
		return err
	}
	l.raw, err = json.Marshal(document)
	return err
}

func (v *veil) mask(f *spec.Field, text string) (string, bool) {
	if v.tokens == nil && f.Mask != "last4" && f.Mask != "ip24" && f.Mask != "drop" {
		return "••••", true
	}
	if v.tokens == nil {
		return mask.NewTokens(nil).Mask(f, text)
	}
	return v.tokens.Mask(f, text)
}
