package config

import (
	"strings"
	"time"
)

// Key is one setting: its name in the file, and with it in the environment;
// its flag where it has one; what it is before anyone says otherwise.
type Key struct {
	Name    string
	Flag    string // "": none
	Default string // as it would be written; lists are comma separated
	OneOf   []string
	Help    string

	into func(*Settings) any // a pointer to the field: *string, *[]string, *bool, *int, *time.Duration, *Bytes, *Secret
}

// Env is the environment variable of the key.
func (k Key) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// IsSecret reports whether the value is given by reference.
func (k Key) IsSecret() bool {
	_, ok := k.into(&Settings{}).(*Secret)
	return ok
}

const envPrefix = "FRESHET_"

// Deliveries. Exactly once needs sources and outputs on one Kafka cluster;
// where they are not, a run says so and is at least once.
const (
	AtLeastOnce = "at_least_once"
	ExactlyOnce = "exactly_once"
)

// DefaultListen is where metrics and health are served: loopback only.
const DefaultListen = "127.0.0.1:9464"

// Keys is every runtime setting, in the order of reference.yaml.
func Keys() []Key {
	var keys []Key
	keys = append(keys, runKeys()...)
	keys = append(keys, kafkaKeys()...)
	keys = append(keys, storeKeys()...)
	return append(keys, processKeys()...)
}

func runKeys() []Key {
	return []Key{
		{Name: "specs", Help: "Spec files and folders, if the command line names none",
			into: func(s *Settings) any { return &s.Specs }},
		{Name: "namespace", Flag: "namespace", Help: "The namespace to run, if the specs contain several",
			into: func(s *Settings) any { return &s.Namespace }},
		{Name: "delivery", Flag: "delivery", Default: ExactlyOnce, OneOf: []string{ExactlyOnce, AtLeastOnce},
			Help: "exactly_once, or at_least_once: after a crash outputs may be repeated",
			into: func(s *Settings) any { return &s.Delivery }},
		{Name: "commit_interval", Flag: "commit-interval", Default: "20ms", Help: "Longest time that a batch stays open",
			into: func(s *Settings) any { return &s.CommitInterval }},
		{Name: "state_dir", Flag: "state-dir", Help: "Folder for checkpoints (default: none, each start reads the log from its beginning)",
			into: func(s *Settings) any { return &s.StateDir }},
		{Name: "checkpoint.interval", Default: "1m", Help: "How often the whole state is written",
			into: func(s *Settings) any { return &s.Checkpoint.Interval }},
		{Name: "checkpoint.keep", Default: "3", Help: "How many checkpoints are kept, at least 3",
			into: func(s *Settings) any { return &s.Checkpoint.Keep }},
		{Name: "checkpoint.copy", Help: "Where checkpoints are copied to: file:///DIR or s3://BUCKET?prefix=...",
			into: func(s *Settings) any { return &s.Checkpoint.Copy }},
		{Name: "entity_key_secret", Help: "Key of the tokens that replace the keys of pii entities in Redis and in records",
			into: func(s *Settings) any { return &s.EntityKeySecret }},
		{Name: "memory_limit", Default: "0", Help: "Memory that the process may take, like 4GiB; 0 is the container's limit",
			into: func(s *Settings) any { return &s.MemoryLimit }},
		{Name: "engine.max_keys", Default: "0", Help: "How many entities may be known at once, of each entity type over each source; 0 is no bound",
			into: func(s *Settings) any { return &s.Engine.MaxKeys }},
	}
}

func kafkaKeys() []Key {
	keys := []Key{
		{Name: "kafka.brokers", Flag: "brokers", Default: "127.0.0.1:9092", Help: "Seed brokers, comma-separated",
			into: func(s *Settings) any { return &s.Kafka.Brokers }},
		{Name: "kafka.group", Flag: "group", Help: "Consumer group (default freshet-<namespace>)",
			into: func(s *Settings) any { return &s.Kafka.Group }},
		{Name: "kafka.instance_id", Help: "Static group membership: only if the name is stable and unique",
			into: func(s *Settings) any { return &s.Kafka.InstanceID }},
		{Name: "kafka.accept_gap", Flag: "accept-gap", Default: "false", Help: "Continue where records were removed before they were read",
			into: func(s *Settings) any { return &s.Kafka.AcceptGap }},
		{Name: "kafka.allow_tv1", Default: "false", Help: "Allow exactly once on clusters below transaction.version 2",
			into: func(s *Settings) any { return &s.Kafka.AllowTV1 }},
		{Name: "kafka.compression", Default: "none", OneOf: []string{"none", "lz4", "snappy", "zstd", "gzip"},
			Help: "Compression of what run produces", into: func(s *Settings) any { return &s.Kafka.Compression }},
	}
	keys = append(keys, tlsKeys("kafka.tls", true, func(s *Settings) *TLS { return &s.Kafka.TLS })...)
	return append(keys, []Key{
		{Name: "kafka.sasl.mechanism", OneOf: []string{"", "plain", "scram-sha-256", "scram-sha-512", "oauthbearer", "aws_msk_iam"},
			Help: "How to authenticate", into: func(s *Settings) any { return &s.Kafka.SASL.Mechanism }},
		{Name: "kafka.sasl.username", Help: "User for plain and scram",
			into: func(s *Settings) any { return &s.Kafka.SASL.Username }},
		{Name: "kafka.sasl.password", Help: "Password for plain and scram",
			into: func(s *Settings) any { return &s.Kafka.SASL.Password }},
		{Name: "kafka.sasl.token", Help: "Token for oauthbearer; a file is read again at each connection",
			into: func(s *Settings) any { return &s.Kafka.SASL.Token }},
		{Name: "kafka.sasl.token_url", Help: "Where oauthbearer gets tokens (client credentials grant), instead of token",
			into: func(s *Settings) any { return &s.Kafka.SASL.TokenURL }},
		{Name: "kafka.sasl.client_id", Help: "Client id for token_url",
			into: func(s *Settings) any { return &s.Kafka.SASL.ClientID }},
		{Name: "kafka.sasl.client_secret", Help: "Client secret for token_url",
			into: func(s *Settings) any { return &s.Kafka.SASL.ClientSecret }},
		{Name: "kafka.sasl.scope", Help: "Scope to request from token_url",
			into: func(s *Settings) any { return &s.Kafka.SASL.Scope }},
		{Name: "kafka.sasl.access_key_id", Help: "Access key for aws_msk_iam (default: the AWS_* variables)",
			into: func(s *Settings) any { return &s.Kafka.SASL.AccessKeyID }},
		{Name: "kafka.sasl.secret_access_key", Help: "Secret key for aws_msk_iam",
			into: func(s *Settings) any { return &s.Kafka.SASL.SecretAccessKey }},
		{Name: "kafka.sasl.session_token", Help: "Session token for aws_msk_iam",
			into: func(s *Settings) any { return &s.Kafka.SASL.SessionToken }},
	}...)
}

