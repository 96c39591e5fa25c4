package spec

import (
	"regexp"
	"slices"
	"strings"
)

// habit is something that other languages have and expressions have not, and
// what is written here instead.
type habit struct {
	form    *regexp.Regexp // its first group is what means nothing here
	message string         // "" says just that
	instead string
}

// habits are looked for in texts that do not parse. Of two that begin at the
// same place the first counts.
var habits = []habit{
	{regexp.MustCompile(`(?i)\b(is\s+not\s+null)\b`), "", "write present(name)"},
	{regexp.MustCompile(`(?i)\b(is\s+null)\b`), "", "write !present(name)"},
	{regexp.MustCompile(`(?i)\b(not\s+in)\b`), "", `write !(name in ["a", "b"])`},
	{regexp.MustCompile(`(?i)\b(in)\s*\(`), "`in` takes a list in [ ]", `write name in ["a", "b"]`},
	{regexp.MustCompile(`(?i)\b(between)\b`), "", "write name >= 1 && name <= 2"},
	{regexp.MustCompile(`(?i)\b(i?like)\b`), "", `write name.startsWith("a"), or endsWith, contains, matches`},
	{regexp.MustCompile(`(?i)\b(case|if|then|else)\b`), "", "write condition ? a : b"},
	{regexp.MustCompile(`(?i)\b(and)\b`), "", "write &&"},
	{regexp.MustCompile(`(?i)\b(or)\b`), "", "write ||"},
	{regexp.MustCompile(`(?i)\b(not)\b`), "", "write !"},
	{regexp.MustCompile(`(<>)`), "", "write !="},
	{regexp.MustCompile(`(={3})`), "", "write =="},
	{regexp.MustCompile(`(\*\*|\^)`), "", "write pow(a, b)"},
	{regexp.MustCompile(`(\$\{[^}]*\}?)`), "${VAR} is for the connection values of sources and outputs, never for logic", "write the value itself"},
	{regexp.MustCompile(`(?:^|[^=!<>])(=)(?:[^=]|$)`), "a single = means nothing here", "equality is written =="},
}

var quotedText = regexp.MustCompile(`"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'`)

// habitIn is the first thing in a text that another language has, as a
// finding; nil: there is none.
func habitIn(text string) *ExprError {
	bare := quotedText.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat(`"`, len(s)) })
	var first *ExprError
	start := len(bare)
	for _, h := range habits {
		at := h.form.FindStringSubmatchIndex(bare)
		if at == nil || at[2] >= start {
			continue
		}
		start = at[2]
		word := bare[at[2]:at[3]]
		message := h.message
		if message == "" {
			message = "`" + word + "` means nothing here"
		}
		first = &ExprError{Offset: len([]rune(text[:at[2]])), Length: len([]rune(word)), Message: message, Suggestion: h.instead}
	}
	return first
}

// otherFunctions are functions of other languages, and what is written here.
var otherFunctions = map[string]string{
	"len": "write size(text)", "length": "write size(text)",
	"ln": "write log", "ceiling": "write ceil", "power": "write pow",
	"greatest": "write max", "least": "write min",
	"lower": lowerHint, "upper": lowerHint, "lowerAscii": lowerHint, "upperAscii": lowerHint, "toLowerCase": lowerHint, "toUpperCase": lowerHint,
	"hour": "write event_time.getHours()", "dayofweek": "write event_time.getDayOfWeek()", "weekday": "write event_time.getDayOfWeek()",
	"coalesce": coalesceHint, "ifnull": coalesceHint, "nvl": coalesceHint, "fillna": coalesceHint,
	"isnull": "write !present(name)", "isna": "write !present(name)", "notnull": "write present(name)",
	"concat": "write a + b", "haversine": "write haversine_km",
	"count": aggregateHint, "sum": aggregateHint, "avg": aggregateHint, "mean": aggregateHint, "stddev": aggregateHint,
}

const (
	lowerHint     = `to compare without case write name.matches("(?i)^abc$")`
	coalesceHint  = "a name without a value leaves the whole expression without one: write a `default` beside it, or ask present(name)"
	aggregateHint = "an expression looks at one event: make a feature of it, and read that in `derived`"
)

// enumValueOf is the field that has a word among its values, for a text that
// was written without quotes.
func (env *Env) enumValueOf(word string) (field string, ok bool) {
	for _, name := range env.known() {
		if f := env.names[name].Field; f != nil && slices.Contains(f.Enum, word) {
			return name, true
		}
	}
	return "", false
}

// suggest is what an unknown name should have been: a name of another scope
// that lacks its first part or has one too many, a text without quotes, or one
// that is spelt nearly so.
func (env *Env) suggest(name string) string {
	known := env.known()
	first, rest, _ := strings.Cut(name, ".")
	request := slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, "request.") })
	for _, k := range known {
		if strings.HasSuffix(k, "."+name) || first == "event" && (k == rest || k == "request."+rest) {
			return "write " + pinnedText(k)
		}
	}
	if first == "event" && rest != "" && !slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, "event.") }) &&
		(request || slices.ContainsFunc(known, func(k string) bool { return strings.Contains(k, ".") })) {
		return "declare " + rest + " under `request_fields` of the service, and write request." + rest
	}
	if _, ok := env.enumValueOf(name); ok {
		return "text is written in quotes: \"" + name + "\""
	}
	return pinnedText(didYouMean(name, known))
}
