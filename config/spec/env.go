package spec

import (
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}`)

// connectionText reads a text that may name environment variables: ${VAR} or
// ${VAR:default}. Only where data comes from and goes to may depend on the
// environment; logic may not (spec-language.md 1.8).
func (m *mapping) connectionText(key string) string {
	n, ok := m.get(key)
	if !ok {
		return ""
	}
	s, ok := m.l.text(n, "`"+key+"`")
	if !ok {
		return ""
	}
	return m.l.expand(n, s)
}

func (l *loader) expand(n node, text string) string {
	expanded := variable.ReplaceAllStringFunc(text, func(ref string) string {
		parts := variable.FindStringSubmatch(ref)
		if v, ok := l.getenv(parts[1]); ok {
			return v
		}
		if strings.HasPrefix(ref, "${"+parts[1]+":") {
			return parts[2]
		}
		l.errorf(n, "set it, or write ${"+parts[1]+":default}", "the environment variable %s is not set", parts[1])
		return ref
	})
	if strings.Contains(variable.ReplaceAllString(text, ""), "${") {
		l.errorf(n, "write ${VAR} or ${VAR:default}", "`%s` holds a broken reference to the environment", text)
	}
	return expanded
}
