package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Load reads the settings: the file at path ("" is none), over it the FRESHET_*
// variables of the process, over them those of flags that were set (nil is
// none). The values are checked; secrets are not read yet.
func Load(path string, flags *pflag.FlagSet) (*Settings, error) {
	v := viper.New()
	var inFile map[string]bool
	if path != "" {
		var err error
		if inFile, err = checkFile(path); err != nil {
			return nil, err
		}
		v.SetConfigFile(path)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil {
			return nil, fmt.Errorf("read settings %s: %w", path, err)
		}
	}
	s := &Settings{file: path, origins: make(map[string]string)}
	var errs []error
	for _, key := range Keys() {
		if err := s.take(v, key, inFile[key.Name], flags); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		errs = append(errs, s.check()...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// Defaults are the settings where nobody has said anything.
func Defaults() *Settings {
	v := viper.New()
	s := &Settings{origins: make(map[string]string)}
	for _, key := range Keys() {
		s.origins[key.Name] = "default"
		if key.IsSecret() {
			continue
		}
		v.SetDefault(key.Name, key.Default)
		if err := s.set(v, key); err != nil {
			panic("config: default of " + key.Name + ": " + err.Error())
		}
	}
	return s
}

// take puts the value of one key into its field and remembers its origin.
func (s *Settings) take(v *viper.Viper, key Key, inFile bool, flags *pflag.FlagSet) error {
	if key.IsSecret() {
		return s.takeSecret(v, key)
	}
	var flag *pflag.Flag
	if flags != nil && key.Flag != "" {
		flag = flags.Lookup(key.Flag)
	}
	// Bound one by one: viper's AutomaticEnv does not see keys that have
	// neither a default nor a line in the file.
	v.SetDefault(key.Name, key.Default)
	if err := v.BindEnv(key.Name, key.Env()); err != nil {
		return fmt.Errorf("setting %s: %w", key.Name, err)
	}
	if flag != nil {
		if err := v.BindPFlag(key.Name, flag); err != nil {
			return fmt.Errorf("setting %s: %w", key.Name, err)
		}
	}
	origin := "default"
	switch {
	case flag != nil && flag.Changed:
		origin = "flag --" + key.Flag
	case os.Getenv(key.Env()) != "":
		origin = "environment " + key.Env()
	case inFile:
		origin = "file " + s.file
	}
	s.origins[key.Name] = origin
	if err := s.set(v, key); err != nil {
		return fmt.Errorf("setting %s (%s): %w", key.Name, origin, err)
	}
	return nil
}

func (s *Settings) set(v *viper.Viper, key Key) error {
	text := strings.TrimSpace(v.GetString(key.Name))
	switch field := key.into(s).(type) {
	case *string:
		if len(key.OneOf) > 0 && !contains(key.OneOf, text) {
			return fmt.Errorf("%s is none of %s", quote(text), listed(key.OneOf))
		}
		*field = text
	case *[]string:
		*field = list(v.Get(key.Name))
	case *bool:
		switch text {
		case "true", "1":
			*field = true
		case "false", "0", "":
			*field = false
		default:
			return fmt.Errorf("%s is neither true nor false", quote(text))
		}
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fmt.Errorf("%s is not a whole number, like 1000000", quote(text))
		}
		*field = n
	case *Bytes:
		n, err := parseBytes(text)
		if err != nil {
			return err
		}
		*field = n
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%s is not a duration, like 20ms", quote(text))
		}
		*field = d
	default:
		panic("config: setting " + key.Name + " has a type that no one reads")
	}
	return nil
}

// list reads a YAML list or comma separated text.
func list(value any) []string {
	var parts []string
	switch x := value.(type) {
	case []any:
		for _, item := range x {
			parts = append(parts, fmt.Sprint(item))
		}
	case []string:
		parts = x
	case string:
		parts = strings.Split(x, ",")
	}
	var out []string
	for _, part := range parts {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// takeSecret keeps a reference. FRESHET_X holds the secret itself,
// FRESHET_X_FILE the path of a file with it.
func (s *Settings) takeSecret(v *viper.Viper, key Key) error {
	field := key.into(s).(*Secret)
	s.origins[key.Name] = "default"
	switch {
	case os.Getenv(key.Env()) != "":
		*field = Secret{env: key.Env()}
		s.origins[key.Name] = "environment " + key.Env()
	case os.Getenv(key.Env()+"_FILE") != "":
		*field = Secret{file: os.Getenv(key.Env() + "_FILE")}
		s.origins[key.Name] = "environment " + key.Env() + "_FILE"
	case v.GetString(key.Name+".env") != "":
		*field = Secret{env: v.GetString(key.Name + ".env")}
		s.origins[key.Name] = "file " + s.file
	case v.GetString(key.Name+".file") != "":
		*field = Secret{file: v.GetString(key.Name + ".file")}
		s.origins[key.Name] = "file " + s.file
	}
	return nil
}

// check refuses values that would fail later and farther from their cause.
func (s *Settings) check() []error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("setting %s (%s): %w", key, s.origins[key], fmt.Errorf(format, args...)))
	}
	if err := checkStore(s.OnlineStore); err != nil {
		bad("online_store", "%w", err)
	}
	if len(s.Kafka.Brokers) == 0 {
		bad("kafka.brokers", "at least one broker is needed, like 127.0.0.1:9092")
	}
	for _, broker := range s.Kafka.Brokers {
		if _, _, err := net.SplitHostPort(broker); err != nil {
			bad("kafka.brokers", "%s is not HOST:PORT", quote(broker))
		}
	}
	if s.Listening() {
		if _, _, err := net.SplitHostPort(s.Listen); err != nil {
			bad("listen", "%s is not HOST:PORT, like %s, nor none", quote(s.Listen), DefaultListen)
		}
	}
	if s.CommitInterval < minCommitInterval || s.CommitInterval > maxCommitInterval {
		bad("commit_interval", "%s is outside %s to %s", s.CommitInterval, minCommitInterval, maxCommitInterval)
	}
	if s.OnlineStoreWait <= 0 || s.Delivery == ExactlyOnce && s.OnlineStoreWait > maxStoreWait {
		bad("online_store_wait", "%s is outside 1ms to %s: it must end well before a transaction does (%s), and that before the group's session (%s); at least once it may be longer",
			s.OnlineStoreWait, maxStoreWait, TransactionTimeout, SessionTimeout)
	}
	if s.Checkpoint.Interval < minCommitInterval {
		bad("checkpoint.interval", "%s is below %s", s.Checkpoint.Interval, minCommitInterval)
	}
	if s.Checkpoint.Keep < leastCheckpoints {
		bad("checkpoint.keep", "%d is below %d: one may be damaged, and the one before it needs one behind it", s.Checkpoint.Keep, leastCheckpoints)
	}
	if s.WatchdogAfter < minWatchdogAfter {
		bad("watchdog_after", "%s is below %s: a hand-over takes so long where an owner has died", s.WatchdogAfter, minWatchdogAfter)
	}
	if s.MemoryLimit > 0 && s.MemoryLimit < leastMemory {
		bad("memory_limit", "%s is below %s: a run without any entities takes about that (0: the container's limit)", s.MemoryLimit, Bytes(leastMemory))
	}
	if s.Engine.MaxKeys > 0 && s.Engine.MaxKeys < leastKeys {
		bad("engine.max_keys", "%d is below %d: it is kept in 256 parts (0: no bound)", s.Engine.MaxKeys, leastKeys)
	}
	for _, tls := range []struct {
		prefix string
		TLS
	}{{"kafka.tls", s.Kafka.TLS}, {"redis.tls", s.Redis.TLS}} {
		if (tls.CertFile == "") != (tls.KeyFile == "") {
			bad(tls.prefix+".cert_file", "cert_file and key_file go together")
		}
	}
	s.checkKafka(bad)
	return errs
}

