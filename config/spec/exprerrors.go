package spec

import (
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// syntaxErrors turns the parser's findings into ours. Only the first counts:
// the others are mostly its echo.
func syntaxErrors(text string, issues *cel.Issues) []*ExprError {
	first := issues.Errors()[0]
	message := strings.TrimPrefix(first.Message, "Syntax error: ")
	if i := strings.Index(message, " expecting "); i > 0 {
		message = message[:i]
	}
	message = strings.ReplaceAll(message, "'<EOF>'", "the end")
	message = strings.ReplaceAll(message, "mismatched input", "unexpected")
	message = strings.ReplaceAll(message, "extraneous input", "unexpected")
	message = strings.ReplaceAll(message, "unexpected the end", "it ends too early")
	finding := habitIn(text)
	if finding == nil {
		finding = &ExprError{Offset: offsetOf(text, first.Location), Length: 1, Message: message}
	}
	finding.Message = "the expression does not parse: " + finding.Message
	return []*ExprError{finding}
}

// offsetOf turns cel-go's line (from 1) and column (from 0) into characters
// from the start of the text.
func offsetOf(text string, at common.Location) int {
	runes, line := []rune(text), 1
	for i, r := range runes {
		if line == at.Line() {
			return min(i+at.Column(), len(runes))
		}
		if r == '\n' {
			line++
		}
	}
	return len(runes)
}

var overloadError = regexp.MustCompile(`^found no matching overload for '([^']+)' applied to '(.*)'$`)

// typeErrors turns the checker's findings into ours.
func typeErrors(text string, tree *ast.AST, issues *cel.Issues) []*ExprError {
	var all []*ExprError
	for _, e := range issues.Errors() {
		finding := &ExprError{Offset: offsetOf(text, e.Location), Length: 1, Message: e.Message}
		if m := overloadError.FindStringSubmatch(e.Message); m != nil {
			finding.Message, finding.Suggestion = overloadMessage(m[1], m[2])
		}
		all = append(all, finding)
	}
	return all
}

func overloadMessage(function, applied string) (message, suggestion string) {
	applied = strings.ReplaceAll(applied, "google.protobuf.Timestamp", "timestamp")
	applied = strings.ReplaceAll(applied, "google.protobuf.Duration", "duration")
	switch {
	case function == operators.Conditional:
		return "`? :` takes a bool and two values of one type, not " + applied, ""
	case function == operators.In:
		return "`in` takes a value and a list of the same type, not " + applied, ""
	}
	name := "`" + function + "()`"
	if symbol, ok := operators.FindReverse(function); ok && symbol != "" {
		name = "`" + symbol + "`"
	}
	if strings.Contains(applied, "timestamp") && strings.Contains(applied, "string") {
		suggestion = `a time is written timestamp("2026-01-05T10:00:00Z")`
	} else if strings.Contains(applied, "duration") && strings.Contains(applied, "double") {
		suggestion = `a duration is written duration("24h"); days(d) makes a number of one`
	} else if strings.Contains(applied, "string") && strings.Contains(applied, "double") {
		suggestion = "text is written in quotes, numbers without"
	} else if strings.Contains(applied, "bool") {
		suggestion = "a bool stands for itself: write name, or !name"
	}
	return name + " does not take " + applied, suggestion
}

func celTypeName(t *cel.Type) string {
	return strings.ReplaceAll(strings.ReplaceAll(t.String(), "google.protobuf.Timestamp", "timestamp"),
		"google.protobuf.Duration", "duration")
}
