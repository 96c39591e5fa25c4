package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"
)

// clearEnv removes what the surroundings say, for one test.
func clearEnv(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) {
			t.Setenv(name, "")
		}
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func flagsWith(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags, "kafka.brokers", "online_store", "commit_interval", "delivery", "listen")
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags
}

func TestFileBelowEnvironmentBelowFlags(t *testing.T) {
	clearEnv(t)
	path := writeFile(t, "kafka:\n  brokers: [a:1, b:2]\n  group: from-file\ncommit_interval: 5ms\nlisten: 0.0.0.0:1\n")
	t.Setenv("FRESHET_KAFKA_GROUP", "from-env")
	t.Setenv("FRESHET_COMMIT_INTERVAL", "7ms")
	s, err := Load(path, flagsWith(t, "--commit-interval", "9ms"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Kafka.Brokers); got != "[a:1 b:2]" {
		t.Errorf("brokers of the file: %s", got)
	}
	if s.Kafka.Group != "from-env" || s.CommitInterval != 9*time.Millisecond || s.OnlineStore != "redis://127.0.0.1:6379" {
		t.Errorf("got group %s, interval %s, store %s", s.Kafka.Group, s.CommitInterval, s.OnlineStore)
	}
	want := map[string]string{
		"kafka.brokers": "file " + path, "kafka.group": "environment FRESHET_KAFKA_GROUP",
		"commit_interval": "flag --commit-interval", "log.level": "default", "kafka.tls.enabled": "default", "listen": "file " + path, "online_store": "default",
	}
	for _, line := range s.View() {
		if origin, ok := want[line.Key]; ok && line.Origin != origin {
			t.Errorf("origin of %s is %q, want %q", line.Key, line.Origin, origin)
		}
	}
}

// Without a file, without a default and without a flag: the case that viper's
// AutomaticEnv does not see.
func TestEnvironmentAloneReachesEveryKey(t *testing.T) {
	for _, key := range Keys() {
		t.Run(key.Name, func(t *testing.T) {
			clearEnv(t)
			value := "some-text"
			switch key.into(&Settings{}).(type) {
			case *bool:
				value = "true"
			case *int:
				value = "1000"
			case *time.Duration:
				value = "3ms"
			}
			switch key.Name {
			case "online_store":
				value = "none"
			case "kafka.brokers", "listen":
				value = "h:1"
			case "watchdog_after":
				value = "3m"
			case "memory_limit":
				value = "2GiB"
			}
			if len(key.OneOf) > 0 {
				value = key.OneOf[0]
			}
			t.Setenv(key.Env(), value)
			s, err := Load("", nil)
			if err != nil {
				if strings.Contains(err.Error(), "go together") || strings.Contains(err.Error(), "kafka.tls.enabled") || strings.Contains(err.Error(), "kafka.sasl.mechanism") {
					return // it means nothing without others, but it was read
				}
				t.Fatal(err)
			}
			if value != "" && !strings.HasPrefix(s.origins[key.Name], "environment") {
				t.Errorf("origin %q", s.origins[key.Name])
			}
		})
	}
}

func TestFileRefusals(t *testing.T) {
	clearEnv(t)
	for _, c := range []struct{ name, text, want string }{
		{"unknown", "kafka:\n  broker: a:1\n", ":2:3: unknown setting kafka.broker (did you mean kafka.brokers?)"},
		{"unknown at top", "online_stor: none\n", "did you mean online_store?"},
		{"wrong room", "brokers: a:1\n", "did you mean kafka.brokers?"},
		{"capitals", "Listen: 127.0.0.1:1\n", "unknown setting Listen (did you mean listen?)"},
		{"null", "listen:\n", "listen has no value"},
		{"twice", "listen: 'a:1'\nlisten: 'b:1'\n", "settings.yaml"},
		{"secret in clear", "entity_key_secret: hunter2\n", "is a secret and does not stand in a file"},
		{"secret with two references", "entity_key_secret: {env: A, file: B}\n", "one reference"},
		{"list for text", "listen: [a, b]\n", "one value, not a list"},
		{"mapping for text", "listen: {a: b}\n", "one value, not a mapping"},
		{"not a mapping", "- a\n", "a mapping of keys"},
		{"delivery", "delivery: twice\n", `"twice" is none of exactly_once or at_least_once`},
		{"store", "online_store: memcached://x\n", "is not a store"},
		{"interval", "commit_interval: 20\n", "is not a duration"},
		{"few keys", "engine: {max_keys: 100}\n", "setting engine.max_keys"},
		{"keys in words", "engine: {max_keys: many}\n", "is not a whole number, like 1000000"},
		{"memory in words", "memory_limit: plenty\n", "is not an amount of memory, like 4GiB"},
		{"memory bounds", "memory_limit: 64MiB\n", "64MiB is below 128MiB"},
		{"watchdog bounds", "watchdog_after: 2s\n", "below 15s"},
		{"interval bounds", "commit_interval: 1h\n", "outside 1ms to 10s"},
		{"broker", "kafka: {brokers: localhost}\n", `"localhost" is not HOST:PORT`},
		{"scram without user", "kafka: {sasl: {mechanism: scram-sha-512}}\n", "needs kafka.sasl.username"},
		{"TLS without TLS", "kafka: {tls: {ca_file: ca.pem}}\n", "TLS is off: set it to true"},
		{"a password for nothing", "kafka: {sasl: {username: freshet, password: {env: P}}}\n", "kafka.sasl.mechanism (default): it is not set"},
		{"certificate without key", "redis: {tls: {cert_file: a.pem}}\n", "go together"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(writeFile(t, c.text), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows the secret")
			}
		})
	}
}

