package spec

var (
	testBlock = &block{name: "test", doc: "Events, and what must come out.", keys: []key{
		{name: "name", value: text(), required: true, doc: "What it shows."},
		{name: "description", value: text(), doc: "What it is, for people."},
		{name: "source", value: text(), required: true, doc: "Of the given events that do not name another."},
		{name: "start", value: text(), required: true, doc: "RFC 3339 with a zone; offsets count from it."},
		{name: "event_defaults", value: named(fieldNames, scalar()), doc: "Fields of every given event that does not say otherwise."},
		{name: "given", value: list(object(givenBlock)), required: true, doc: "The events, in the order of arrival where that is equal."},
		{name: "expect", value: list(object(expectBlock)), required: true, doc: "What must come out."},
	}}

	givenBlock = &block{name: "given", rest: &value{kind: aScalar}, keys: []key{
		{name: "source", value: text(), doc: "Another source than the test's."},
		{name: "repeat", value: whole(1, MaxTestEvents), doc: "So many events; {i} in a text is 0 to n-1."},
		{name: "every", value: duration(), doc: "With repeat: the time between two of them."},
		{name: "at", value: offset(), doc: "Event time, from start."},
		{name: "arrives", value: offset(), doc: "When it arrives, from start: at."},
	}}

	expectBlock = &block{name: "expect", keys: []key{
		{name: "at", value: offset(), doc: "From start: of an event of the entity at that time, else a read at that instant."},
		{name: "event", value: either(text(), whole(minID, maxID)), doc: "Instead of at: the id of a given event."},
		{name: "entity", value: named(lowerNames, either(scalar(), list(scalar()))), doc: "Which one: {card: c1}."},
		{name: "features", value: named(anyNames, either(list(scalar()), either(wanted(), categories()))),
			doc: "Values by full name: a literal, a list, null, or {approx: 1, abs: 0.1}, {above: 1}, {below: 1}; by category {a: 1}."},
		{name: "statuses", value: named(anyNames, word(statusNames...)), doc: "How far a value can be trusted."},
		{name: "reasons", value: named(lowerNames, list(text())), doc: "By model: the exact list of reason codes, in the order declared."},
		{name: "scores", value: named(lowerNames, wanted()), doc: "By model."},
		{name: "band", value: named(lowerNames, text()), doc: "By model."},
		{name: "dropped", value: value{kind: aMap, of: &value{kind: aWhole, most: MaxTestEvents}, words: dropReasons}, doc: "Records of the test that were not applied, by reason."},
	}}

	wantBlock = &block{name: "want", keys: []key{
		{name: "approx", value: number(), doc: "Nearly this: with abs or rel."},
		{name: "above", value: number(), doc: "More than this."},
		{name: "below", value: number(), doc: "Less than this."},
		{name: "abs", value: number(), doc: "Of approx: how far off it may be."},
		{name: "rel", value: number(), doc: "Of approx: how far off it may be, as a share of it."},
	}}
)

// Ids of given events may be numbers.
const minID, maxID = -1 << 62, 1 << 62

// categories is an expected value, or list, per category, which is no way to compare.
func categories() value {
	v := either(scalar(), list(scalar()))
	return value{kind: aMap, of: &v, except: wantBlock.names()}
}

// wanted is one expected number or text.
func wanted() value { return either(scalar(), object(wantBlock)) }
