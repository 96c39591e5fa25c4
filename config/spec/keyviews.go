package spec

import "slices"

var (
	viewBlock = &block{name: "feature_view", doc: "Features of one entity over one source.", keys: slices.Concat([]key{
		{name: "version", value: whole(1, maxVersion), doc: "Of what the features mean: raise it when that changes. 1."},
		{name: "source", value: text(), required: true, doc: "The source whose events it is made of."},
		{name: "entity", value: text(), doc: "What the features are kept for."},
		{name: "entities", value: list(text()), doc: "Several, with {entity} in the view's name: one view for each."},
		{name: "ttl", value: duration(), required: true, doc: "A row disappears this long after its last event; at least the longest delay + window."},
		{name: "filter", value: expression(), doc: "Which events enter the state; others still read."},
		{name: "online", value: word("served", "all", "none"), doc: "What run computes: served."},
		{name: "refresh", value: either(duration(), word("off")), doc: "How soon a stored value follows a window that empties by itself."},
		{name: "granularity", value: duration(), doc: "Tile size of what lies beyond event_budget: window/60."},
		{name: "event_budget", value: whole(1, maxBudget), doc: "Events that are kept exactly per entity: 65536."},
		{name: "distinct_budget", value: whole(1, maxBudget), doc: "Live distinct values that are kept exactly per entity and feature: 65536."},
		{name: "freshness_slo", value: duration(), doc: "Target for event time to readable."},
	}, about(), []key{
		{name: "features", value: named(lowerNames, object(featureBlock)), required: true, doc: "What is aggregated, over which windows."},
		{name: "derived", value: named(lowerNames, object(derivedBlock)), doc: "Values made of the view's features and event.FIELD."},
	})}

	featureBlock = &block{name: "feature", keys: about(
		key{name: "aggregation", value: value{kind: anAggregation}, required: true, doc: "How the events become one value."},
		key{name: "field", value: text(), doc: "What is aggregated."},
		key{name: "value", value: expression(), doc: "Instead of a field: an expression over the fields."},
		key{name: "filter", value: expression(), doc: "Which events count; of streak, which ones go on with the run."},
		key{name: "numerator", value: expression(), doc: "Of ratio: which of the events count above the line."},
		key{name: "order_by", value: text(), doc: "Of argmax: the field that is compared."},
		key{name: "by", value: text(), doc: "One value per category: the field that holds it."},
		key{name: "top", value: whole(1, MaxTop), doc: "With by: how many categories are kept; the rest is other."},
		key{name: "windows", value: list(duration()), doc: "(t - window, t]; each makes a feature <name>_<window>. Without any: the row's life."},
		key{name: "last", value: list(whole(1, MaxLast)), doc: "Instead of windows: over the last n events; <name>_last<n>."},
		key{name: "session", value: duration(), doc: "Instead of windows: over the current session, closed by that much silence."},
		key{name: "half_lives", value: list(duration()), doc: "Of decayed_* and ewma, instead of windows; <name>_hl<half_life>."},
		key{name: "delay", value: duration(), doc: "The window ends that long before the event."},
		key{name: "exclude_current", value: boolean(), doc: "The event itself does not count."},
		key{name: "unit", value: word("ms", "seconds", "minutes", "hours", "days"), doc: "Of times: seconds."},
		key{name: "q", value: share(), doc: "Of quantile: from 0 to 1."},
		key{name: "n", value: whole(1, MaxLag), doc: "Of lag: how many events back. 1."},
		key{name: "per", value: duration(), doc: "Of slope and rate: the change or number in that time."},
		key{name: "limit", value: whole(1, MaxList), doc: "Of lists: the most values."},
		key{name: "min_count", value: whole(1, maxMinCount), doc: "Fewer events than this give the default."},
		key{name: "default", value: scalar(), doc: "The value where there is none."},
		key{name: "hidden", value: boolean(), doc: "Computed for derived, not served."},
	)}

	derivedBlock = &block{name: "derived", keys: about(
		key{name: "expr", value: expression(), required: true, doc: "Over the features of this view, and event.FIELD."},
		key{name: "default", value: scalar(), doc: "The value where an input is missing."},
		key{name: "hidden", value: boolean(), doc: "A working value, not served."},
		key{name: "unit", value: text(), doc: "For people."},
	)}

	serviceBlock = &block{name: "feature_service", doc: "The ordered input of one model.", keys: slices.Concat([]key{
		{name: "version", value: whole(1, maxVersion), doc: "Raise it when the list changes. 1."},
	}, about(), []key{
		{name: "on", value: text(), required: true, doc: "The source whose events are scored with it."},
		{name: "request_fields", value: named(fieldNames, fieldType()), doc: "What the caller supplies; on the stream, the event's field of that name."},
		{name: "max_staleness", value: duration(), doc: "Older than this is reported as STALE."},
		{name: "features", value: list(either(text(), named(viewNames, list(text())))), required: true, doc: "view: [features], or a view for all of it, in the vector's order."},
		{name: "derived", value: named(lowerNames, object(serviceDerivedBlock)), doc: "Values made of any features and request.FIELD."},
	})}

	serviceDerivedBlock = &block{name: "service_derived", keys: about(
		key{name: "expr", value: expression(), required: true, doc: "Over view.feature and request.FIELD."},
		key{name: "default", value: scalar(), doc: "The value where an input is missing."},
		key{name: "unit", value: text(), doc: "For people."},
	)}

	modelBlock = &block{name: "model", doc: "Scores the events of a service's source.", keys: slices.Concat([]key{
		{name: "version", value: whole(1, maxVersion), doc: "1."},
	}, about(), []key{
		{name: "feature_service", value: text(), required: true, doc: "Whose vector it reads."},
		{name: "runtime", value: word(runtimes...), required: true, doc: "expr: a score or weighted rules. Others: trained models."},
		{name: "artifact", value: text(), doc: "Of trained models: a path, or an object store's URL."},
		{name: "sha256", value: text(), doc: "Of the artifact."},
		{name: "missing", value: word("nan", "default"), doc: "How a null reaches a trained model: nan."},
		{name: "timeout", value: duration(), doc: "Of a trained model's answer."},
		{name: "score", value: expression(), doc: "Of expr: over view.feature, clamped to 0..1. Without it the weights of the rules are."},
		{name: "on_error", value: object(onErrorBlock), doc: "The band where there is no score."},
		{name: "bands", value: list(object(bandBlock)), doc: "Named ranges of scores, rising."},
		{name: "reason_codes", value: object(reasonsBlock), doc: "Plain rules that say why."},
		{name: "shadow", value: boolean(), doc: "Score and record, but do not act on the band."},
	})}

	onErrorBlock = &block{name: "on_error", keys: []key{
		{name: "band", value: text(), required: true, doc: "The band where there is no score."},
	}}

	bandBlock = &block{name: "band", keys: []key{
		{name: "name", value: text(), required: true, doc: "allow, review, block."},
		{name: "min", value: share(), required: true, doc: "The lowest score of the band."},
	}}

	reasonsBlock = &block{name: "reason_codes", keys: []key{
		{name: "max", value: whole(1, MaxRules), doc: "How many are reported."},
		{name: "rules", value: named(codeNames, object(ruleBlock)), required: true, doc: "In the order in which they are reported."},
	}}

	ruleBlock = &block{name: "rule", keys: []key{
		{name: "weight", value: number(), doc: "Its part of the score, of runtime: expr."},
		{name: "when", value: expression(), required: true, doc: "Over view.feature and request.FIELD."},
		{name: "text", value: text(), doc: "What a person is told."},
		{name: "description", value: text(), doc: "What it is, for its authors."},
	}}
)