func TestAllErrorsOfAFileAreCollected(t *testing.T) {
	clearEnv(t)
	_, err := Load(writeFile(t, "a: 1\nb: 2\nlisten:\n"), nil)
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want three lines, got %v", err)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	clearEnv(t)
	const canary = "canary-4f2a"
	t.Setenv("FRESHET_ENTITY_KEY_SECRET", canary)
	s, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	revealed, err := s.EntityKeySecret.Reveal()
	if err != nil || revealed != canary {
		t.Fatalf("Reveal: %q, %v", revealed, err)
	}
	fixed := FixedSecret(canary)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", s.EntityKeySecret, fixed, *s)
		fmt.Fprintf(&out, verb+"\n", struct{ S Secret }{fixed})
	}
	encoded, _ := json.Marshal(map[string]any{"a": fixed, "b": s})
	out.Write(encoded)
	dumped, _ := yaml.Marshal(map[string]any{"a": fixed})
	out.Write(dumped)
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "secret", fixed, "settings", s)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", fixed, "settings", s)
	fmt.Fprintln(&out, s.View())
	if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret was printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), hidden) {
		t.Error("nothing was printed at all")
	}
}

func TestSecretFromFile(t *testing.T) {
	clearEnv(t)
	secret := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(secret, []byte("abc\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(writeFile(t, "entity_key_secret: {file: "+secret+"}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.EntityKeySecret.Reveal(); err != nil || got != "abc" {
		t.Errorf("got %q, %v", got, err)
	}
	missing := Secret{file: secret + ".not"}
	if _, err := missing.Reveal(); err == nil || !strings.Contains(err.Error(), secret+".not") {
		t.Errorf("missing file: %v", err)
	}
}

func TestPasswordInStoreURLIsNotShown(t *testing.T) {
	clearEnv(t)
	t.Setenv("FRESHET_ONLINE_STORE", "redis://user:hunter2@127.0.0.1:1/0")
	s, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprint(s.View()); strings.Contains(shown, "hunter2") {
		t.Error(shown)
	}
	t.Setenv("FRESHET_ONLINE_STORE", "memcached://user:hunter2@x")
	if _, err := Load("", nil); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// The table, the struct and the reference say the same.
func TestReferenceIsTheTable(t *testing.T) {
	clearEnv(t)
	if _, err := checkFile("reference.yaml"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	written := make(map[string]any)
	flatten("", tree, written)
	fields := make(map[any]string)
	settings := new(Settings)
	for _, key := range Keys() {
		value, ok := written[key.Name]
		if !ok {
			t.Errorf("reference.yaml lacks %s", key.Name)
			continue
		}
		delete(written, key.Name)
		if !key.IsSecret() && strings.Join(list2(value), ",") != key.Default {
			t.Errorf("reference.yaml says %s: %v, the table %q", key.Name, value, key.Default)
		}
		pointer := key.into(settings)
		if other, taken := fields[pointer]; taken {
			t.Errorf("%s and %s fill the same field", key.Name, other)
		}
		fields[pointer] = key.Name
	}
	for name := range written {
		t.Errorf("reference.yaml has %s, the table has not", name)
	}
	s, err := Load("reference.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range s.View() {
		if strings.HasPrefix(line.Value, "{") {
			continue
		}
		if line.Value != plain.View()[i].Value {
			t.Errorf("%s: reference gives %q, no file %q", line.Key, line.Value, plain.View()[i].Value)
		}
	}
}

func flatten(prefix string, tree map[string]any, into map[string]any) {
	for name, value := range tree {
		sub, ok := value.(map[string]any)
		if _, env := sub["env"]; ok && !env {
			if _, file := sub["file"]; !file {
				flatten(prefix+name+".", sub, into)
				continue
			}
		}
		into[prefix+name] = value
	}
}

func list2(value any) []string {
	if items, ok := value.([]any); ok {
		return list(items)
	}
	return []string{fmt.Sprint(value)}
}

func TestWarningsOfMisspeltVariables(t *testing.T) {
	got := Warnings([]string{"FRESHET_KAFKA_BROKER=x", "FRESHET_SERVICE_HOST=10.0.0.1", "FRESHET_NO_COLOR=1",
		"FRESHET_LISTEN=a:1", "FRESHET_ENTITY_KEY_SECRET_FILE=x", "HOME=/"})
	if len(got) != 1 || !strings.Contains(got[0], "did you mean FRESHET_KAFKA_BROKERS?") {
		t.Errorf("got %q", got)
	}
}