// checkKafka refuses who we are to the brokers where it is incomplete, or nothing
// reads it.
func (s *Settings) checkKafka(bad func(key, format string, args ...any)) {
	// Passed over in silence, they would send records, and a password, in clear.
	if tls := s.Kafka.TLS; !tls.Enabled && !s.IsSet("kafka.tls.enabled") && tls != (TLS{}) {
		bad("kafka.tls.enabled", "kafka.tls has files or a name to verify, and TLS is off: set it to true, or to false where that is meant")
	}
	switch s.Kafka.SASL.Mechanism {
	case "":
		if !s.IsSet("kafka.sasl.mechanism") && (s.Kafka.SASL.Username != "" || s.Kafka.SASL.Password.IsSet()) {
			bad("kafka.sasl.mechanism", "it is not set, and kafka.sasl.username or kafka.sasl.password are: set it to plain, scram-sha-256 or scram-sha-512")
		}
	case "plain", "scram-sha-256", "scram-sha-512":
		if s.Kafka.SASL.Username == "" || !s.Kafka.SASL.Password.IsSet() {
			bad("kafka.sasl.mechanism", "%s needs kafka.sasl.username and kafka.sasl.password", s.Kafka.SASL.Mechanism)
		}
	case "oauthbearer":
		if !s.Kafka.SASL.Token.IsSet() && s.Kafka.SASL.TokenURL == "" {
			bad("kafka.sasl.mechanism", "oauthbearer needs kafka.sasl.token or kafka.sasl.token_url")
		}
	}
}

func checkStore(store string) error {
	if store == "none" {
		return nil
	}
	u, err := url.Parse(store)
	if err != nil {
		// The error of url.Parse repeats the text, which may hold a password.
		return errors.New("not a URL: redis://HOST:PORT/DB, rediss://HOST:PORT/DB or none")
	}
	if u.Scheme != "redis" && u.Scheme != "rediss" {
		return fmt.Errorf("%s is not a store: redis://HOST:PORT/DB, rediss://HOST:PORT/DB or none", quote(u.Redacted()))
	}
	if u.Host == "" {
		return errors.New("the URL has no host: redis://HOST:PORT/DB")
	}
	return nil
}

// Listening reports whether metrics and health are served.
func (s *Settings) Listening() bool { return s.Listen != "" && s.Listen != "none" }

// Warnings are FRESHET_* variables of the process that look like a setting
// but are none. They are no error: Kubernetes puts FRESHET_SERVICE_HOST and
// its like into every pod beside a service of that name.
func Warnings(environ []string) []string {
	known := make(map[string]bool)
	var names []string
	for _, key := range Keys() {
		known[key.Env()] = true
		names = append(names, key.Env())
		if key.IsSecret() {
			known[key.Env()+"_FILE"] = true
		}
	}
	var warnings []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || known[name] {
			continue
		}
		near := Nearest(name, append([]string(nil), names...))
		if near != "" && editDistance(name, near) <= 3 {
			warnings = append(warnings, fmt.Sprintf("the variable %s is not a setting (did you mean %s?)", name, near))
		}
	}
	sort.Strings(warnings)
	return warnings
}

func (k Key) isList() bool {
	_, ok := k.into(&Settings{}).(*[]string)
	return ok
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

// listed is "a, b or c", the empty choice left out.
func listed(items []string) string {
	var shown []string
	for _, item := range items {
		if item != "" {
			shown = append(shown, item)
		}
	}
	if len(shown) < 2 {
		return strings.Join(shown, "")
	}
	return strings.Join(shown[:len(shown)-1], ", ") + " or " + shown[len(shown)-1]
}
