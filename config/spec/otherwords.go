package spec

import "slices"

// otherWords are the words of other feature languages and of habit, and the
// keys that they mean here; of several, the one that the block has.
var otherWords = map[string][]string{
	"agg": {"aggregation"}, "function": {"aggregation"}, "func": {"aggregation"}, "op": {"aggregation"}, "operation": {"aggregation"},
	"column": {"field", "key"}, "input_column": {"field"}, "of": {"field"}, "expression": {"expr", "value"}, "formula": {"expr", "value"}, "sql": {"expr", "value"},
	"where": {"filter"}, "condition": {"when", "filter"}, "if": {"when", "filter"},
	"group_by": {"by"}, "groupby": {"by"}, "window": {"windows"}, "period": {"windows"}, "time_window": {"windows"}, "window_size": {"windows"},
	"half_life": {"half_lives"}, "lag": {"delay"}, "offset": {"delay"}, "shift": {"delay"},
	"fillna": {"default"}, "fallback": {"default"}, "if_empty": {"default"}, "otherwise": {"default"},
	"min_events": {"min_count"}, "min_samples": {"min_count"}, "min_periods": {"min_count"},
	"join_keys": {"key"}, "join_key": {"key"}, "keys": {"key"},
	"event_time": {"timestamp_field"}, "event_timestamp": {"timestamp_field"}, "time_field": {"timestamp_field"}, "event_timestamp_column": {"timestamp_field"},
	"lateness": {"allowed_lateness"}, "watermark": {"allowed_lateness"},
	"expiry": {"ttl"}, "expires": {"ttl"}, "retention": {"ttl"},
	"doc": {"description"}, "comment": {"description"}, "note": {"description"},
	"views": {"feature_views"}, "services": {"feature_services"}, "lookups": {"tables"},
	"gt": {"above"}, "gte": {"above"}, "greater": {"above"}, "lt": {"below"}, "lte": {"below"}, "less": {"below"},
	"near": {"approx"}, "tolerance": {"abs"}, "delta": {"abs"}, "epsilon": {"abs"},
	"events": {"given"}, "input": {"given"}, "expected": {"expect"}, "then": {"expect"},
}

// elsewhere says which key, or which place, a key means that is not of this
// block, or "".
func elsewhere(b *block, name string) string {
	switch {
	case b == fieldBlock && (name == "nullable" || name == "required" || name == "mandatory"):
		return "a field is required unless it says optional: true"
	case b == fieldBlock && (name == "expr" || name == "table" || name == "column"):
		return "it belongs to a computed field: write it under `computed_fields`"
	case (b == featureBlock || b == derivedBlock) && viewBlock.key(name) != nil:
		return "it belongs to the view: write it beside `features`"
	case b == featureBlock && name == "expr":
		return "write value: '...' for an expression over the event, or put it under `derived` for one over features"
	case b == viewBlock && featureBlock.key(name) != nil:
		return "it belongs to a feature: write it inside each that it is meant for"
	case b == derivedBlock && slices.Contains([]string{"windows", "filter", "aggregation", "min_count"}, name):
		return "it belongs to a feature; a derived value is made of features that have it"
	}
	for _, word := range otherWords[name] {
		if b.key(word) != nil {
			return "write `" + word + "`"
		}
	}
	return ""
}
