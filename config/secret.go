package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
)

// Secret is a value that is given by reference and never printed. Its zero
// value is "not set". It is read when it is needed, so that commands that do
// not need it do not fail for it.
type Secret struct {
	env  string // name of a variable
	file string // path of a file whose content, less a final line end, is the value
	text string // of a fixed secret: demo and tests
}

// ErrNoSecret is what Reveal returns where the secret is not set.
var ErrNoSecret = errors.New("no secret is set")

// FixedSecret is a secret known to everyone, as the demo uses.
func FixedSecret(text string) Secret { return Secret{text: text} }

// IsSet reports whether the secret was referred to; Reveal may still fail.
func (s Secret) IsSet() bool { return s != Secret{} }

// File is the path of the file that holds the secret, "" where none does: for
// secrets that are rotated, and read again each time.
func (s Secret) File() string { return s.file }

// Reveal reads the secret.
func (s Secret) Reveal() (string, error) {
	switch {
	case s.text != "":
		return s.text, nil
	case s.env != "":
		if v := os.Getenv(s.env); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the environment variable %s is not set or empty", s.env)
	case s.file != "":
		raw, err := os.ReadFile(s.file)
		if err != nil {
			var path *fs.PathError
			if errors.As(err, &path) {
				err = path.Err
			}
			return "", fmt.Errorf("read secret file %s: %w", s.file, err)
		}
		if v := strings.TrimRight(string(raw), "\r\n"); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the secret file %s is empty", s.file)
	}
	return "", ErrNoSecret
}

// reference says where the secret lies, never what it is.
func (s Secret) reference() string {
	switch {
	case s.text != "":
		return "***"
	case s.env != "":
		return "{env: " + s.env + "}"
	case s.file != "":
		return "{file: " + s.file + "}"
	}
	return ""
}

const hidden = "***"

// String, GoString, Format, MarshalJSON, MarshalText and LogValue all print three
// stars, whatever the secret is and however it is asked.
func (s Secret) String() string { return hidden }

// GoString is what %#v prints.
func (s Secret) GoString() string { return hidden }

// Format is what every other verb prints, %x among them.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalJSON is what encoding/json writes.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MarshalText is what YAML and flags write.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue is what slog writes.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
