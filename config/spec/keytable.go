package spec

import "slices"

// The shapes of the language. The order of their keys is the layout that
// Format writes.
var (
	fileBlock = &block{name: "spec", doc: "A file of a Freshet spec; the files of one namespace form one spec.", keys: []key{
		{name: "version", value: whole(1, 1), required: true, doc: "Of the file format, not of features."},
		{name: "namespace", value: value{kind: aText, names: lowerNames}, required: true, doc: "Prefix of Redis keys, topics and metrics."},
		{name: "owner", value: text(), doc: "Inherited by everything below."},
		{name: "description", value: text(), doc: "What it is, for people."},
		{name: "tags", value: list(text()), doc: "Inherited by everything below."},
		{name: "meta", value: value{kind: anything}, doc: "Anything; Freshet does not read it."},
		{name: "sources", value: named(lowerNames, object(sourceBlock)), doc: "Streams and their fields."},
		{name: "tables", value: named(lowerNames, object(tableBlock)), doc: "Small reference data that computed fields look values up in."},
		{name: "entities", value: named(lowerNames, object(entityBlock)), doc: "What features are kept for."},
		{name: "feature_views", value: named(viewNames, object(viewBlock)), doc: "What is computed: features of one entity over one source."},
		{name: "feature_services", value: named(lowerNames, object(serviceBlock)), doc: "What a model reads, in order."},
		{name: "models", value: named(lowerNames, object(modelBlock)), doc: "Scores, bands and reason codes."},
		{name: "tests", value: list(object(testBlock)), doc: "What must come out of given events."},
	}}

	sourceBlock = &block{name: "source", doc: "One stream of events.", keys: slices.Concat(about(), []key{
		{name: "type", value: word("kafka", "kinesis", "file"), required: true, doc: "Where it comes from."},
		{name: "topic", value: text(), doc: "Of kafka. ${VAR} and ${VAR:default} are understood."},
		{name: "stream", value: text(), doc: "Of kinesis. ${VAR} and ${VAR:default} are understood."},
		{name: "path", value: text(), doc: "Of file. ${VAR} and ${VAR:default} are understood."},
		{name: "connection", value: named(anyNames, text()), doc: "Further settings. ${VAR} and ${VAR:default} are understood."},
		{name: "format", value: word("json", "avro", "protobuf", "csv"), doc: "How a record is written: json."},
		{name: "timestamp_field", value: text(), required: true, doc: "The field that holds the event's time."},
		{name: "id_field", value: text(), doc: "The field that makes duplicates visible; without it there is no de-duplication."},
		{name: "allowed_lateness", value: duration(), doc: "What is older than the newest of its partition by more than this is a dead letter."},
		{name: "max_ahead", value: duration(), doc: "What is later than the record's own time by more than this is a dead letter: 10m."},
		{name: "dedup_window", value: duration(), doc: "How long an id is remembered for retries that were stamped again: 10m."},
		{name: "retracts", value: text(), doc: "The field with the id of an event that this one takes back."},
		{name: "retracts_time_field", value: text(), doc: "The field with the time of the event that is taken back."},
		{name: "history", value: object(historyBlock), doc: "Where events older than the stream's retention lie."},
		{name: "output", value: object(outputBlock), doc: "Where every event goes, enriched and scored."},
		{name: "filter", value: expression(), doc: "Events for which it does not hold are dropped before any state, and counted."},
		{name: "fields", value: named(fieldNames, object(fieldBlock)), required: true, doc: "What an event holds."},
		{name: "computed_fields", value: named(fieldNames, object(computedBlock)), doc: "Computed once per event, usable like any field."},
	})}

	historyBlock = &block{name: "history", keys: []key{
		{name: "type", value: word("parquet", "csv", "json"), doc: "Of the files: parquet."},
		{name: "path", value: text(), required: true, doc: "A file, a folder, or an object store's URL."},
	}}

	outputBlock = &block{name: "output", keys: []key{
		{name: "topic", value: text(), doc: "Default <namespace>.<source>.enriched.v1."},
		{name: "key", value: text(), doc: "The entity whose token is the record's key."},
		{name: "pii", value: word("masked", "raw"), doc: "Whether personal fields leave as they are: masked."},
	}}

	fieldBlock = &block{name: "field", keys: []key{
		{name: "type", value: fieldType(), required: true, doc: "string int double bool timestamp decimal(n)"},
		{name: "path", value: text(), doc: "Where a nested value lies: card.id."},
		{name: "unit", value: text(), doc: "Of a timestamp that is a number: s, ms, us, ns. Of others: for people."},
		{name: "text", value: boolean(), doc: "An int inside a string."},
		{name: "enum", value: list(text()), doc: "The values that are expected."},
		{name: "strict", value: boolean(), doc: "A value outside enum is a dead letter."},
		{name: "pii", value: boolean(), doc: "Personal: it leaves masked."},
		{name: "mask", value: word("hash", "last4", "ip24", "drop"), doc: "How it is masked: hash."},
		{name: "card_numbers", value: word("hide", "keep"), doc: "Of a text that is not personal: what looks like a card number leaves without its digits (hide), or as it is."},
		{name: "optional", value: boolean(), doc: "An event may lack it."},
		{name: "description", value: text(), doc: "What it is, for people."},
	}}

	computedBlock = &block{name: "computed_field", keys: []key{
		{name: "type", value: fieldType(), required: true, doc: "Of the value: string double bool timestamp; of a column, its own."},
		{name: "expr", value: expression(), doc: "Over the fields of the event."},
		{name: "table", value: text(), doc: "Instead of expr: the table that it is looked up in."},
		{name: "key", value: text(), doc: "The field that is looked up."},
		{name: "column", value: text(), doc: "The column of the table."},
		{name: "unit", value: text(), doc: "For people."},
		{name: "pii", value: boolean(), doc: "Personal: it leaves masked."},
		{name: "mask", value: word("hash", "last4", "ip24", "drop"), doc: "How it is masked: hash."},
		{name: "card_numbers", value: word("hide", "keep"), doc: "Of a text that is not personal: what looks like a card number leaves without its digits (hide), or as it is."},
		{name: "description", value: text(), doc: "What it is, for people."},
		{name: "optional", value: value{kind: anything}, refused: true},
		{name: "enum", value: value{kind: anything}, refused: true},
		{name: "strict", value: value{kind: anything}, refused: true},
		{name: "path", value: value{kind: anything}, refused: true},
		{name: "text", value: value{kind: anything}, refused: true},
	}}

	tableBlock = &block{name: "table", keys: about(
		key{name: "path", value: text(), required: true, doc: "A CSV or JSON lines file. ${VAR} and ${VAR:default} are understood."},
		key{name: "key", value: text(), required: true, doc: "The column that is looked up by."},
		key{name: "fields", value: named(lowerNames, object(columnBlock)), required: true, doc: "Its columns."},
		key{name: "reload", value: duration(), doc: "How often the file is read again; never without it."},
	)}

	columnBlock = &block{name: "column", keys: []key{
		{name: "type", value: fieldType(), required: true, doc: "string int double bool timestamp decimal(n)"},
		{name: "description", value: text(), doc: "What it is, for people."},
	}}

	entityBlock = &block{name: "entity", keys: about(
		key{name: "key", value: either(text(), list(text())), required: true, doc: "The field that names one; a list makes a composite key."},
	)}
)
