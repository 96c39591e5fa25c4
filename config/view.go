package config

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Line is one setting as it is in force.
type Line struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
	Env    string `json:"env"`
	Flag   string `json:"flag,omitempty"`
}

// View lists every setting with its value and where the value came from.
// Secrets show their reference, never their content.
func (s *Settings) View() []Line {
	var lines []Line
	for _, key := range Keys() {
		line := Line{Key: key.Name, Origin: s.origins[key.Name], Env: key.Env()}
		if key.Flag != "" {
			line.Flag = "--" + key.Flag
		}
		switch field := key.into(s).(type) {
		case *string:
			line.Value = *field
			if key.Name == "online_store" {
				line.Value = redactURL(*field)
			}
		case *[]string:
			line.Value = strings.Join(*field, ",")
		case *bool:
			line.Value = fmt.Sprint(*field)
		case *int:
			line.Value = strconv.Itoa(*field)
		case *Bytes:
			line.Value = field.String()
		case *time.Duration:
			line.Value = field.String()
		case *Secret:
			line.Value = field.reference()
		}
		lines = append(lines, line)
	}
	return lines
}

// IsSet reports whether someone gave the setting a value: file, environment or
// flag.
func (s *Settings) IsSet(key string) bool { return s.origins[key] != "default" }

func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return hidden
	}
	return u.Redacted()
}

// AddFlags gives flags the settings of the given names, each by its own flag.
// Defaults stay empty there: they are the table's, and viper lays them under
// file and environment.
func AddFlags(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		key, ok := find(name)
		if !ok || key.Flag == "" {
			panic("config: no flag for setting " + name)
		}
		help := key.Help
		if key.Default != "" {
			help += " (default " + key.Default + ")"
		}
		help += "  [" + key.Env() + "]"
		if key.Default == "false" {
			flags.VarPF(new(switchText), key.Flag, "", help).NoOptDefVal = "true"
			continue
		}
		flags.String(key.Flag, "", help)
	}
}

// switchText is a switch: its name alone sets it. It is kept as it was written,
// because settings are checked in one place wherever they come from.
type switchText string

// String returns what was written.
func (s *switchText) String() string { return string(*s) }

// Set keeps what is written.
func (s *switchText) Set(text string) error {
	*s = switchText(text)
	return nil
}

// Type is that of a flag that help shows without a value.
func (s *switchText) Type() string { return "bool" }

func find(name string) (Key, bool) {
	for _, key := range Keys() {
		if key.Name == name {
			return key, true
		}
	}
	return Key{}, false
}