// tlsKeys are the settings of one TLS client. Redis has no "enabled": its URL
// says it.
func tlsKeys(prefix string, enabled bool, tls func(*Settings) *TLS) []Key {
	keys := []Key{
		{Name: prefix + ".ca_file", Help: "Roots to trust, PEM (default: the system's)",
			into: func(s *Settings) any { return &tls(s).CAFile }},
		{Name: prefix + ".cert_file", Help: "Client certificate, PEM",
			into: func(s *Settings) any { return &tls(s).CertFile }},
		{Name: prefix + ".key_file", Help: "Key of the client certificate, PEM",
			into: func(s *Settings) any { return &tls(s).KeyFile }},
		{Name: prefix + ".server_name", Help: "Name to verify (default: the host)",
			into: func(s *Settings) any { return &tls(s).ServerName }},
	}
	if !enabled {
		return keys
	}
	on := Key{Name: prefix + ".enabled", Default: "false", Help: "Use TLS for the brokers",
		into: func(s *Settings) any { return &tls(s).Enabled }}
	return append([]Key{on}, keys...)
}

func storeKeys() []Key {
	keys := []Key{
		{Name: "online_store", Flag: "online-store", Default: "redis://127.0.0.1:6379", Help: "redis://HOST:PORT/DB, rediss://... or none",
			into: func(s *Settings) any { return &s.OnlineStore }},
		{Name: "online_store_wait", Default: "2s", Help: "How long the online store may accept no rows before the stream continues without it",
			into: func(s *Settings) any { return &s.OnlineStoreWait }},
		{Name: "redis.mode", Default: "single", OneOf: []string{"single", RedisCluster},
			Help: "single: one server, or one address that leads to the master; cluster: Redis Cluster (add nodes to try first with ?addr=HOST:PORT in online_store)",
			into: func(s *Settings) any { return &s.Redis.Mode }},
		{Name: "redis.allow_eviction", Default: "false", Help: "Start although the server may evict rows (maxmemory-policy)",
			into: func(s *Settings) any { return &s.Redis.AllowEviction }},
		{Name: "redis.username", Help: "ACL user (default: the URL's)",
			into: func(s *Settings) any { return &s.Redis.Username }},
		{Name: "redis.password", Help: "Password of the ACL user",
			into: func(s *Settings) any { return &s.Redis.Password }},
	}
	return append(keys, tlsKeys("redis.tls", false, func(s *Settings) *TLS { return &s.Redis.TLS })...)
}

func processKeys() []Key {
	return []Key{
		{Name: "listen", Flag: "listen", Default: DefaultListen, Help: "Address of metrics and health, or none",
			into: func(s *Settings) any { return &s.Listen }},
		{Name: "watchdog_after", Default: "90s", Help: "How long nothing may be committed, while records wait and no error explains it, before the process ends",
			into: func(s *Settings) any { return &s.WatchdogAfter }},
		{Name: "log.level", Flag: "log-level", Default: "info", OneOf: []string{"debug", "info", "warn", "error"},
			Help: "Lowest level that is logged", into: func(s *Settings) any { return &s.Log.Level }},
		{Name: "log.format", Flag: "log-format", Default: "auto", OneOf: []string{"auto", "text", "json"},
			Help: "auto is text on a terminal and json elsewhere", into: func(s *Settings) any { return &s.Log.Format }},
	}
}

// minCommitInterval keeps a typo (20 for 20ms) from turning into a busy loop;
// maxCommitInterval keeps the uncommitted tail short.
const (
	minCommitInterval = time.Millisecond
	maxCommitInterval = 10 * time.Second
)

// leastCheckpoints: one may be damaged, and the one before it needs one behind
// it.
const leastCheckpoints = 3

// minWatchdogAfter is longer than a group takes to replace a dead owner: less
// would end processes that only wait for their turn.
const minWatchdogAfter = SessionTimeout + 5*time.Second

// leastMemory is what a run without any entities takes, and room for its
// queues.
const leastMemory = 128 << 20

// leastKeys is one for each group of keys (features.Options.MaxKeys).
const leastKeys = 256

// The table of timeouts: each is below the next. The broker's transaction and
// the group's session are the connectors' (sinks/kafka, sources/kafka).
const (
	TransactionTimeout = 8 * time.Second
	SessionTimeout     = 10 * time.Second
	maxStoreWait       = TransactionTimeout / 2 // at least once it may be longer
)
